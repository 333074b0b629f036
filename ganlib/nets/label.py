"""Classes as a condition.

Up to :data:`ONE_HOT` classes a label is a one-hot vector, by which a dense layer has weights of its own for each class.
With more of them those weights would be most of the net, and each would see few images: a label then is a learnt
vector, and what was a dense layer of the class's own is a small affine map of its own.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ONE_HOT = 64
"""The most classes that are told apart by one-hot vectors; of more, each is a learnt vector of so many numbers."""


def condition_width(num_classes: int) -> int:
    """Return the width of the condition that stands for a label."""
    return min(num_classes, ONE_HOT)


def latent_width(latent_dim: int, num_classes: int) -> int:
    """Return the width of what :class:`OwnInput` makes of a latent vector, which is also what :class:`OwnOutput`
    expects for so many outputs."""
    return latent_dim * num_classes if num_classes <= ONE_HOT else latent_dim


class Label(nn.Module):
    """Labels to conditions: int64 [batch] to float [batch, condition_width]."""

    def __init__(self, num_classes: int) -> None:
        """Labels are below ``num_classes``."""
        super().__init__()
        self.num_classes = num_classes
        # Entries as large as a one-hot vector's largest would drown the latent vector that is beside it.
        self.vectors = nn.Embedding(num_classes, ONE_HOT) if num_classes > ONE_HOT else None

    def forward(self, label: Tensor, like: Tensor) -> Tensor:
        """The condition, with the dtype of ``like``."""
        if self.vectors is None:
            return F.one_hot(label, self.num_classes).to(like.dtype)
        vectors: Tensor = self.vectors(label)
        return vectors.to(like.dtype)


class LabelledNet(nn.Module):
    """A net that takes a float condition, given int64 labels [batch] instead."""

    def __init__(self, net: nn.Module, num_classes: int) -> None:
        """``net`` is called with its first argument and the labels' conditions."""
        super().__init__()
        self.net, self.label = net, Label(num_classes)

    def forward(self, first: Tensor, label: Tensor) -> Tensor:
        """What ``net`` gives for ``first`` and ``label``, int64 [batch]."""
        out: Tensor = self.net(first, self.label(label, first))
        return out


class OwnMap(nn.Module):
    """An affine map of its own for each class, of few numbers: near the identity, from which it learns."""

    def __init__(self, num_classes: int, width: int) -> None:
        """``width`` is that of what is mapped."""
        super().__init__()
        self.width = width
        self.matrix, self.offset = nn.Embedding(num_classes, width**2), nn.Embedding(num_classes, width)
        with torch.no_grad():
            self.matrix.weight.mul_(0.1).add_(torch.eye(width).flatten())
            self.offset.weight.mul_(0.1)

    def forward(self, features: Tensor, label: Tensor) -> Tensor:
        """Float [batch, width] and int64 [batch] to float [batch, width]."""
        matrix = self.matrix(label).view(-1, self.width, self.width)
        out: Tensor = torch.bmm(matrix, features.unsqueeze(2).to(matrix.dtype)).squeeze(2) + self.offset(label)
        return out


class OwnInput(nn.Module):
    """A net with a first dense layer of its own for each class, given int64 labels [batch].

    The latent vector once for every class in a row, all but the label's copy zero, is what one wide dense layer needs
    for that. With more than :data:`ONE_HOT` classes the latent vector goes through the class's own affine map instead.
    """

    def __init__(self, net: nn.Module, latent_dim: int, num_classes: int) -> None:
        """``net`` is called with float [batch, latent_width] and the labels' conditions."""
        super().__init__()
        self.net, self.label = net, Label(num_classes)
        self.map = OwnMap(num_classes, latent_dim) if num_classes > ONE_HOT else None

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        """What ``net`` gives for ``latent`` [batch, latent_dim] and ``label``, int64 [batch]."""
        condition = self.label(label, latent)
        if self.map is not None:
            latent = self.map(latent, label)
        else:
            latent = (condition.unsqueeze(2) * latent.unsqueeze(1)).flatten(1)
        out: Tensor = self.net(latent, condition)
        return out


class OwnOutput(nn.Module):
    """A net with a last dense layer of its own for each class, given int64 labels [batch].

    With more than :data:`ONE_HOT` classes the output goes through the class's own affine map instead.
    """

    def __init__(self, net: nn.Module, outputs: int, num_classes: int) -> None:
        """``net`` gives float [batch, latent_width] for ``outputs``; the label's part of it is kept."""
        super().__init__()
        self.net, self.outputs = net, outputs
        self.map = OwnMap(num_classes, outputs) if num_classes > ONE_HOT else None

    def forward(self, images: Tensor, label: Tensor) -> Tensor:
        """Float [batch, outputs] for ``images`` and ``label``, int64 [batch]."""
        out: Tensor = self.net(images)
        if self.map is not None:
            own: Tensor = self.map(out, label)
            return own
        by_class = out.view(len(out), -1, self.outputs)
        return by_class[torch.arange(len(label), device=label.device), label]
