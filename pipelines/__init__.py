"""Prefect flows over ganlib's jobs. A task is three lines round a job; everything works without Prefect as well."""
