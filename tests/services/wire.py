"""A loopback port that leads to a server, and can be cut and mended: an outage without ending the server."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable


class Wire:
    """Forwards every connection to ``port`` until :meth:`cut`; then connections are refused until :meth:`mend`."""

    def __init__(self, port: int) -> None:
        """``port`` is where the server listens on loopback."""
        self._to = port
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        """The server's address by way of this wire."""
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """End all connections and take no more."""
        with self._lock:
            listening, self._listener = self._listener, None
            ends, self._open = {*self._open, *([listening] if listening else [])}, set()
        for end in ends:
            with contextlib.suppress(OSError):  # wakes whoever waits for it, which closing alone does not
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def mend(self) -> None:
        """Take connections again, on the same port."""
        self._listener = self._listen(self.port)

    def _listen(self, port: int) -> socket.socket | None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        self._start(lambda: self._accept(listener))
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            near, _ = listener.accept()
            far = socket.create_connection(("127.0.0.1", self._to))
            with self._lock:
                self._open |= {near, far}
            self._start(lambda near=near, far=far: self._pump(near, far))
            self._start(lambda near=near, far=far: self._pump(far, near))

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

    @staticmethod
    def _start(work: Callable[[], None]) -> None:
        def quietly() -> None:
            with contextlib.suppress(OSError):  # the wire was cut
                work()

        threading.Thread(target=quietly, daemon=True).start()
