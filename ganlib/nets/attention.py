"""Convolutional nets with self-attention and spectral normalisation in both players (Zhang 2019, SAGAN).

For c = 32 an image of MNIST's costs about 4 million multiply-adds forward in each net, 3x32x32 6, 3x64x64 35 and
3x128x128 141.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ganlib.data.spec import ImageShape
from ganlib.nets.conv import minibatch_deviation
from ganlib.nets.ladder import ladder, widths

_WIDEST_VIEW = 32
"""Side, in pixels, above which every pixel's view of all others costs more than the convolutions."""


class SelfAttention(nn.Module):
    """``x + gamma * attention(x)``: every pixel reads from all others (section 3).

    Four 1 x 1 convolutions make queries and keys of c/8 channels, values of c/2, and the result. Keys and values are
    max-pooled to half the size, as in the authors' code. ``gamma`` starts at zero: the net begins local.
    """

    def __init__(self, channels: int) -> None:
        """``channels`` is a multiple of 8."""
        super().__init__()
        self.query = _spectral(nn.Conv2d(channels, channels // 8, 1, bias=False))
        self.key = _spectral(nn.Conv2d(channels, channels // 8, 1, bias=False))
        self.value = _spectral(nn.Conv2d(channels, channels // 2, 1, bias=False))
        self.result = _spectral(nn.Conv2d(channels // 2, channels, 1, bias=False))
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """Float [batch, channels, h, w], with even h and w, to the same shape."""
        values = F.max_pool2d(self.value(features), 2)
        read = torch.matmul(values.flatten(2), self.map(features).transpose(1, 2))
        result: Tensor = self.result(read.view(-1, values.shape[1], *features.shape[2:]))
        return features + self.gamma * result

    def map(self, features: Tensor) -> Tensor:
        """Who reads from where: float [batch, h * w queries, h * w / 4 keys], row by row; a query's sum to 1."""
        queries = self.query(features).flatten(2)
        keys = F.max_pool2d(self.key(features), 2).flatten(2)
        return torch.softmax(torch.matmul(queries.transpose(1, 2), keys), dim=2)


class SelfAttentionGenerator(nn.Module):
    """Latent vector to image, with BatchNorm and ReLU after every layer but the last.

    It begins at 7 x 7 or 8 x 8 and doubles; the levels are c/2 wide at the image's side, c at half of it, 2c at a
    quarter, to at most 4c. Attention is at :func:`attended`'s side.
    """

    def __init__(self, shape: ImageShape, latent_dim: int, channels: int) -> None:
        """``channels`` is the width c at half the image's side, a multiple of 8."""
        super().__init__()
        sides, place, wide = _plan(shape, channels)
        self.start = sides[0]
        self.project = _spectral(nn.Linear(latent_dim, wide[0] * self.start**2, bias=False))

        def levels(first: int, last: int) -> list[nn.Module]:
            return [layer for level in range(first, last) for layer in _doubling(wide[level], wide[level + 1])]

        self.local = nn.Sequential(nn.BatchNorm2d(wide[0]), nn.ReLU(), *levels(0, place))
        self.attend = SelfAttention(wide[place])
        self.finish = nn.Sequential(
            *levels(place, len(sides) - 1), _spectral(nn.Conv2d(wide[-1], shape.channels, 3, padding=1)), nn.Tanh()
        )

    def forward(self, noise: Tensor) -> Tensor:
        """Float [batch, latent_dim] to float [batch, channels, height, width] in [-1, 1]."""
        image: Tensor = self.finish(self.attend(self._features(noise)))
        return image

    def attention(self, noise: Tensor) -> Tensor:
        """Attention maps behind the images of ``noise``: float [batch, queries, keys]; see
        :meth:`SelfAttention.map`."""
        return self.attend.map(self._features(noise))

    def _features(self, noise: Tensor) -> Tensor:
        features: Tensor = self.local(self.project(noise).view(noise.shape[0], -1, self.start, self.start))
        return features


class SelfAttentionDiscriminator(nn.Module):
    """Image to one logit: the generator mirrored, without BatchNorm, and the end of DCGAN's discriminator here.

    That end, a dense layer and the minibatch deviation, makes the FID less than half (docs/families/sagan.md).
    """

    def __init__(self, shape: ImageShape, channels: int, *, group: int = 8) -> None:
        """``channels`` as for the generator; ``group`` samples share one deviation."""
        super().__init__()
        sides, place, wide = _plan(shape, channels)
        self.group = group
        width = 8 * channels
        layers: list[nn.Module] = [_spectral(nn.Conv2d(shape.channels, wide[-1], 3, padding=1)), nn.LeakyReLU(0.1)]
        for level in reversed(range(len(sides))):
            if level == place:
                layers.append(SelfAttention(wide[level]))
            if level:
                layers += [_spectral(nn.Conv2d(wide[level], wide[level - 1], 4, 2, 1)), nn.LeakyReLU(0.1)]
        features = wide[0] * sides[0] ** 2
        self.layers = nn.Sequential(*layers, nn.Flatten(), _spectral(nn.Linear(features, width)), nn.LeakyReLU(0.1))
        self.head = _spectral(nn.Linear(width + 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Float [batch, channels, height, width] in [-1, 1] to logits, float [batch]."""
        features = self.layers(images)
        logits: Tensor = self.head(torch.cat([features, minibatch_deviation(features, self.group)], dim=1))
        return logits.squeeze(1)


def attended(shape: ImageShape) -> int:
    """Return the side at which attention is: half of the image's, a quarter of 128, so that it is at most 32."""
    return max(side for side in ladder(shape, 8)[:-1] if side <= _WIDEST_VIEW)


def _plan(shape: ImageShape, channels: int) -> tuple[tuple[int, ...], int, list[int]]:
    """Return the levels' sides, the place of the one with attention among them, and their widths."""
    sides = ladder(shape, 8)
    return sides, sides.index(attended(shape)), widths(channels // 2, len(sides))


def _doubling(inward: int, outward: int) -> tuple[nn.Module, ...]:
    grow = _spectral(nn.ConvTranspose2d(inward, outward, 4, 2, 1, bias=False))
    return grow, nn.BatchNorm2d(outward), nn.ReLU()


class SpectralNorm(nn.Module):
    """Parametrization: a weight divided by its largest singular value (Miyato 2018, algorithm 1).

    Outputs are the rows of the matrix whose norm is taken. One power iteration at every use; only in training does
    ``u`` keep it, so a net in eval mode is a pure function, and the exporter folds all of this into plain weights.

    ``torch.nn.utils.parametrizations.spectral_norm`` keeps both singular vectors and trusts them in eval mode. In a
    moving average they are not of length one and do not belong to the averaged weight: norms were 3 to 20% off, early
    in training. Here both are made anew from the direction of ``u``: 0.1%.
    """

    u: Tensor

    def __init__(self, weight: Tensor, outputs: int) -> None:
        """``outputs`` is the dimension of ``weight`` that counts a layer's outputs."""
        super().__init__()
        self.outputs = outputs
        self.register_buffer("u", torch.randn(weight.shape[outputs]))
        with torch.no_grad():
            for _ in range(100):  # enough for a first weight whose largest singular values are close
                self(weight)

    def forward(self, weight: Tensor) -> Tensor:
        """``weight`` with a spectral norm of one."""
        matrix = weight.transpose(0, self.outputs).flatten(1)
        with torch.no_grad():
            v = F.normalize(torch.mv(matrix.t(), self.u), dim=0)
            u = F.normalize(torch.mv(matrix, v), dim=0)
            if self.training:
                self.u.copy_(u)
        return weight / torch.dot(u, torch.mv(matrix, v))


def _spectral(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d) -> nn.Module:
    """``layer`` with an orthogonal weight (Brock 2019) that is kept at spectral norm one."""
    nn.init.orthogonal_(layer.weight)
    norm = SpectralNorm(layer.weight, outputs=1 if isinstance(layer, nn.ConvTranspose2d) else 0)
    return parametrize.register_parametrization(layer, "weight", norm)
