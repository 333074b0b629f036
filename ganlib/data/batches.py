"""Batches gathered on the device from a data set that lives there as uint8.

The order of a whole run is a function of the seed: epoch e is permuted by (seed, e), so a resumed run needs only its
step number to go on where it was.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ganlib.core.errors import BadInput
from ganlib.data.text import CAPTION_LEN


class DeviceBatch(NamedTuple):
    """The images of a batch and what belongs to them, on the device."""

    images: Tensor
    """Float32 [batch, channels, height, width] in [-1, 1]."""
    labels: Tensor
    """Int64 [batch]."""
    ranks: Tensor | None
    """Float32 [batch, k]; None where there are none."""
    captions: Tensor | None
    """Int64 [batch, 64], UTF-8 bytes, zero padded; None where there are none."""


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
        captions: np.ndarray | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        """``images`` are uint8 [n, channels, height, width] and ``labels`` int64 [n].

        On a CPU the images are not copied. ``ranks`` are float32 [n, k] if the family wants any, ``captions`` uint8
        [n, at most 64] if the data set has any.

        ``share`` (i, k): of every batch, the i-th of k equal parts; the parts of all i are the batch.

        Raises:
            BadInput: the batch is larger than the data.
        """
        if batch_size > len(images):
            raise too_large(batch_size, len(images))
        self._images = torch.from_numpy(np.ascontiguousarray(images)).to(device)
        self._labels = torch.from_numpy(labels).to(device)
        self._ranks = None if ranks is None else torch.from_numpy(ranks).to(device)
        self._captions = None if captions is None else torch.from_numpy(_padded(captions)).to(device)
        self._size, self._seed, self._share = batch_size, seed, share
        self.per_epoch = len(images) // batch_size
        self._epoch, self._order = -1, torch.empty(0)

    def at(self, step: int) -> DeviceBatch:
        """The batch of ``step``."""
        return self.gather(self.indices(step))

    def indices(self, step: int) -> Tensor:
        """Which images the batch of ``step`` is made of, int64 [batch] on the device."""
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            order = np.random.Generator(np.random.Philox(key=[self._seed, epoch])).permutation(len(self._images))
            self._epoch, self._order = epoch, torch.from_numpy(order).to(self._images.device)
        part, parts = self._share
        length = self._size // parts
        start = place * self._size + part * length
        return self._order[start : start + length]

    def gather(self, indices: Tensor) -> DeviceBatch:
        """The images ``indices``, int64 [batch], with what belongs to them."""
        ranks = None if self._ranks is None else self._ranks[indices]
        captions = None if self._captions is None else self._captions[indices].long()
        return DeviceBatch(scaled(self._images[indices]), self._labels[indices], ranks, captions)


def too_large(batch_size: int, images: int) -> BadInput:
    """The error for a batch of more images than there are."""
    return BadInput(
        f"batch size {batch_size} is larger than the training split ({images} images): "
        f"--set families.NAME.batch_size={images} is the largest."
    )


def _padded(captions: np.ndarray) -> np.ndarray:
    """``captions`` as uint8 [n, 64]."""
    return np.pad(captions, ((0, 0), (0, CAPTION_LEN - captions.shape[1])))


def scaled(images: Tensor) -> Tensor:
    """uint8 grey levels to float32 in [-1, 1]."""
    return images.float().div_(127.5).sub_(1.0)
