"""What MLflow reads from the environment when it is imported or asks a server, as we want it."""

from __future__ import annotations

import os

_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # An unreachable server is to be reported in seconds; MLflow's own retries take minutes.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # By the server: or else it hands out links to its S3, by a name and on a network that may be its own alone.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # standard output is for results
    "GIT_PYTHON_REFRESH": "quiet",
}


def set_defaults() -> None:
    """Set each of these that nobody has set, for this process and those that it starts."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
