"""Where an image comes from: what it says of itself, and whether its pixels are those of an image that we made."""
