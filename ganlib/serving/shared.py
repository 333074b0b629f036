"""What requests share: the models, how many are under way, and how long each may wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from ganlib.config import ANONYMOUS, MarkConfig, ServeConfig
from ganlib.serving.metrics import Metrics
from ganlib.serving.picture_reader import PictureReader
from ganlib.serving.pool import AliasWatcher, ModelPool
from ganlib.serving.problems import Busy
from ganlib.serving.schema import ModelList

if TYPE_CHECKING:
    from ganlib.generation.detection.index import ImageIndex

T = TypeVar("T")


class Server:
    """What requests share."""

    def __init__(
        self,
        pool: ModelPool,
        watcher: AliasWatcher,
        metrics: Metrics,
        limits: ServeConfig,
        mark: MarkConfig = ANONYMOUS,
        index: ImageIndex | None = None,
    ) -> None:
        """The pool is filled already; ``mark`` is what images say of who makes them, ``index`` those that were made."""
        self.reader = PictureReader(pool, limits, index)
        self.pool, self.watcher, self.metrics, self.limits, self.mark = pool, watcher, metrics, limits, mark
        self.draining = False
        self.at_work = 0

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Be one of the requests under way. Called on the event loop alone.

        Raises:
            Busy: there are as many as there may be.
        """
        if self.at_work >= self.limits.max_requests:
            raise Busy(f"{self.at_work} requests for images are under way already; try again in a moment.", 429)
        self.at_work += 1
        self.metrics.at_work.set(self.at_work)
        try:
            yield
        finally:
            self.at_work -= 1
            self.metrics.at_work.set(self.at_work)

    async def wait(self, promise: Future[T]) -> T:
        """Return what was promised.

        Raises:
            Busy: it took too long; nobody computes it any more, unless that had begun.
        """
        try:
            return await asyncio.wait_for(asyncio.wrap_future(promise), self.limits.timeout_seconds)
        except TimeoutError:
            raise Busy(f"no answer within {self.limits.timeout_seconds:g} s: too much is asked at once.", 503) from None

    def models(self) -> ModelList:
        """Return what is served."""
        default = self.pool.default
        return ModelList(
            models=[entry.about(default) for entry in self.pool.all()],
            max_images=self.limits.max_images,
            max_requests=self.limits.max_requests,
        )
