"""Before a request reaches us: how large it may be, how long it may take to arrive, and what every answer carries."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ganlib.serving.metrics import Metrics

_BODY_SECONDS = 10.0
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'"),
]


class Limits:
    """ASGI middleware: reads the body under a limit, counts the answer, adds headers."""

    def __init__(self, app: ASGIApp, *, max_body: int, metrics: Metrics) -> None:
        """``max_body`` is in bytes."""
        self._app, self._max_body, self._metrics = app, max_body, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's event, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        try:
            body = await self._body(receive)
            if isinstance(body, int):
                await _refuse(sending, body, self._max_body)
            else:
                await self._app(scope, _replay(body, receive), sending)
        except _Left:
            status = 499
        finally:
            route = getattr(scope.get("route"), "path", None) or "other"
            self._metrics.requests.labels(route, scope["method"], str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - began)

    async def _body(self, receive: Receive) -> bytes | int:
        """The request's body; or the status that says why it was not read to its end."""
        body = b""
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Left
                    body += bytes(message.get("body", b""))
                    if len(body) > self._max_body:
                        return 413
                    if not message.get("more_body", False):
                        return body
        except TimeoutError:
            return 408


class _Left(Exception):
    """The client closed the connection before it had asked."""


def _replay(body: bytes, receive: Receive) -> Receive:
    """A channel that gives ``body``, then what the client does next."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _refuse(send: Any, status: int, max_body: int) -> None:
    texts = {
        413: f"the request's body is longer than {max_body:,} bytes.",
        408: f"the request's body did not arrive within {_BODY_SECONDS:.0f} s.",
    }
    body = json.dumps({"error": texts[status]}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),  # the rest of the body is not waited for
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
