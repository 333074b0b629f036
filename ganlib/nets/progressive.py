"""Nets that grow from 7 x 7 over 14 x 14 to 28 x 28 while they train (Karras 2018).

A *level* is one resolution, ``7 * 2**level``; ``alpha`` in (0, 1] is how far a new level has faded in, 1 for a level
that is whole. Level 0 has 4c channels, level 1 has 2c, level 2 has c. Of a block's two convolutions the one that
changes the width runs on the coarse side of the resampling, which halves the cost of Karras's order. An image costs
about 28,300 c^2 multiply-adds forward in each net at level 2, and a quarter of that at level 0: 4.2 M for c = 12, 7.4 M
for c = 16.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganlib.nets.conv import minibatch_deviation

TOP = 2
"""The last level, 28 x 28."""
FADE_STEPS = 1024
"""``alpha`` is a multiple of one in so many: exact in float32, and as an integer."""


def schedule(step: int, horizon: int, *, stabilise: float = 0.06, fade: float = 0.08) -> tuple[int, float]:
    """Level and alpha at ``step`` of ``horizon``: a level is held for a while, then the next one fades in (section 2).

    ``stabilise`` and ``fade`` are shares of the horizon that each level below the top is held, and each one above the
    first takes to fade in; the rest, 72% by default, goes to the whole net at 28 x 28. Pure, never falls, and the
    horizon's last step is (2, 1.0) whatever the shares are.
    """
    position = (step + 1) / horizon
    if position >= 1:
        return TOP, 1.0
    level, into = divmod(position, stabilise + fade)
    if level >= TOP:
        return TOP, 1.0
    if into <= stabilise:
        return int(level), 1.0
    # Rounded up: a level that is being faded in always has some weight, hence a gradient.
    return int(level) + 1, math.ceil((into - stabilise) / fade * FADE_STEPS) / FADE_STEPS


def reals_at(images: Tensor, level: int, alpha: float) -> Tensor:
    """Real images as sharp as the generator's can be: averaged down, and mixed with the level below while fading in.

    Args:
        images: float [batch, 1, 28, 28].
        level: 0..2.
        alpha: (0, 1].

    Returns:
        Float [batch, 1, r, r] with ``r = 7 * 2**level``, in the range of ``images``.
    """
    if level < TOP:
        images = F.avg_pool2d(images, 2 ** (TOP - level))
    if level == 0 or alpha == 1:
        return images
    return torch.lerp(_double(F.avg_pool2d(images, 2)), images, alpha)


class ProgressiveGenerator(nn.Module):
    """Latent vector to image; pixel norm on the latent and after every convolution.

    ``at`` is for training and computes no more than its level needs. ``forward`` is what is exported: it draws the same
    image at 28 x 28, without a branch. The weights of the levels are in ``blend``, whole numbers of 1 / FADE_STEPS,
    because a moving average copies integers and would smear floats: it must draw with the weights of now.
    """

    blend: Tensor

    def __init__(self, latent_dim: int, channels: int) -> None:
        """``channels`` is the width c at 28 x 28."""
        super().__init__()
        widths = _widths(channels)
        self.start = EqualisedLinear(latent_dim, widths[0] * 49)
        self.first = EqualisedConv2d(widths[0], widths[0], 3)
        self.refine = nn.ModuleList(_Refine(wide, narrow) for wide, narrow in pairwise(widths))
        self.to_image = nn.ModuleList(EqualisedConv2d(width, 1, 1, gain=1.0) for width in widths)
        self.register_buffer("blend", torch.zeros(TOP + 1, dtype=torch.int64))
        self.grow(0, 1.0)

    def grow(self, level: int, alpha: float) -> None:
        """From now on, ``forward`` draws what ``at`` draws at ``level`` and ``alpha``."""
        new = round(alpha * FADE_STEPS) if level else FADE_STEPS
        weights = [0] * (TOP + 1)
        weights[level - 1] = FADE_STEPS - new
        weights[level] = new
        for place, weight in enumerate(weights):
            self.blend[place].fill_(weight)  # no tensor from the host: a CUDA graph may be recording

    def at(self, noise: Tensor, level: int, alpha: float) -> Tensor:
        """Float [batch, latent_dim] to float [batch, 1, r, r] in [-1, 1] with ``r = 7 * 2**level``."""
        features = self._coarse(noise)
        for index in range(level - 1):
            features = self.refine[index](features)
        if level == 0:
            return torch.tanh(self.to_image[0](features))
        fine = self.to_image[level](self.refine[level - 1](features))
        if alpha < 1:
            fine = torch.lerp(_double(self.to_image[level - 1](features)), fine, alpha)
        return torch.tanh(fine)

    def forward(self, noise: Tensor) -> Tensor:
        """Float [batch, latent_dim] to float [batch, 1, 28, 28] in [-1, 1], as far as the net has grown."""
        weights = self.blend / FADE_STEPS
        features = self._coarse(noise)
        image = weights[0] * self.to_image[0](features)
        for index in range(TOP):
            features = self.refine[index](features)
            image = _double(image) + weights[index + 1] * self.to_image[index + 1](features)
        return torch.tanh(image)

    def _coarse(self, noise: Tensor) -> Tensor:
        features = self.start(pixel_norm(noise)).view(noise.shape[0], -1, 7, 7)
        return _normalised(self.first(_normalised(features)))


class ProgressiveDiscriminator(nn.Module):
    """Image to one logit: the generator mirrored, and the minibatch's standard deviation near the end (section 3)."""

    def __init__(self, channels: int, *, group: int = 8) -> None:
        """``channels`` is the width c at 28 x 28; ``group`` samples of the batch share one deviation."""
        super().__init__()
        widths = _widths(channels)
        self.group = group
        self.from_image = nn.ModuleList(EqualisedConv2d(1, width, 1) for width in widths)
        self.coarsen = nn.ModuleList(_Coarsen(wide, narrow) for wide, narrow in pairwise(widths))
        self.last = EqualisedConv2d(widths[0] + 1, widths[0], 3)
        self.dense = EqualisedLinear(widths[0] * 49, widths[0])
        self.head = EqualisedLinear(widths[0], 1, gain=1.0)

    def forward(self, images: Tensor, level: int, alpha: float) -> Tensor:
        """Float [batch, 1, r, r] with ``r = 7 * 2**level`` in [-1, 1] to logits, float [batch]."""
        features = _leaky(self.from_image[level](images))
        if level > 0:
            features = self.coarsen[level - 1](features)
            if alpha < 1:
                coarse = _leaky(self.from_image[level - 1](F.avg_pool2d(images, 2)))
                features = torch.lerp(coarse, features, alpha)
        for index in reversed(range(level - 1)):
            features = self.coarsen[index](features)
        deviation = minibatch_deviation(features.flatten(1), self.group)
        features = torch.cat([features, deviation[:, :, None, None].expand(-1, -1, 7, 7)], dim=1)
        features = _leaky(self.dense(_leaky(self.last(features)).flatten(1)))
        logits: Tensor = self.head(features)
        return logits.squeeze(1)


class EqualisedConv2d(nn.Conv2d):
    """Convolution that keeps the size, with equalised learning rate (section 4.1).

    Its stored weights are N(0, 1) and are scaled by ``gain / sqrt(fan_in)`` (He 2015) at every use, not once: Adam's
    steps do not depend on the size of a gradient, so all layers learn equally fast.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, gain: float = math.sqrt(2)) -> None:
        """``kernel`` is odd."""
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        self.scale = gain / math.sqrt(inputs * kernel**2)
        _standard(self)

    def forward(self, features: Tensor) -> Tensor:
        """Float [batch, inputs, h, w] to float [batch, outputs, h, w]."""
        return F.conv2d(features, self.weight * self.scale, self.bias, padding=self.padding)


class EqualisedLinear(nn.Linear):
    """Dense layer with equalised learning rate; see :class:`EqualisedConv2d`."""

    def __init__(self, inputs: int, outputs: int, *, gain: float = math.sqrt(2)) -> None:
        super().__init__(inputs, outputs)
        self.scale = gain / math.sqrt(inputs)
        _standard(self)

    def forward(self, features: Tensor) -> Tensor:
        """Float [batch, inputs] to float [batch, outputs]."""
        return F.linear(features, self.weight * self.scale, self.bias)


def pixel_norm(features: Tensor) -> Tensor:
    """Every pixel's vector, along dimension 1, scaled to a mean square of one (section 4.2)."""
    return features * torch.rsqrt(features.square().mean(dim=1, keepdim=True) + 1e-8)


class _Refine(nn.Module):
    """A block of the generator: one level up, [batch, wide, r, r] -> [batch, narrow, 2r, 2r]."""

    def __init__(self, wide: int, narrow: int) -> None:
        super().__init__()
        self.narrow = EqualisedConv2d(wide, narrow, 3)
        self.smooth = EqualisedConv2d(narrow, narrow, 3)

    def forward(self, features: Tensor) -> Tensor:
        return _normalised(self.smooth(_double(_normalised(self.narrow(features)))))


class _Coarsen(nn.Module):
    """A block of the discriminator: one level down, [batch, narrow, 2r, 2r] -> [batch, wide, r, r]."""

    def __init__(self, wide: int, narrow: int) -> None:
        super().__init__()
        self.smooth = EqualisedConv2d(narrow, narrow, 3)
        self.widen = EqualisedConv2d(narrow, wide, 3)

    def forward(self, features: Tensor) -> Tensor:
        return _leaky(self.widen(F.avg_pool2d(_leaky(self.smooth(features)), 2)))


def _standard(layer: nn.Conv2d | nn.Linear) -> None:
    nn.init.normal_(layer.weight)
    assert layer.bias is not None  # noqa: S101
    nn.init.zeros_(layer.bias)


def _widths(channels: int) -> list[int]:
    return [channels << (TOP - level) for level in range(TOP + 1)]


def _leaky(features: Tensor) -> Tensor:
    return F.leaky_relu(features, 0.2)


def _normalised(features: Tensor) -> Tensor:
    return pixel_norm(_leaky(features))


def _double(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2.0, mode="nearest")
