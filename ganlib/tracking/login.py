"""Under which name MLflow knows this process."""

from __future__ import annotations

from ganlib.core import accounts


def login() -> str:
    """Return the user as whom we log in to MLflow, and without a login the system's user."""
    from mlflow.utils.credentials import read_mlflow_creds

    return read_mlflow_creds().username or accounts.user()
