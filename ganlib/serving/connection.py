"""HTTP connections that wait for nobody for ever.

uvicorn has one time limit, for a connection that is idle after an answer. It waits without end for the rest of a
request's headers, for a first request, and for a client that does not read its answer, and it takes any number of
connections. It lets its protocol be replaced, so the rest is here, on top of its own.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from ganlib.config import ServeConfig
    from ganlib.serving.metrics import Metrics


class Connection(H11Protocol):
    """uvicorn's, with limits; :meth:`look` is to be called every now and then."""

    def __init__(self, *arguments: Any, limits: ServeConfig, metrics: Metrics, **options: Any) -> None:
        """What uvicorn gives, besides ours."""
        super().__init__(*arguments, **options)
        self._limits, self._metrics = limits, metrics
        self.since = self.loop.time()
        """When a request was last begun, answered, or first waited for."""
        self._unsent, self._sent = 0, self.since

    @property
    def waiting(self) -> bool:
        """Whether no request is under way here: at most a part of one's headers has come."""
        return self.conn.their_state is h11.IDLE and not self.transport.is_closing()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection; if there are too many, in place of the one that has waited longest."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.max_connections:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        if self.waiting and not self._has_partial_request():
            self.since = self.loop.time()
        super().data_received(data)

    def on_response_complete(self) -> None:
        """An answer was handed over to be sent."""
        self.since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """What was sent is not HTTP."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._refuse(400, "what was sent is not a request in HTTP/1.1, or its headers are too long.")
        else:  # an answer is on its way, or was given
            self.transport.close()

    def look(self) -> None:
        """End the connection if its client has kept it waiting for too long."""
        now, unsent = self.loop.time(), self.transport.get_write_buffer_size()
        if unsent != self._unsent or not unsent:
            self._unsent, self._sent = unsent, now
        if now - self._sent > self._limits.keep_alive_seconds:
            self.transport.abort()  # nothing of the answer was taken in all that time
        elif self.waiting and self._has_partial_request() and self._overdue(now, self._limits.receive_seconds):
            self._refuse(408, f"the request's headers did not arrive within {self._limits.receive_seconds:g} s.")
        elif self.waiting and self.cycle is None and self._overdue(now, self._limits.keep_alive_seconds):
            self.transport.close()  # after an answer, uvicorn does this
        elif self._refusing_a_body() and self._overdue(now, self._limits.receive_seconds):
            self.transport.abort()

    def _make_room(self) -> None:
        here = [each for each in self.connections if isinstance(each, Connection) and not each.transport.is_closing()]
        if len(here) <= self._limits.max_connections:
            return
        others = [each for each in here if each.waiting and each is not self]
        if others:
            min(others, key=lambda each: each.since).transport.close()
        else:
            self._refuse(503, "too many connections are open; try again in a moment.")

    def _overdue(self, now: float, seconds: float) -> bool:
        return now - self.since > seconds

    def _has_partial_request(self) -> bool:
        return bool(self.conn.trailing_data[0])

    def _refusing_a_body(self) -> bool:
        """Whether the rest of a body is read and dropped: closed at once, the client would not see why."""
        return self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY

    def _refuse(self, status: int, text: str) -> None:
        body = json.dumps({"error": text}).encode()
        headers = [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("cache-control", "no-store"),
            ("connection", "close"),
            *([("retry-after", "1")] if status == 503 else []),
        ]
        answer = h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase.encode())
        for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        self._metrics.requests.labels("other", "other", str(status)).inc()
