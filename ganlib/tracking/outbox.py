"""Writes that happen in the background, in order, and survive a store that is away for a while."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ganlib.errors import GanlibError, Unavailable


class Point(NamedTuple):
    """One metric value; ``timestamp`` is in milliseconds."""

    name: str
    value: float
    timestamp: int
    step: int


class Outbox:
    """A queue and the thread that empties it. Training never waits for the store.

    Metric values are sent in batches; other writes one by one, in the order given. While the store does not answer,
    everything waits here. A write that the store refuses is reported by :meth:`close`.
    """

    _BATCH = 1000  # MLflow takes no more in one call
    _PATIENCE = 15.0  # seconds that close() waits for a store that does not answer

    def __init__(self, send: Callable[[list[Point]], None], spool: Path, every: float = 2.0) -> None:
        """``send`` writes metric values; what it could not write by the end is kept in ``spool`` as JSON lines."""
        self._send, self._spool, self._every = send, spool, every
        self._points: deque[Point] = deque()
        self._writes: deque[Callable[[], None]] = deque()
        self._problem: GanlibError | None = None
        self._wake, self._closing = threading.Event(), False
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

    def close(self) -> str | None:
        """Send what is left.

        Returns:
            None, or, if the store did not answer, a line that says what was kept and where.

        Raises:
            GanlibError: the store refused a write.
        """
        self._closing = True
        self._wake.set()
        self._thread.join()
        if self._problem:
            raise self._problem
        lost, kept = len(self._writes), list(self._points)
        if kept:
            self._spool.parent.mkdir(parents=True, exist_ok=True)
            with self._spool.open("a") as stream:
                stream.writelines(json.dumps(point) + "\n" for point in kept)
        if not kept and not lost:
            return None
        return (
            f"MLflow did not answer: {len(kept)} metric values are kept in {self._spool}, "
            f"{lost} other writes were dropped"
        )

    def _run(self) -> None:
        deadline = None
        while True:
            self._wake.wait(self._every)
            self._wake.clear()
            closing = self._closing
            done = self._drain()
            if closing and (done or (deadline and time.monotonic() > deadline)):
                return
            if closing and deadline is None:
                deadline = time.monotonic() + self._PATIENCE

    def _drain(self) -> bool:
        """Send all that is queued; False if the store does not answer."""
        while self._points or self._writes:
            try:
                if self._points:
                    batch = [self._points[place] for place in range(min(len(self._points), self._BATCH))]
                    self._send(batch)
                    for _ in batch:
                        self._points.popleft()
                else:
                    self._writes[0]()
                    self._writes.popleft()
            except Unavailable:
                return False
            except Exception as error:  # one refused write must not stop the others; close() tells
                self._problem = self._problem or (error if isinstance(error, GanlibError) else GanlibError(str(error)))
                if self._points:
                    self._points.clear()
                else:
                    self._writes.popleft()
        return True
