"""A small reverse proxy that offers a server below a path, as an operator's would."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def below(path: str, port: int, *, taken_off: bool) -> Iterator[str]:
    """Offer what listens on ``port`` below ``path``, which is taken off what is asked or not; the URL with the path."""

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            if self.path != path and not self.path.startswith((f"{path}/", f"{path}?")):
                self.send_error(404, "not below the path")
                return
            asked = (self.path.removeprefix(path) or "/") if taken_off else self.path
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
            connection.request(self.command, asked, body, dict(self.headers))
            answer = connection.getresponse()
            told = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told)
            connection.close()

        do_GET = do_HEAD = do_POST = forward  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}{path}"
        server.shutdown()
        thread.join()
