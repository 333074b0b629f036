"""What an MLflow server says of itself."""

from __future__ import annotations

from ganlib.tracking.store import MlflowStore


def server_version(store: MlflowStore) -> str:
    """Return the version of the server that ``store`` talks to; empty if what answers there does not say it.

    Raises:
        Unavailable: it does not answer.
    """
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    with store.translate_errors():
        answer = http_request(get_default_host_creds(store.uri), "/version", "GET", timeout=10)
    return str(answer.text).strip() if answer.ok else ""
