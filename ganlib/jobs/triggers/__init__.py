"""What would be retrained now, and why: a file a cause, one look at all of them, one run for all that are found."""
