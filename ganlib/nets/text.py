"""From a caption's bytes to what it says, and from what it asks for to the ranks that a generator is conditioned on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_BYTES = 256


class CaptionReader(nn.Module):
    """A small convolutional reader of bytes: no vocabulary is built in, so no tokeniser has to travel with the graph.

    Three dilated convolutions see 29 bytes at a time: an English phrase or nine Chinese characters. The maximum over
    positions then forgets where words stood. 2.0 M multiply-adds a caption.
    """

    def __init__(self, outputs: int, length: int = 64, *, embedding: int = 32, width: int = 48) -> None:
        """``length`` is the number of bytes; ``width`` is that of the hidden layers."""
        super().__init__()
        self.length = length
        self.embed = nn.Embedding(_BYTES, embedding)
        self.first = nn.Conv1d(embedding, width, 5, padding=2)
        self.second = nn.Conv1d(width, width, 5, padding=4, dilation=2)
        self.third = nn.Conv1d(width, width, 5, padding=8, dilation=4)
        self.head = nn.Sequential(nn.Linear(3 * width, 2 * width), nn.ReLU(), nn.Linear(2 * width, outputs))

    def read(self, captions: Tensor) -> Tensor:
        """Return what the head makes of captions, float [batch, outputs]; finite for any input, an empty caption too.

        Args:
            captions: int64 [batch, length]: UTF-8 bytes, zero padded. Capitals A to Z read as a to z; what is no byte
                reads as the nearest one.
        """
        codes = captions.clamp(0, _BYTES - 1)
        codes = torch.where((codes >= ord("A")) & (codes <= ord("Z")), codes + 32, codes)
        mask = (codes > 0).unsqueeze(1).to(self.embed.weight.dtype)
        hidden = self.embed(codes).transpose(1, 2) * mask
        peaks = []
        for layer in (self.first, self.second, self.third):
            hidden = F.relu(layer(hidden)) * mask  # after the rectifier zero is the least, so padding never wins
            peaks.append(hidden.amax(dim=2))
        out: Tensor = self.head(torch.cat(peaks, dim=1))
        return out


class CaptionEncoder(CaptionReader):
    """Captions of a grammar to logits of what they ask for: a class, and of each attribute a tercile or nothing."""

    def __init__(self, groups: Sequence[int], length: int = 64, *, embedding: int = 32, width: int = 48) -> None:
        """``groups`` are the numbers of choices: classes, then for each attribute four: not asked for, low, middle,
        high tercile."""
        super().__init__(sum(groups), length, embedding=embedding, width=width)
        self.groups = tuple(groups)

    def forward(self, captions: Tensor) -> tuple[Tensor, ...]:
        """Logits of the groups, float [batch, choices] each, for captions as :meth:`CaptionReader.read` takes them."""
        return torch.split(self.read(captions), list(self.groups), dim=1)


class CaptionEmbedding(CaptionReader):
    """Captions of any kind to vectors whose entries have a mean square of one: what they mean is learnt from images."""

    def forward(self, captions: Tensor) -> Tensor:
        """Float [batch, outputs] for captions as :meth:`CaptionReader.read` takes them."""
        return spread(self.read(captions))


def spread(vectors: Tensor) -> Tensor:
    """Return vectors [batch, width] scaled to a mean square of one."""
    return F.normalize(vectors, dim=1) * math.sqrt(vectors.shape[1])


def caption_loss(logits: tuple[Tensor, ...], wishes: Tensor) -> Tensor:
    """Cross-entropy summed over the groups, averaged over the batch; ``wishes`` as in :func:`decide`."""
    losses = [F.cross_entropy(group, wishes[:, column]) for column, group in enumerate(logits)]
    return torch.stack(losses).sum()


def decide(logits: tuple[Tensor, ...]) -> Tensor:
    """The likeliest choice of each group: int64 [batch, groups], the class and then 0 (not asked for) or 1 + tercile.

    A trained encoder's lead over the runner-up is far beyond rounding, so all runtimes decide alike.
    """
    return torch.stack([group.argmax(dim=1) for group in logits], dim=1)


class WishSampler(nn.Module):
    """Ranks of the attributes for a wish.

    An asked tercile is shrunk towards its middle, so that a generator that is a little off still lands inside.
    Attributes that were not asked for range over all of (0, 1).
    """

    def __init__(self, shrink: float = 0.7) -> None:
        """``shrink`` is the share of a tercile, about its middle, that is drawn from."""
        super().__init__()
        self.shrink = shrink

    def forward(self, noise: Tensor, wishes: Tensor) -> Tensor:
        """The noise, made uniform by the normal distribution function, placed where the wish allows.

        Args:
            noise: float [batch, attributes], standard normal.
            wishes: int64 [batch, 1 + attributes] as :func:`decide` gives them; the class is not used.

        Returns:
            Float [batch, attributes] strictly inside (0, 1); increasing in the noise.
        """
        uniform = (0.5 + 0.5 * torch.erf(noise * math.sqrt(0.5))).clamp(1e-4, 1 - 1e-4)
        attributes = wishes[:, 1:]
        inside = (attributes.to(noise.dtype) - 0.5 + self.shrink * (uniform - 0.5)) / 3
        return torch.where(attributes > 0, inside, uniform)
