"""The process: a port of its own, an event loop, and an end in good order."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn

from ganlib.core.errors import BadInput
from ganlib.serving.connection import Connection

if TYPE_CHECKING:
    from types import FrameType

    from ganlib.serving.shared import Server

_TICKS = 10  # of uvicorn a second


def listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to ``host`` and ``port`` (0: any free one), on which nobody is answered yet.

    Raises:
        BadInput: the port is taken, or may not be used, or there is no such address.
    """
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, number)
    except OSError as error:
        raise BadInput(f"cannot listen on {host!r}: {error.strerror or error}.") from error
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise BadInput(
                f"port {port} of {host} is in use by another program; nothing was started. "
                "Choose another with --port, or 0 for any free one."
            ) from error
        raise BadInput(f"cannot listen on port {port} of {host}: {error.strerror}.") from error
    return bound


def url(bound: socket.socket) -> str:
    """Return where a browser finds what listens on ``bound``."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  (compared, not bound)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(
    app: Any, server: Server, bound: socket.socket, *, on_start: Callable[[Callable[[], None]], None] = lambda end: None
) -> None:
    """Serve until SIGTERM or SIGINT: then nobody new is let in, who is inside gets an answer, and this returns.

    ``on_start`` is called once requests are answered, with what ends the server as a signal does. Who is not done
    within ``drain_seconds`` is cut off. Signals reach it in the main thread alone.
    """
    limits = server.limits
    config = uvicorn.Config(
        app,
        http=partial(Connection, limits=limits, metrics=server.metrics),  # type: ignore[arg-type]  # called, no more
        ws="none",
        proxy_headers=False,  # neither a client's address nor its scheme is asked for, so no header has to be believed
        log_level="error",  # at "warning" each malformed request would write a line
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_keep_alive=limits.keep_alive_seconds,  # type: ignore[arg-type]  # call_later takes any number
        timeout_graceful_shutdown=int(limits.drain_seconds),
        backlog=2048,
    )
    _Uvicorn(config, server, on_start).run_on(bound)


class _Uvicorn(uvicorn.Server):
    """uvicorn raises the signal that ended it once more, which would make the exit code that of a killed process."""

    def __init__(self, config: uvicorn.Config, server: Server, on_start: Callable[[Callable[[], None]], None]) -> None:
        super().__init__(config)
        self._ganlib, self._on_start = server, on_start

    def run_on(self, bound: socket.socket) -> None:
        asyncio.run(self.serve(sockets=[bound]))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start(lambda: self.handle_exit(signal.SIGTERM, None))

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS == 0:
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.look()
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._ganlib.draining = True
        super().handle_exit(sig, frame)
