"""A mirror on loopback that can be told to misbehave."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from ganlib.core.files import sha256_bytes
from ganlib.data.mnist import files as mnist
from tests.unit.data.builders import idx_files


@dataclass
class Mirror:
    """Serves ``files`` by path; ``cut`` ends the first answers after so many bytes each."""

    files: dict[str, bytes]
    cut: list[int] = field(default_factory=list)
    ranges: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Four small IDX files that count as MNIST in this test."""
    made = idx_files()
    monkeypatch.setattr(mnist, "SHA256", {name: sha256_bytes(made[name]) for name in mnist.SHA256})
    return made


@pytest.fixture
def mirror(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """A running mirror of ``files``."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    state = Mirror({f"/{name}.gz": gzip.compress(data) for name, data in files.items()})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append((self.path, wanted))
            body = state.files.get(self.path)
            if body is None:
                self.send_error(404)
                return
            start = int(re.findall(r"\d+", wanted)[0]) if wanted and state.ranges else 0
            if start >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            self.wfile.write(body[start : start + state.cut.pop(0)] if state.cut else body[start:])

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield state
        server.shutdown()


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    """Where downloads wait; made by whoever needs it."""
    return tmp_path / "downloads"
