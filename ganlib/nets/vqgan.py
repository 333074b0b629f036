"""Encoder, codebook, decoder and prior over codes as one net that draws images when it is given noise (Esser 2021)."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from ganlib.data.spec import ImageShape
from ganlib.nets.conv import ToImage
from ganlib.nets.ladder import ladder
from ganlib.nets.prior import CodePrior
from ganlib.nets.quantizer import VectorQuantizer


def grid(shape: ImageShape) -> int:
    """Return the side of the grid of codes: 7 for images of a side of 7 * 2^k, else 8."""
    return ladder(shape, 8)[0]


class VqGenerator(nn.Module):
    """Called, it draws codes from the prior and decodes them. Encoder and decoder meet on a grid of 7 x 7 or 8 x 8
    codes: larger images have more levels above it.

    Levels are 2c wide, but for the one at half the image's side, which is c wide if it is not the grid. For c = 32 an
    image of MNIST's costs 3.5 million multiply-adds in the encoder and 5.3 in the decoder, 3x32x32 4.8 and 7.2, 3x64x64
    17 and 19, 3x128x128 63 and 66.
    """

    def __init__(self, shape: ImageShape, channels: int, codes: int, prior: CodePrior) -> None:
        """``channels`` is the width c; ``codes`` the size of the codebook; ``prior`` is for :func:`grid`'s square."""
        super().__init__()
        self.side, wide = grid(shape), 2 * channels
        between = len(ladder(shape, 8)) - 2  # levels between the grid and the image
        widths = [wide] * between + [channels] if between else [wide]
        inward = [*reversed(widths)]
        encoder: list[nn.Module] = []
        for before, after in zip([shape.channels, *inward], inward, strict=False):
            encoder += [nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(0.2)]
        self.encoder = nn.Sequential(*encoder, nn.Conv2d(wide, wide, 3, 1, 1), nn.LeakyReLU(0.2))
        self.quantizer = VectorQuantizer(codes, wide)
        decoder: list[nn.Module] = []
        for _ in range(2):
            decoder += [nn.Conv2d(wide, wide, 3, 1, 1), nn.LeakyReLU(0.2)]
        for before, after in pairwise(widths):
            decoder += [nn.ConvTranspose2d(before, after, 4, 2, 1), nn.LeakyReLU(0.2)]
        self.decoder = nn.Sequential(*decoder)
        self.last = ToImage(widths[-1], shape.channels)
        self.prior = prior

    def forward(self, noise: Tensor) -> Tensor:
        """Float32 [batch, positions] to float [batch, channels, height, width] in [-1, 1]."""
        return self.decode(self.quantizer.decode(self.prior.sample(noise), self.side))

    def codes(self, images: Tensor) -> Tensor:
        """Images to codes, int64 [batch, positions]; neither codebook nor running statistics move."""
        training = self.quantizer.training
        codes = self.quantizer.eval().encode(self.encoder(images))
        self.quantizer.train(training)
        return codes

    def decode(self, latents: Tensor) -> Tensor:
        """Float [batch, 2c, side, side] to float [batch, channels, height, width] in [-1, 1]."""
        return self.logits(latents).tanh()

    def logits(self, latents: Tensor) -> Tensor:
        """Float [batch, 2c, side, side] to what ``tanh`` makes the image of."""
        logits: Tensor = self.last(self.decoder(latents))
        return logits

    def reconstruct(self, images: Tensor) -> Tensor:
        """Images through their codes, without moving the codebook."""
        return self.decode(self.quantizer.decode(self.codes(images), self.side))
