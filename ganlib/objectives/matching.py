"""Which image and which caption belong together."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ganlib.nets import collectives

_TEMPERATURE = 0.1


def matching_loss(images: Tensor, texts: Tensor, captions: Tensor) -> Tensor:
    """Return the mean cross-entropy of finding an image's caption among the batch's, and a caption's image (CLIP,
    Radford 2021, figure 3), in nats.

    Where several images of the batch have the same caption, each of them is as right as the others.

    Args:
        images: float [batch, width], vectors of images, all of one length.
        texts: float [batch, width], vectors of their captions, all of that length.
        captions: int64 [batch, length], by which captions are told to be the same.
    """
    images, texts, captions = collectives.rows(images), collectives.rows(texts), collectives.gather(captions)
    logits = images @ texts.T / (_TEMPERATURE * images.shape[1])
    same = (captions.unsqueeze(0) == captions.unsqueeze(1)).all(dim=2).to(logits.dtype)
    right = same / same.sum(dim=1, keepdim=True)
    return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2


def neighbours(rows: Tensor, group: int) -> Tensor:
    """Return ``rows`` [batch, ...] with each one's neighbour in its place, the next one in its group of ``group``.

    A batch that ``group`` does not divide is one group. Groups are never spread over processes.
    """
    size = group if len(rows) % group == 0 else len(rows)
    return torch.roll(rows.view(-1, size, *rows.shape[1:]), -1, dims=1).reshape(rows.shape)
