"""Images of a finished job, read back from its shards as anyone would read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ganlib.generation import formats
from ganlib.generation.noise import philox
from ganlib.generation.spec import BatchSpec
from ganlib.generation.storage.base import Storage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_STREAM = 2  # of Philox's key: the noise has 0, what is asked of a model 1
_SHARDS = 8  # at least so many are read, if there are


def choose(job: BatchSpec, size: int) -> dict[int, NDArray[np.int64]]:
    """Which images to look at: by shard, the rows within it, int64, ascending; ``size`` in all or a few less.

    The same for the same job. Images are independent draws: a few shards stand for all, and are fewer to read.
    """
    import numpy as np

    draw, size = philox(job.seed, 0, _STREAM), min(size, job.count)
    count = min(job.shard_count, max(_SHARDS, -(-size // job.shard_size)))
    rows = {}
    for shard in np.sort(draw.choice(job.shard_count, count, replace=False)).tolist():
        images = len(job.images(shard))
        rows[shard] = np.sort(draw.choice(images, min(images, -(-size // count)), replace=False))
    return rows


def read(storage: Storage, job: BatchSpec, size: int, report: Callable[[int, int], None]) -> tuple[
    NDArray[np.int64], NDArray[np.uint8]
]:  # fmt: skip
    """Numbers, int64 [n], and pixels, uint8 [n, channels, height, width], of about ``size`` images of a finished job.

    Raises:
        OSError: a file cannot be read.
    """
    import numpy as np

    form, numbers, images = formats.load(job.file_format), [], []
    rows = choose(job, size)
    for done, (shard, at) in enumerate(rows.items()):
        numbers.append(job.images(shard).start + at)
        images.append(form.images(storage, job, shard, at))
        report(done + 1, len(rows))
    return np.concatenate(numbers), np.concatenate(images)
