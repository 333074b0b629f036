"""Secrets out of files, as containers and systemd hand them over: NAME_FILE has the path of what NAME would be."""

from __future__ import annotations

import os
from pathlib import Path

from ganlib.core.errors import BadInput

NAMES = (
    *("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"),
    *("MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY"),
    *("PREFECT_API_AUTH_STRING", "PREFECT_API_KEY", "PREFECT_SERVER_API_AUTH_STRING"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "GANLIB_WEBHOOK_SECRET"),
)
"""Variables that may come out of files."""


def read() -> None:
    """Put what is in such files into the environment of this process; a variable that is set itself stays.

    Raises:
        BadInput: a file cannot be read, or is empty.
    """
    for name in NAMES:
        path = os.environ.get(f"{name}_FILE")
        if not path or os.environ.get(name):
            continue
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            cause = getattr(error, "strerror", None) or "not text"
            raise BadInput(f"{name}_FILE: cannot read {path}: {cause}. Nothing was started.") from None
        if not text:
            raise BadInput(f"{name}_FILE: {path} is empty. Nothing was started.")
        os.environ[name] = text
