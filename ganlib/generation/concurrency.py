"""How many blocks are worked on at once: fewer, once memory has run out."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_WORDS = re.compile(r"out of memory|failed to allocate|bad_alloc|BFCArena|CUDA failure 2\b", re.IGNORECASE)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether onnxruntime's ``error`` says that an allocator failed: it has no type for that, only words."""
    return isinstance(error, MemoryError) or bool(_WORDS.search(str(error)))


class ConcurrencyLimit:
    """Lets threads work side by side, as many as memory has allowed so far."""

    def __init__(self) -> None:
        """No limit."""
        self._change = threading.Condition()
        self._busy, self.limit = 0, 1 << 30

    @contextmanager
    def turn(self) -> Iterator[int]:
        """Held while a block is worked on; gives the limit that held when it began."""
        with self._change:
            self._change.wait_for(lambda: self._busy < self.limit)
            self._busy += 1
            limit = self.limit
        try:
            yield limit
        finally:
            with self._change:
                self._busy -= 1
                self._change.notify_all()

    def halve(self) -> None:
        """Memory ran out: from now on half as many as are at work. To be called by one of them."""
        with self._change:
            self.limit = max(1, min(self.limit, self._busy) // 2)
