"""Statistics that tie the samples of a batch together, where the batch is spread over processes.

A loss that is a mean over samples needs nothing of this: gradients are averaged after it. What is not such a mean (a
variance shared by the batch, a codebook that follows it) calls :func:`mean` or :func:`gather`, which do nothing in one
process. :mod:`ganlib.training.distributed` puts the processes in.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Others(Protocol):
    """The processes that the batch is spread over, each with an equal share."""

    def mean(self, tensor: Tensor) -> Tensor:
        """Of ``tensor`` over the processes. Can be differentiated, more than once."""

    def gather(self, tensor: Tensor) -> Tensor:
        """All processes' ``tensor``, one after the other along the first dimension. Has no gradient."""

    def rows(self, tensor: Tensor) -> Tensor:
        """All processes' ``tensor``, as :meth:`gather` gives it. Can be differentiated."""


_others: Others | None = None


def mean(tensor: Tensor) -> Tensor:
    """The mean over processes of a mean over this one's samples: that over the whole batch."""
    return tensor if _others is None else _others.mean(tensor)


def gather(tensor: Tensor) -> Tensor:
    """Of rows of this process's samples in order, the rows of the whole batch in order. Has no gradient."""
    return tensor if _others is None else _others.gather(tensor)


def rows(tensor: Tensor) -> Tensor:
    """Of rows of this process's samples in order, the rows of the whole batch in order, with their gradient.

    It is for a loss that every process takes of the whole batch: gradients that are averaged after it are the batch's.
    """
    return tensor if _others is None else _others.rows(tensor)


@contextmanager
def processes(others: Others) -> Iterator[None]:
    """Inside, batches are spread over this process and ``others``."""
    global _others
    _others = others
    try:
        yield
    finally:
        _others = None
