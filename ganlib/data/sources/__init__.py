"""What all data sets share that are known by name: downloads, package clients, and their failures."""
