"""Writes that happen in the background, in order, and survive a store that is away for a while."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ganlib.core.errors import GanlibError, Unavailable
from ganlib.core.files import write_bytes
from ganlib.tracking.failures import Refused, WrongLogin

_ALL_WAITS: tuple[type[GanlibError], ...] = (Unavailable, WrongLogin)
"""After these nothing can be written: an outage, and a password that was changed."""
_VALUES_WAIT: tuple[type[GanlibError], ...] = (Unavailable, Refused)
"""Values wait after a right that was taken as well: there is no other copy of them."""


class Point(NamedTuple):
    """One metric value; ``timestamp`` is in milliseconds."""

    name: str
    value: float
    timestamp: int
    step: int


class Outbox:
    """A queue and the thread that empties it. Training never waits for the store.

    Metric values are sent in batches; other writes one by one, in the order given. While the store does not answer, or
    takes this login no more, everything waits here; what was sent without an answer is sent again, which doubles
    nothing, because MLflow keeps one row for the same name, value, time and step. Values wait also where the store
    takes none of this user any more. Another write that it refuses is reported by :meth:`close`.
    """

    _BATCH = 1000  # MLflow takes no more in one call
    PATIENCE = 45.0  # seconds that close() goes on trying a store that does not answer, then ends with the last call
    HASTE = 15.0  # the same where the run was stopped or failed: who stopped it waits, and may kill it after a minute

    def __init__(
        self,
        send: Callable[[list[Point]], None],
        spool: Path,
        *,
        beat: Callable[[], None] | None = None,
        every: float = 2.0,
        beat_every: float = 30.0,
    ) -> None:
        """Start the thread.

        Args:
            send: writes metric values in one call.
            spool: where values that could not be sent by the end are kept, as JSON lines.
            beat: called every ``beat_every`` seconds, to show that this process lives.
            every: seconds between two looks at the queue, unless it fills up before.
            beat_every: see ``beat``.
        """
        self._send, self._spool, self._beat = send, spool, beat
        self._every, self._beat_every = every, beat_every
        self._points: deque[Point] = deque()
        self._writes: deque[Callable[[], None]] = deque()
        self.problem: GanlibError | None = None
        """The first write that the store refused; it was dropped, and the others were not."""
        self._hindrance: GanlibError | None = None  # why everything waits
        self._wake, self.closing = threading.Event(), threading.Event()
        self._patience = self.PATIENCE
        self._closed_at = self._last_answer = self._beaten = time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True, name="ganlib-outbox")
        self._thread.start()

    def points(self, points: list[Point]) -> None:
        """Queue metric values."""
        self._points.extend(points)
        if len(self._points) >= self._BATCH // 2:
            self._wake.set()

    def write(self, write: Callable[[], None]) -> None:
        """Queue any other write."""
        self._writes.append(write)
        self._wake.set()

    def close(self, *, haste: bool = False) -> GanlibError | None:
        """Send what is left, however long a store that answers takes for it.

        Args:
            haste: wait less for one that does not answer.

        Returns:
            None, or, if the store did not answer or refused this login, the error that says what was kept and where.

        Raises:
            GanlibError: the store refused a write.
        """
        self._patience, self._closed_at = self.HASTE if haste else self.PATIENCE, time.monotonic()
        self.closing.set()
        self._wake.set()
        try:
            self._thread.join()
        finally:  # a second Ctrl-C while waiting must not cost the values
            trouble = self._keep()
        if self.problem and not trouble:
            raise self.problem
        return trouble

    def _keep(self) -> GanlibError | None:
        """Put values that were not sent into the spool file, which appears whole or not at all."""
        points, lost = list(self._points), len(self._writes)
        if not points and not lost:
            return None
        earlier = self._spool.read_bytes() if self._spool.exists() else b""
        write_bytes(self._spool, earlier + "".join(json.dumps(point) + "\n" for point in points).encode())
        summary = f"{len(points)} metric values are kept in {self._spool}, {lost} other writes were dropped."
        if isinstance(self._hindrance, Refused):
            return type(self._hindrance)(f"{self._hindrance} {summary}")
        return Unavailable(f"MLflow did not answer: {summary}")

    def _run(self) -> None:
        while True:
            self._wake.wait(self._every)
            self._wake.clear()
            closing = self.closing.is_set()
            if self._drain():
                if closing:
                    return
            elif self.closing.is_set():  # perhaps only since this try began, which may have hung for a minute
                if closing and isinstance(self._hindrance, Refused):  # it was asked once more
                    return
                if time.monotonic() - max(self._closed_at, self._last_answer) > self._patience:
                    return
                time.sleep(min(self._every, 1))
                self._wake.set()
            else:  # a queue that goes on filling up must not hammer a store that is away
                self.closing.wait(self._every)
                self._wake.set()

    def _drain(self) -> bool:
        """Send all that is queued; False if it has to wait."""
        try:
            if self._beat and time.monotonic() - self._beaten > self._beat_every:
                self._attempt(self._beat, _VALUES_WAIT)
                self._beaten = time.monotonic()
            while self._points or self._writes:
                if self._points:
                    self._send_points()
                else:
                    self._attempt(self._writes[0], _ALL_WAITS)
                    self._writes.popleft()
        except _VALUES_WAIT as error:
            self._hindrance = error
            return False
        return True

    def _send_points(self) -> None:
        batch = [self._points[place] for place in range(min(len(self._points), self._BATCH))]
        self._attempt(lambda: self._send(batch), _VALUES_WAIT)
        for _ in batch:
            self._points.popleft()

    def _attempt(self, write: Callable[[], None], waits: tuple[type[GanlibError], ...]) -> None:
        """Do ``write``; one that is refused must not stop the others: :meth:`close` tells of the first.

        Raises:
            GanlibError: one of the kinds ``waits``, after which it is done again later.
        """
        try:
            write()
        except waits:
            raise
        except Exception as error:
            self.problem = self.problem or (error if isinstance(error, GanlibError) else GanlibError(str(error)))
        self._last_answer = time.monotonic()
