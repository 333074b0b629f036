"""Requests that come within a few milliseconds of each other share one call of onnxruntime."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ganlib.core.errors import BadInput
from ganlib.core.processes import usable_cores
from ganlib.generation.noise import BLOCK

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ganlib.generation.sampling import SamplingRequest
    from ganlib.generation.session import OnnxModel

Inputs = Mapping[str, "NDArray[Any]"]
"""The graph's inputs by name, with as many rows each."""


def rows_are_independent(model: OnnxModel) -> bool:
    """Say whether an image of ``model`` depends on its own row alone: not on its place, nor on the others.

    Tried with the rows of two blocks, shuffled together three times. Where it does not hold, requests cannot share a
    block without changing each other's bytes.
    """
    import numpy as np

    both = model.request(0).rows(model.noise_dim, 0, 2 * BLOCK)
    images, random = model.run(both), np.random.default_rng(0)
    for _ in range(3):
        order = random.permutation(2 * BLOCK)
        if not np.array_equal(model.run({name: value[order] for name, value in both.items()}), images[order]):
            return False
    return True


class _PendingRequest:
    """One request's rows: made when they are first needed, in the thread that needs them."""

    def __init__(self, count: int, dims: tuple[int, int, int], make: Callable[[], Inputs]) -> None:
        import numpy as np

        self.count, self._make = count, make
        self.arrival = time.monotonic()
        self.next_row = self._done = 0
        self.future: Future[NDArray[np.uint8]] = Future()
        self._inputs: Inputs | None = None
        self._images = np.empty((count, *dims), np.uint8)
        self._lock = threading.Lock()

    def inputs(self, part: slice) -> Inputs:
        with self._lock:
            if self._inputs is None:
                self._inputs = self._make()
            return {name: value[part] for name, value in self._inputs.items()}

    def give(self, part: slice, images: NDArray[np.uint8]) -> None:
        with self._lock:
            self._images[part] = images
            self._done += len(images)
            complete = self._done == self.count
        if complete:
            with suppress(InvalidStateError):  # cancelled: the client has left
                self.future.set_result(self._images)

    def fail(self, error: BaseException) -> None:
        with suppress(InvalidStateError):
            self.future.set_exception(error)


class Engine:
    """Threads that fill blocks of 64 rows from the requests that wait, in their order, and run them."""

    def __init__(
        self,
        model: OnnxModel,
        *,
        window: float = 0.002,
        threads: int | None = None,
        share: bool = True,
        observe: Callable[[int], None] = lambda rows: None,
    ) -> None:
        """Start the threads.

        Args:
            model: the opened graph.
            window: seconds that the first request of a block waits for others to fill it.
            threads: None: as many as this process may use cores.
            share: whether requests may share a block; see :func:`rows_are_independent`.
            observe: told the rows of each block that ran, before it was filled up.
        """
        self.model, self.share = model, share
        self._window, self._observe = window, observe
        self._waiting: deque[_PendingRequest] = deque()
        self._condition, self.closed = threading.Condition(), False
        self.threads = [
            threading.Thread(target=self._work, name=f"ganlib-serve-{number}", daemon=True)
            for number in range(threads or usable_cores())
        ]
        for thread in self.threads:
            thread.start()

    def images(self, request: SamplingRequest, start: int, count: int) -> Future[NDArray[np.uint8]]:
        """Promise images ``start`` to ``start + count - 1`` of ``request``: uint8 ``[count, channels, height, width]``.

        They are those of :meth:`ganlib.generation.session.OnnxModel.draw`, byte for byte.
        """
        width = self.model.noise_dim
        if self.share:
            return self._submit(count, lambda: request.rows(width, start, start + count))
        # Whole blocks, every row at its own place, as a batch job runs them; then cut.
        first, last = start // BLOCK * BLOCK, -(-(start + count) // BLOCK) * BLOCK
        whole = self._submit(last - first, lambda: request.rows(width, first, last))
        part: Future[NDArray[np.uint8]] = Future()

        def cut(done: Future[NDArray[np.uint8]]) -> None:
            with suppress(InvalidStateError):
                if error := done.exception():
                    part.set_exception(error)
                else:
                    part.set_result(done.result()[start - first : start - first + count])

        whole.add_done_callback(cut)
        return part

    def run(self, inputs: Inputs) -> Future[NDArray[np.uint8]]:
        """Promise the images of ``inputs``, which are as the graph's contract says: uint8 ``[n, C, H, W]``."""
        return self._submit(len(inputs["noise"]), lambda: inputs)

    def close(self) -> None:
        """Finish what was asked, then end the threads. Nothing may be asked afterwards."""
        with self._condition:
            self.closed = True
            self._condition.notify_all()

    def join(self) -> None:
        """Wait for the threads to end, after :meth:`close`."""
        for thread in self.threads:
            thread.join()

    def _submit(self, count: int, make: Callable[[], Inputs]) -> Future[NDArray[np.uint8]]:
        pending = _PendingRequest(count, self.model.spec.image.dims, make)
        with self._condition:
            if self.closed:
                raise BadInput("this model is no longer served.")
            self._waiting.append(pending)
            self._condition.notify()
        return pending.future

    def _work(self) -> None:
        while parts := self._next():
            try:
                self._run(parts)
            except Exception as error:  # the requests get it; the thread goes on
                for pending, _ in parts:
                    pending.fail(error)

    def _next(self) -> list[tuple[_PendingRequest, slice]]:
        """Up to 64 rows of the requests that wait longest; empty once the engine is closed and nothing waits."""
        with self._condition:
            while True:
                if not self._waiting:
                    if self.closed:
                        return []
                    self._condition.wait()
                    continue
                left = self._waiting[0].arrival + self._window - time.monotonic()
                if left > 0 and not self.closed and self.share and self._rows_waiting() < BLOCK:
                    self._condition.wait(left)
                elif parts := self._take():
                    return parts

    def _rows_waiting(self) -> int:
        total = 0
        for pending in self._waiting:
            total += pending.count - pending.next_row
            if total >= BLOCK:
                break
        return total

    def _take(self) -> list[tuple[_PendingRequest, slice]]:
        """Up to 64 rows; empty if all that waited was cancelled."""
        parts: list[tuple[_PendingRequest, slice]] = []
        room = BLOCK
        while room and self._waiting:
            pending = self._waiting[0]
            if pending.future.done():  # cancelled by a client that left, or failed in another block
                self._waiting.popleft()
                continue
            if parts and not self.share:
                break
            stop = min(pending.next_row + room, pending.count)
            parts.append((pending, slice(pending.next_row, stop)))
            room -= stop - pending.next_row
            pending.next_row = stop
            if stop == pending.count:
                self._waiting.popleft()
        if self._waiting:
            self._condition.notify()  # what did not fit is for another thread
        return parts

    def _run(self, parts: list[tuple[_PendingRequest, slice]]) -> None:
        import numpy as np

        inputs = [pending.inputs(part) for pending, part in parts]
        names = inputs[0]
        images = self.model.run({name: np.concatenate([one[name] for one in inputs]) for name in names})
        self._observe(len(images))
        at = 0
        for pending, part in parts:
            count = part.stop - part.start
            pending.give(part, images[at : at + count])
            at += count
