"""A loopback port that leads to a server, and can be cut, frozen, slowed down and mended, or answer with an error.

An outage without ending the server.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable


class Wire:
    """Forwards every connection to ``port`` until :meth:`cut` and so on; after :meth:`mend` again."""

    def __init__(self, port: int) -> None:
        """``port`` is where the server listens on loopback."""
        self._to = port
        self.sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._frozen = threading.Event()
        self._status: int | None = None
        self._delay = 0.0
        self.failures = 0
        """Requests that were answered with an error."""
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        """The server's address by way of this wire."""
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """End all connections, those that are just being accepted too; new ones are refused."""
        with self._lock:
            listening, self._listener = self._listener, None
            ends, self.sockets = {*self.sockets, *([listening] if listening else [])}, set()
        for end in ends:
            _end(end)

    def freeze(self) -> None:
        """Leave all connections open, and those to come, and move nothing on them ever again: no byte, and no end.

        This is what a client sees of a machine that lost its power, or of a firewall that forgot about it.
        """
        self._frozen.set()

    def fail(self, status: int) -> None:
        """End all connections, and answer every request from now on with this status of HTTP."""
        self.cut()
        self._open(status)

    def slow(self, seconds: float) -> None:
        """Let each piece of up to 64 KiB wait so long, in both directions."""
        self._delay = seconds

    def mend(self) -> None:
        """Take new connections, on the same port, and forward those. What was frozen stays so."""
        self._delay = 0.0
        self._open(None)

    def _open(self, status: int | None) -> None:
        with self._lock:
            self._status = status
            self._frozen = threading.Event()
            if self._listener is None:
                self._listener = self._listen(self.port)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        _start(lambda: self._accept(listener))
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            near, _ = listener.accept()
            if status := self._status:
                _start(lambda near=near, status=status: self._answer(near, status))
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:  # the server is not there: this wire still is
                _end(near)
                continue
            with self._lock:
                if self._listener is not listener:  # cut since it was accepted: nobody would ever end this one
                    _end(near)
                    _end(far)
                    return
                self.sockets |= {near, far}
                frozen = self._frozen
            for source, sink in ((near, far), (far, near)):
                _start(lambda source=source, sink=sink, frozen=frozen: self._pump(source, sink, frozen))

    def _pump(self, source: socket.socket, sink: socket.socket, frozen: threading.Event) -> None:
        while data := source.recv(65536):
            if frozen.is_set():
                return
            time.sleep(self._delay)
            sink.sendall(data)
        if not frozen.is_set():
            sink.shutdown(socket.SHUT_WR)

    def _answer(self, near: socket.socket, status: int) -> None:
        """Read one request, with its body unless its sender waits to be told so, and answer it."""
        with near, near.makefile("rb") as request:
            lines = [line.strip().lower() for line in iter(request.readline, b"\r\n") if line]
            fields = dict(line.split(b": ", 1) for line in lines[1:])
            if b"expect" not in fields:
                request.read(int(fields.get(b"content-length", 0)))
            self.failures += 1
            near.sendall(f"HTTP/1.1 {status} Trouble\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())


def _end(end: socket.socket) -> None:
    with contextlib.suppress(OSError):  # wakes whoever waits for it, which closing alone does not
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def _start(work: Callable[[], None]) -> None:
    def quietly() -> None:
        with contextlib.suppress(OSError):  # the wire was cut
            work()

    threading.Thread(target=quietly, daemon=True).start()
