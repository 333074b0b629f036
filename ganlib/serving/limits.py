"""Around the routes: what is counted, what every answer carries, and how long a body may be and take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ganlib.config import ServeConfig
    from ganlib.serving.metrics import Metrics

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'",
}
PICTURES = "/v1/detect"
"""The route whose bodies are pictures."""
RETRY_SECONDS = 1
_METHODS = frozenset(("GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"))


class Answers:
    """ASGI middleware: HEAD is asked as GET, answers are counted and get headers that all have."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """The outermost of all."""
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's event, as ASGI has it."""
        began, status, method = time.perf_counter(), 500, scope["method"]
        # The server sends no body where HEAD was asked, and the length that it would have had.
        request_scope = {**scope, "method": "GET"} if method == "HEAD" else scope

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(request_scope, receive, sending)
        except _Left:
            status = 499
        finally:
            route = getattr(request_scope.get("route"), "path", None) or "other"
            # Whatever a client makes up must not become a time series.
            self._metrics.requests.labels(route, method if method in _METHODS else "other", str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - began)


class Bodies:
    """ASGI middleware: reads the body, which may be so long and take so long. Of long ones a few are held at once."""

    def __init__(self, app: ASGIApp, limits: ServeConfig) -> None:
        """Within :class:`Answers`."""
        self._app, self._limits, self._pictures = app, limits, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's event, as ASGI has it."""
        limits = self._limits
        if scope["path"].removeprefix(limits.root_path) != PICTURES:
            await self._pass(limits.max_body_bytes, scope, receive, send)
        elif self._pictures >= limits.max_pictures:
            text = f"{self._pictures} pictures are being looked at already; try again in a moment."
            await _refuse(429, text, {"Retry-After": str(RETRY_SECONDS)})(scope, receive, send)
        else:
            self._pictures += 1
            try:
                await self._pass(limits.max_picture_bytes, scope, receive, send)
            finally:
                self._pictures -= 1

    async def _pass(self, most: int, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self._body(most, scope, receive)
        if isinstance(body, bytes):
            await self._app(scope, _replay(body, receive), send)
        elif body == 413:
            # The connection stays: the rest of the body is read and dropped for a while, so that the client, which may
            # read only when it has sent all, sees this.
            await _refuse(413, f"the request's body is longer than {most:,} bytes.")(scope, receive, send)
        else:
            text = f"the request's body did not arrive within {self._limits.receive_seconds:g} s."
            await _refuse(408, text, {"Connection": "close"})(scope, receive, send)

    async def _body(self, most: int, scope: Scope, receive: Receive) -> bytes | int:
        """The request's body; or the status that says why it was not read to its end."""
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if int(length) > most:  # it is a number, h11 has seen to that; who asks with Expect does not even send it
            return 413
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.receive_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Left
                    body += message.get("body", b"")
                    if len(body) > most:
                        return 413
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            return 408


class _Left(Exception):
    """The client closed the connection before it had asked."""


def _replay(body: bytes, receive: Receive) -> Receive:
    """A channel that gives ``body``, then what the client does next."""
    replayed = False

    async def again() -> Message:
        nonlocal replayed
        if replayed:
            return await receive()
        replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _refuse(status: int, text: str, headers: Mapping[str, Any] | None = None) -> JSONResponse:
    return JSONResponse({"error": text}, status, headers)
