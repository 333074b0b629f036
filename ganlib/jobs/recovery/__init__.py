"""A project's registry and data as a backup, and back from it, on this machine or another."""
