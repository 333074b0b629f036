"""What may be wrong around a project, and what cures it: one function a subject, in three files."""
