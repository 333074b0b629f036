"""Convolutional nets for 28 x 28 images of one channel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import wrap_torch_function


class ConvGenerator(nn.Module):
    """Latent vector to image by three fractionally strided convolutions (Radford 2016, section 3).

    ``[batch, latent_dim]`` -> ``[4c, 4, 4]`` -> ``[2c, 7, 7]`` -> ``[c, 14, 14]`` -> ``[1, 28, 28]`` in [-1, 1]; 2.7
    million multiply-adds an image for c = 32. Starting at 4 x 4 gives a lower FID than starting at 7 x 7.
    """

    def __init__(self, latent_dim: int, channels: int, condition: int = 0) -> None:
        """``channels`` is the width c of the last hidden layer, ``condition`` that of a vector beside the latent."""
        super().__init__()
        self.width = 4 * channels
        self.project = nn.Sequential(
            nn.Linear(latent_dim + condition, self.width * 16, bias=False),
            nn.BatchNorm1d(self.width * 16),
            nn.ReLU(inplace=True),
        )
        self.grow = nn.Sequential(
            nn.ConvTranspose2d(self.width, 2 * channels, 3, 2, 1, bias=False),
            nn.BatchNorm2d(2 * channels),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(2 * channels, channels, 4, 2, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            ToImage(channels),
            nn.Tanh(),
        )
        self.apply(initialise)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Float [batch, latent_dim] (and [batch, condition]) to float [batch, 1, 28, 28] in [-1, 1]."""
        inputs = latent if condition is None else torch.cat([latent, condition], dim=1)
        image: Tensor = self.grow(self.project(inputs).view(-1, self.width, 4, 4))
        return image


class ToImage(nn.ConvTranspose2d):
    """``nn.ConvTranspose2d(channels, 1, 4, 2, 1)``: float [batch, channels, h, w] to [batch, 1, 2h, 2w].

    On a CPU it is a product, each pixel's features with the weight, whose 4 x 4 patches are then added up: a third of
    the time of oneDNN's kernel, which leaves the vector units idle where there is one channel.
    """

    def __init__(self, channels: int) -> None:
        """Parameters are those of the convolution."""
        super().__init__(channels, 1, 4, 2, 1)

    def forward(self, features: Tensor, output_size: list[int] | None = None) -> Tensor:
        """See the class. A graph that is exported or compiled gets the plain operator."""
        if features.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(features, output_size)
        height, width = features.shape[2:]
        patches = features.permute(0, 2, 3, 1).flatten(1, 2) @ self.weight.flatten(1)
        image = F.fold(patches.transpose(1, 2), (2 * height, 2 * width), 4, padding=1, stride=2)
        return image if self.bias is None else image + self.bias


class ConvTrunk(nn.Module):
    """Image to features by three strided convolutions: ``[batch, 1, 28, 28]`` -> ``[batch, 4c * 16]``.

    2.9 million multiply-adds an image for c = 32.

    ``normalise`` puts BatchNorm on all but the first. It ties the samples of a batch together, so leave it out where a
    gradient penalty is to be per sample.
    """

    def __init__(self, channels: int, *, normalise: bool = False) -> None:
        """``channels`` is the width c of the first layer."""
        super().__init__()
        self.features = 4 * channels * 16

        def norm(width: int) -> nn.Module:
            return nn.BatchNorm2d(width) if normalise else nn.Identity()

        self.layers = nn.Sequential(
            nn.Conv2d(1, channels, 4, 2, 1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(channels, 2 * channels, 4, 2, 1, bias=not normalise),
            norm(2 * channels),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(2 * channels, 4 * channels, 3, 2, 1, bias=not normalise),
            norm(4 * channels),
            nn.Flatten(),  # before the activation, whose gradient is slow between two memory formats
            nn.LeakyReLU(0.2),
        )
        self.apply(initialise)

    def forward(self, images: Tensor) -> Tensor:
        """Float [batch, 1, 28, 28] in [-1, 1] to float [batch, 4c * 16]."""
        features: Tensor = self.layers(images)
        return features


class ConvDiscriminator(nn.Module):
    """Image to one logit, with a minibatch deviation feature against mode collapse (Karras 2018, section 3).

    What sees whether strokes far apart belong together is the dense layer between the convolutions and the logit: with
    it the FID is half of that without (docs/families/dcgan.md).
    """

    def __init__(self, channels: int, condition: int = 0, *, normalise: bool = False, group: int = 8) -> None:
        """``group`` neighbours in the batch share one statistic; ``normalise`` as in :class:`ConvTrunk`."""
        super().__init__()
        self.group, self._normalised = group, normalise
        self.trunk = ConvTrunk(channels, normalise=normalise)
        width = 8 * channels
        self.dense = nn.Sequential(nn.Linear(self.trunk.features, width), nn.LeakyReLU(0.2, inplace=True))
        self.head = nn.Linear(width + 1, 1)
        self.projection = nn.Linear(condition, width, bias=False) if condition else None
        self.apply(initialise)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Tensor:
        """Float [batch, 1, 28, 28] in [-1, 1] (and [batch, condition]) to logits, float [batch].

        The condition enters as an inner product with the features (Miyato & Koyama 2018).
        """
        features = self.features(images)
        logits: Tensor = self.head(torch.cat([features, minibatch_deviation(features, self.group)], dim=1)).squeeze(1)
        if self.projection is not None and condition is not None:
            logits = logits + (self.projection(condition) * features).sum(dim=1)
        return logits

    def separable(self, size: int) -> bool:
        """Whether ``size`` images have the same logits in a batch with as many after them."""
        return not self._normalised and size % self.group == 0

    def features(self, images: Tensor) -> Tensor:
        """What the logit is linear in, float [batch, n]."""
        features: Tensor = self.dense(self.trunk(images))
        return features


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
