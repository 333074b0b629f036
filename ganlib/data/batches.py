"""Batches gathered on the device from a data set that lives there as uint8.

The order of a whole run is a function of the seed: epoch e is permuted by (seed, e), so a resumed run needs only its
step number to go on where it was.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ganlib.core.errors import BadInput


class DeviceBatches:
    """Random access by step to a shuffled, endless stream of batches."""

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        seed: int,
        device: torch.device,
        ranks: np.ndarray | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        """``images`` are uint8 [n, channels, height, width], ``labels`` int64 [n].

        ``ranks`` are float32 [n, k] if the family wants any.

        ``share`` (i, k): of every batch, the i-th of k equal parts; the parts of all i are the batch.

        Raises:
            BadInput: the batch is larger than the data.
        """
        if batch_size > len(images):
            raise too_large(batch_size, len(images))
        self._images = torch.from_numpy(np.ascontiguousarray(images)).to(device)
        self._labels = torch.from_numpy(labels).to(device)
        self._ranks = None if ranks is None else torch.from_numpy(ranks).to(device)
        self._size, self._seed, self._share = batch_size, seed, share
        self.per_epoch = len(images) // batch_size
        self._epoch, self._order = -1, torch.empty(0)

    def at(self, step: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """The batch of ``step``: images float32 [batch, channels, height, width] in [-1, 1], labels int64
        [batch], ranks if any."""
        return self.gather(self.chosen(step))

    def chosen(self, step: int) -> Tensor:
        """Which images the batch of ``step`` is made of, int64 [batch] on the device."""
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            order = np.random.Generator(np.random.Philox(key=[self._seed, epoch])).permutation(len(self._images))
            self._epoch, self._order = epoch, torch.from_numpy(order).to(self._images.device)
        part, parts = self._share
        length = self._size // parts
        start = place * self._size + part * length
        return self._order[start : start + length]

    def gather(self, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """The images ``chosen``, with their labels and ranks, as :meth:`at` returns them."""
        ranks = None if self._ranks is None else self._ranks[chosen]
        return scaled(self._images[chosen]), self._labels[chosen], ranks


def too_large(batch_size: int, images: int) -> BadInput:
    """The error for a batch of more images than there are."""
    return BadInput(
        f"batch size {batch_size} is larger than the training split ({images} images): "
        f"--set families.NAME.batch_size={images} is the largest."
    )


def scaled(images: Tensor) -> Tensor:
    """uint8 grey levels to float32 in [-1, 1]."""
    return images.float().div_(127.5).sub_(1.0)
