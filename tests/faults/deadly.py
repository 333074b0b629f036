"""A kill at a chosen write to MLflow."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from typing import Any

from ganlib.tracking.store import MlflowStore


def arm(store: MlflowStore, writes: Sequence[str], step: int) -> Callable[[], int]:
    """From now on, this process is killed just before write ``step`` (from 0) reaches MLflow.

    Args:
        store: whose client writes.
        writes: the client's methods that count.
        step: how many of them may get through.

    Returns:
        Tells how many have got through.
    """
    done = 0

    def deadly(write: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal done
            if done == step:
                os.kill(os.getpid(), signal.SIGKILL)
            done += 1
            return write(*arguments, **options)

        return call

    for name in writes:
        setattr(store.client, name, deadly(getattr(store.client, name)))
    return lambda: done
