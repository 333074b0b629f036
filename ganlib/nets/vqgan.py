"""Encoder, codebook, decoder and prior over codes as one net that draws images when it is given noise (Esser 2021)."""

from __future__ import annotations

from torch import Tensor, nn

from ganlib.nets.conv import ToImage
from ganlib.nets.prior import CodePrior
from ganlib.nets.quantizer import VectorQuantizer


class VqGenerator(nn.Module):
    """Called, it draws codes from the prior and decodes them. Encoder and decoder meet on a 7 x 7 grid of codes.

    With c = 32, an encoder of 3.7 and a decoder of 5.6 million multiply-adds an image.
    """

    def __init__(self, channels: int, codes: int, prior: CodePrior) -> None:
        """``channels`` is the width c at 14 x 14; ``codes`` the size of the codebook."""
        super().__init__()
        wide = 2 * channels
        self.encoder = nn.Sequential(
            nn.Conv2d(1, channels, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(channels, wide, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(wide, wide, 3, 1, 1), nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.quantizer = VectorQuantizer(codes, wide)
        self.decoder = nn.Sequential(
            nn.Conv2d(wide, wide, 3, 1, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(wide, wide, 3, 1, 1), nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(wide, channels, 4, 2, 1), nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.last = ToImage(channels)
        self.prior = prior

    def forward(self, noise: Tensor) -> Tensor:
        """Float32 [batch, 49] to float [batch, 1, 28, 28] in [-1, 1]."""
        return self.decode(self.quantizer.decode(self.prior.sample(noise)))

    def codes(self, images: Tensor) -> Tensor:
        """Float [batch, 1, 28, 28] to codes, int64 [batch, 49]; neither codebook nor running statistics move."""
        training = self.quantizer.training
        codes = self.quantizer.eval().encode(self.encoder(images))
        self.quantizer.train(training)
        return codes

    def decode(self, quantised: Tensor) -> Tensor:
        """Float [batch, 2c, 7, 7] to float [batch, 1, 28, 28] in [-1, 1]."""
        return self.logits(quantised).tanh()

    def logits(self, quantised: Tensor) -> Tensor:
        """Float [batch, 2c, 7, 7] to float [batch, 1, 28, 28], of which ``tanh`` is the image."""
        logits: Tensor = self.last(self.decoder(quantised))
        return logits

    def reconstruct(self, images: Tensor) -> Tensor:
        """Images through their codes, without moving the codebook."""
        return self.decode(self.quantizer.decode(self.codes(images)))
