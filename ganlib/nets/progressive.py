"""Nets that grow from 7 x 7 or 8 x 8 to the image's size while they train, doubling (Karras 2018).

A *level* is one resolution, each twice the one before: 8, 16, 32 for a side of 32. ``alpha`` in (0, 1] is how far a new
level has faded in, 1 for a level that is whole. The last level, the top, is c wide, each one below it twice as wide, to
at most 8c. Of a block's two convolutions the one that changes the width runs on the coarse side of the resampling,
which halves the cost of Karras's order. For c = 12 an image of MNIST's costs 4.2 million multiply-adds forward in each
net at the top, 3x32x32 5.5, 3x64x64 30 and 3x128x128 128.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganlib.data.spec import ImageShape
from ganlib.nets.conv import minibatch_deviation
from ganlib.nets.ladder import ladder, widths

FADE_STEPS = 1024
"""``alpha`` is a multiple of one in so many: exact in float32, and as an integer."""


def schedule(step: int, horizon: int, top: int, *, stabilise: float = 0.12, fade: float = 0.16) -> tuple[int, float]:
    """Level and alpha at ``step`` of ``horizon``: a level is held for a while, then the next one fades in (section 2).

    ``stabilise`` and ``fade`` are the shares of the horizon in which levels below ``top`` are held, and those above
    the first fade in, evenly divided among them; the rest, 72% by default, goes to the whole net. Pure, never falls,
    and the horizon's last step is (top, 1.0) whatever the shares are.
    """
    position = (step + 1) / horizon
    if position >= 1 or not top:
        return top, 1.0
    stabilise, fade = stabilise / top, fade / top
    level, into = divmod(position, stabilise + fade)
    if level >= top:
        return top, 1.0
    if into <= stabilise:
        return int(level), 1.0
    # Rounded up: a level that is being faded in always has some weight, hence a gradient.
    return int(level) + 1, math.ceil((into - stabilise) / fade * FADE_STEPS) / FADE_STEPS


def reals_at(images: Tensor, level: int, alpha: float, top: int) -> Tensor:
    """Real images as sharp as the generator's can be: averaged down, and mixed with the level below while fading in.

    Args:
        images: float [batch, channels, height, width].
        level: 0..top.
        alpha: (0, 1].
        top: the level of ``images``.

    Returns:
        Float [batch, channels, r, r] with the level's side r, in the range of ``images``.
    """
    if level < top:
        images = F.avg_pool2d(images, 2 ** (top - level))
    if level == 0 or alpha == 1:
        return images
    return torch.lerp(_double(F.avg_pool2d(images, 2)), images, alpha)


class ProgressiveGenerator(nn.Module):
    """Latent vector to image; pixel norm on the latent and after every convolution.

    ``at`` is for training and computes no more than its level needs. ``forward`` is what is exported: it draws the same
    image at full size, without a branch. The weights of the levels are in ``blend``, whole numbers of 1 / FADE_STEPS,
    because a moving average copies integers and would smear floats: it must draw with the weights of now.
    """

    blend: Tensor

    def __init__(self, shape: ImageShape, latent_dim: int, channels: int) -> None:
        """``channels`` is the width c at the top."""
        super().__init__()
        sides = ladder(shape, 8)
        self.top, self.coarsest = len(sides) - 1, sides[0]
        wide = widths(channels, len(sides))
        self.start = EqualisedLinear(latent_dim, wide[0] * self.coarsest**2)
        self.first = EqualisedConv2d(wide[0], wide[0], 3)
        self.refine = nn.ModuleList(_Refine(coarse, fine) for coarse, fine in pairwise(wide))
        self.to_image = nn.ModuleList(EqualisedConv2d(width, shape.channels, 1, gain=1.0) for width in wide)
        self.register_buffer("blend", torch.zeros(self.top + 1, dtype=torch.int64))
        self.grow(0, 1.0)

    def grow(self, level: int, alpha: float) -> None:
        """From now on, ``forward`` draws what ``at`` draws at ``level`` and ``alpha``."""
        new = round(alpha * FADE_STEPS) if level else FADE_STEPS
        weights = [0] * (self.top + 1)
        weights[level - 1] = FADE_STEPS - new
        weights[level] = new
        for place, weight in enumerate(weights):
            self.blend[place].fill_(weight)  # no tensor from the host: a CUDA graph may be recording

    def at(self, noise: Tensor, level: int, alpha: float) -> Tensor:
        """Float [batch, latent_dim] to float [batch, channels, r, r] in [-1, 1] with the level's side r."""
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
        """Float [batch, latent_dim] to float [batch, channels, height, width] in [-1, 1], as far as it has grown."""
        weights = self.blend / FADE_STEPS
        features = self._coarse(noise)
        image = weights[0] * self.to_image[0](features)
        for index in range(self.top):
            features = self.refine[index](features)
            image = _double(image) + weights[index + 1] * self.to_image[index + 1](features)
        return torch.tanh(image)

    def _coarse(self, noise: Tensor) -> Tensor:
        features = self.start(pixel_norm(noise)).view(noise.shape[0], -1, self.coarsest, self.coarsest)
        return _normalised(self.first(_normalised(features)))


class ProgressiveDiscriminator(nn.Module):
    """Image to one logit: the generator mirrored, and the minibatch's standard deviation near the end (section 3)."""

    def __init__(self, shape: ImageShape, channels: int, *, group: int = 8) -> None:
        """``channels`` is the width c at the top; ``group`` samples of the batch share one deviation."""
        super().__init__()
        sides = ladder(shape, 8)
        wide = widths(channels, len(sides))
        self.group = group
        self.from_image = nn.ModuleList(EqualisedConv2d(shape.channels, width, 1) for width in wide)
        self.coarsen = nn.ModuleList(_Coarsen(coarse, fine) for coarse, fine in pairwise(wide))
        self.last = EqualisedConv2d(wide[0] + 1, wide[0], 3)
        self.dense = EqualisedLinear(wide[0] * sides[0] ** 2, wide[0])
        self.head = EqualisedLinear(wide[0], 1, gain=1.0)

    def forward(self, images: Tensor, level: int, alpha: float) -> Tensor:
        """Float [batch, channels, r, r] in [-1, 1], with the level's side r, to logits, float [batch]."""
        features = _leaky(self.from_image[level](images))
        if level > 0:
            features = self.coarsen[level - 1](features)
            if alpha < 1:
                coarse = _leaky(self.from_image[level - 1](F.avg_pool2d(images, 2)))
                features = torch.lerp(coarse, features, alpha)
        for index in reversed(range(level - 1)):
            features = self.coarsen[index](features)
        deviation = minibatch_deviation(features.flatten(1), self.group)
        features = torch.cat([features, deviation[:, :, None, None].expand(-1, -1, *features.shape[2:])], dim=1)
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


def _leaky(features: Tensor) -> Tensor:
    return F.leaky_relu(features, 0.2)


def _normalised(features: Tensor) -> Tensor:
    return pixel_norm(_leaky(features))


def _double(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2.0, mode="nearest")
