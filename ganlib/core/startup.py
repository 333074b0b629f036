"""Importing what is large: torch, its compiler (which its optimisers import) and MLflow are most of a start-up."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_MANY = 100
"""Modules that make an import a large one."""


@contextmanager
def gc_paused(*, sweep: bool = False) -> Iterator[None]:
    """Around large imports: no garbage collection, neither while they last nor ever of what they made.

    Modules stay, so looking through them finds nothing; it takes a fifth of their import's time, and again from time to
    time afterwards. Where it turns out that all was imported before, nothing is kept from the collector.

    ``sweep``: collect once before what was made is kept, which takes up to 0.3 s. Imports that fail inside others leave
    tracebacks in circles, which hold the frames of all callers and what these come to hold, such as training images.
    """
    enabled, modules = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) - modules > _MANY:
            if sweep:
                gc.collect()
            gc.freeze()
        if enabled:
            gc.enable()
