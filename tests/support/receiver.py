"""A webhook: a real HTTP server on loopback."""

from __future__ import annotations

import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support import forks


class Receiver:
    """A real HTTP server that keeps what it gets, and does what a test wants to the nth message."""

    def __init__(self, port: int = 0) -> None:
        self.messages: list[tuple[dict[str, str], bytes]] = []
        self.refuses_from = self.kills_at = 0
        self.victim: forks.Command | None = None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.answer(self)

            def log_message(self, *_: object) -> None:
                """Nothing on standard error."""

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Keep the message, and answer."""
        number = len(self.messages) + 1
        if 0 < self.refuses_from <= number:
            request.send_error(503)
            return
        content = request.rfile.read(int(request.headers["content-length"]))
        self.messages.append(({name.lower(): value for name, value in request.headers.items()}, content))
        if number == self.kills_at:
            os.kill(self.victim.pid if self.victim else 0, signal.SIGKILL)
            return
        request.send_response(204)
        request.end_headers()

    def close(self) -> None:
        """Listen no more."""
        self.server.shutdown()
        self.server.server_close()

    @property
    def ids(self) -> list[str]:
        """Of all messages, as they came."""
        return [fields["webhook-id"] for fields, _ in self.messages]
