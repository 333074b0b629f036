"""A Prefect server for one command, where none runs. It lives as long as the process that asked for it.

Prefect starts one itself if it has to, but that one is left behind when its parent is killed, and dies with the Ctrl-C
that was meant for the flow, which then waits for minutes to report its own end.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from ganlib.core.errors import Unavailable
from ganlib.core.files import require_writable
from ganlib.jobs.training.child import LIFELINE, watch_lifeline
from pipelines.guard import guarded

_servers: list[subprocess.Popen[bytes]] = []  # each holds the pipe whose closing ends its server


def start(log: Path, seconds: float) -> str:
    """Start a server on a free port of loopback and wait until it answers.

    Args:
        log: what it prints goes to the end of this file.
        seconds: how long to wait.

    Returns:
        The URL of its API.

    Raises:
        Unavailable: it ended, or did not answer in time.
    """
    require_writable(log.parent)
    with socket.socket() as listener, log.open("ab") as output:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        server = subprocess.Popen(
            [sys.executable, "-m", "pipelines", "temporary", str(listener.fileno())],
            env={**os.environ, LIFELINE: "1", "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": url.removesuffix("/api")},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
    _servers.append(server)
    deadline = time.monotonic() + seconds
    while not _answers(url):
        if server.poll() is not None or time.monotonic() > deadline:
            server.kill()
            raise Unavailable(f"Prefect's temporary server did not start; see {log}. Nothing else was started.")
        time.sleep(0.1)
    return url


def _answers(url: str) -> bool:
    import requests

    try:
        return requests.get(f"{url}/health", timeout=3).ok
    except requests.RequestException:
        return False


def main() -> None:
    """Be the server, on the listening socket that was inherited."""
    watch_lifeline()
    import uvicorn
    from prefect.server.api.server import create_app

    listener = socket.socket(fileno=int(sys.argv[1]))
    own = [os.environ["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"]]
    app = guarded(create_app(ephemeral=True, final=True), own)
    settings = uvicorn.Config(app, log_level="error", lifespan="on")
    uvicorn.Server(settings).run(sockets=[listener])
