"""Convolutional nets of the image's shape, in the manner of DCGAN."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import wrap_torch_function

from ganlib.data.spec import ImageShape
from ganlib.nets.ladder import kernel, ladder, widths


class ConvGenerator(nn.Module):
    """Latent vector to image by fractionally strided convolutions (Radford 2016, section 3).

    From 4 x 4 on, every level is twice as large and half as wide, to a width c at half the image's side and the image's
    channels at the whole side; no level is wider than 8c. For c = 32 an image of MNIST's costs 3.0 million
    multiply-adds, 3x32x32 4.7, 3x64x64 27 and 3x128x128 124, and for c = 16 a quarter of that. Starting at 4 x 4 gives
    a lower FID than at 7 x 7.
    """

    def __init__(self, shape: ImageShape, latent_dim: int, channels: int, condition: int = 0) -> None:
        """``channels`` is the width c of the last hidden layer, ``condition`` that of a vector beside the latent."""
        super().__init__()
        sides = ladder(shape, 4)
        wide = widths(channels, len(sides) - 1)
        self.width, self.start = wide[0], sides[0]
        inputs, features = latent_dim + condition, self.width * self.start**2
        self.project = nn.Sequential(
            nn.Linear(inputs, features, bias=False), nn.BatchNorm1d(features), nn.ReLU(inplace=True)
        )
        layers: list[nn.Module] = []
        for inward, outward, side in zip(wide, wide[1:], sides[1:], strict=False):
            layers += [
                nn.ConvTranspose2d(inward, outward, kernel(side), 2, 1, bias=False),
                nn.BatchNorm2d(outward),
                nn.ReLU(inplace=True),
            ]
        self.grow = nn.Sequential(*layers, ToImage(channels, shape.channels), nn.Tanh())
        self.apply(initialise)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Float [batch, latent_dim] (and [batch, condition]) to float [batch, channels, height, width] in [-1, 1]."""
        inputs = latent if condition is None else torch.cat([latent, condition], dim=1)
        image: Tensor = self.grow(self.project(inputs).view(-1, self.width, self.start, self.start))
        return image


class ToImage(nn.ConvTranspose2d):
    """``nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)``: float [batch, inputs, h, w] to [batch, outputs, 2h, 2w].

    On a CPU and with one output it is a product, each pixel's features with the weight, whose 4 x 4 patches are then
    added up: a third of the time of oneDNN's kernel, which leaves the vector units idle where there is one channel.
    With three of them oneDNN is the faster one: a little on 16 x 16 pixels of features, by a third on 32 x 32.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        """Parameters are those of the convolution."""
        super().__init__(inputs, outputs, 4, 2, 1)

    def forward(self, features: Tensor, output_size: list[int] | None = None) -> Tensor:
        """See the class. A graph that is exported or compiled gets the plain operator."""
        if self.out_channels > 1 or features.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(features, output_size)
        height, width = features.shape[2:]
        patches = features.permute(0, 2, 3, 1).flatten(1, 2) @ self.weight.flatten(1)
        image = F.fold(patches.transpose(1, 2), (2 * height, 2 * width), 4, padding=1, stride=2)
        return image if self.bias is None else image + self.bias


class ConvTrunk(nn.Module):
    """Image to features by strided convolutions, :class:`ConvGenerator` mirrored: to 4 x 4, flattened.

    For c = 32 an image of MNIST's costs 2.9 million multiply-adds, 3x32x32 4.6, 3x64x64 27 and 3x128x128 124.

    ``normalise`` puts BatchNorm on all but the first. It ties the samples of a batch together, so leave it out where a
    gradient penalty is to be per sample.
    """

    def __init__(self, shape: ImageShape, channels: int, *, normalise: bool = False) -> None:
        """``channels`` is the width c of the first layer."""
        super().__init__()
        sides = ladder(shape, 4)
        wide = [shape.channels, *reversed(widths(channels, len(sides) - 1))]
        self.features = wide[-1] * sides[0] ** 2
        layers: list[nn.Module] = []
        for level, side in enumerate(reversed(sides[1:])):
            norm = normalise and level > 0
            layers.append(nn.Conv2d(wide[level], wide[level + 1], kernel(side), 2, 1, bias=not norm))
            if level:
                layers.append(nn.BatchNorm2d(wide[level + 1]) if norm else nn.Identity())
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        # Flattened before the activation, whose gradient is slow between two memory formats.
        self.layers = nn.Sequential(*layers[:-1], nn.Flatten(), nn.LeakyReLU(0.2))
        self.apply(initialise)

    def forward(self, images: Tensor) -> Tensor:
        """Float [batch, channels, height, width] in [-1, 1] to float [batch, features]."""
        features: Tensor = self.layers(images)
        return features

    def levels(self, images: Tensor) -> list[Tensor]:
        """What each activation gives, from the finest to the features themselves."""
        levels = []
        for layer in self.layers:
            images = layer(images)
            if isinstance(layer, nn.LeakyReLU):
                levels.append(images)
        return levels


class ConvDiscriminator(nn.Module):
    """Image to one logit, with a minibatch deviation feature against mode collapse (Karras 2018, section 3).

    What sees whether strokes far apart belong together is the dense layer between the convolutions and the logit: with
    it the FID is half of that without (docs/families/dcgan.md).
    """

    def __init__(
        self, shape: ImageShape, channels: int, condition: int = 0, *, normalise: bool = False, group: int = 8
    ) -> None:
        """``group`` neighbours in the batch share one statistic; ``normalise`` as in :class:`ConvTrunk`."""
        super().__init__()
        self.group, self._normalise = group, normalise
        self.trunk = ConvTrunk(shape, channels, normalise=normalise)
        width = 8 * channels
        self.dense = nn.Sequential(nn.Linear(self.trunk.features, width), nn.LeakyReLU(0.2, inplace=True))
        self.head = nn.Linear(width + 1, 1)
        self.projection = nn.Linear(condition, width, bias=False) if condition else None
        self.apply(initialise)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Tensor:
        """Float [batch, channels, height, width] in [-1, 1] (and [batch, condition]) to logits, float [batch].

        The condition enters as an inner product with the features (Miyato & Koyama 2018).
        """
        features = self.features(images)
        logits: Tensor = self.head(torch.cat([features, minibatch_deviation(features, self.group)], dim=1)).squeeze(1)
        if self.projection is not None and condition is not None:
            logits = logits + (self.projection(condition) * features).sum(dim=1)
        return logits

    def separable(self, size: int) -> bool:
        """Whether ``size`` images have the same logits in a batch with as many after them."""
        return not self._normalise and size % self.group == 0

    def features(self, images: Tensor) -> Tensor:
        """What the logit is linear in, float [batch, n]."""
        features: Tensor = self.dense(self.trunk(images))
        return features

    def levels(self, images: Tensor) -> list[Tensor]:
        """What each of its activations gives, from the finest to what the logit is linear in."""
        levels = self.trunk.levels(images)
        return [*levels, self.dense(levels[-1])]


@wrap_torch_function(lambda features, group: (features,))  # so that ganlib.objectives.double_backward can see it
def minibatch_deviation(features: Tensor, group: int) -> Tensor:
    """Mean over features of their standard deviation within groups of the batch, float [batch, 1].

    A batch that ``group`` does not divide is taken as one group.
    """
    size = group if features.shape[0] % group == 0 else features.shape[0]
    groups = features.float().view(-1, size, features.shape[1])
    # Tensor.var takes three times as long: it is slow over a dimension that is not the last.
    variance = (groups - groups.mean(dim=1, keepdim=True)).square().mean(dim=1)
    deviation = (variance + 1e-8).sqrt().mean(dim=1)
    return deviation.repeat_interleave(size).unsqueeze(1)


def initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02), BatchNorm's scale from N(1, 0.02), biases zero (Radford 2016, section 4)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
