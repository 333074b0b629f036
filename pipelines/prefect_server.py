"""Prefect's server as ``prefect server start`` runs it, behind :mod:`pipelines.guard`.

All is set by Prefect's own settings (``PREFECT_SERVER_API_HOST``, ``..._PORT``, ``..._AUTH_STRING``, ...). Pages of
the origins in ``PREFECT_SERVER_CORS_ALLOWED_ORIGINS`` may use it, which are its own unless that is set.
"""

from __future__ import annotations

import os

from pipelines.guard import QuietPages, guarded, loopback


def main() -> None:
    """Serve until the process is told to end."""
    port = int(os.environ["PREFECT_SERVER_API_PORT"])
    os.environ.setdefault("PREFECT_SERVER_CORS_ALLOWED_ORIGINS", ",".join(loopback(port)))
    import uvicorn
    from prefect.server.api.server import create_app
    from prefect.settings import PREFECT_UI_STATIC_DIRECTORY, get_current_settings, temporary_settings

    settings = get_current_settings()
    server = settings.server
    # Below a path, Prefect writes the pages anew into its own package, where a server of another path has its own.
    below = server.ui.serve_base.strip("/") and not server.ui.static_directory
    with temporary_settings({PREFECT_UI_STATIC_DIRECTORY: str(settings.home / "ui")} if below else {}):
        app = QuietPages(create_app(final=True), server.ui.api_url or "")
        # In here too: Prefect 3.9 makes another app as it starts.
        uvicorn.run(
            guarded(app, server.api.cors_allowed_origins.split(",")),
            host=server.api.host,
            port=server.api.port,
            timeout_keep_alive=server.api.keepalive_timeout,
            ws_ping_interval=server.api.websocket_ping_interval,
            ws_ping_timeout=server.api.websocket_ping_timeout,
            log_level=server.logging_level.lower(),
        )
