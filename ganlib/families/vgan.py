"""VAE-GAN: a VAE whose reconstruction error is measured in a discriminator's features (Larsen 2016)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ganlib.data.spec import DatasetSpec
from ganlib.families.parts.adversarial import DiscriminatorOptions, discriminate
from ganlib.families.parts.autoencoding import Variational, VariationalOptions
from ganlib.families.parts.base import Losses, OptimizerOptions, Phase, TrainingBatch
from ganlib.nets.autoencoder import Autoencoder, ConvEncoder
from ganlib.nets.conv import ConvDiscriminator, ConvGenerator
from ganlib.objectives.losses import BCE


class VganOptions(VariationalOptions, DiscriminatorOptions):
    """Defaults; docs/families/vgan.md says how far they were searched."""

    optimizer: OptimizerOptions = OptimizerOptions(learning_rate=5e-4)
    discriminator: OptimizerOptions = OptimizerOptions(learning_rate=5e-4)
    batch_size: int = 32
    beta: float = 3.0
    gan_weight: float = Field(1.0, gt=0, description="of the adversarial loss, against the feature reconstruction")
    r1_gamma: float = 0.2
    penalty_every: int = 8


class Vgan(Variational):
    """The discriminator parts real images from reconstructions and from samples of the prior.

    The encoder hears of reconstruction and prior alone; only the decoder also plays against the discriminator. Both
    learn from one backward pass, because the adversarial terms see codes that are detached from the encoder.
    """

    Options: ClassVar[type[VganOptions]] = VganOptions
    options: VganOptions

    def __init__(self, options: VganOptions, spec: DatasetSpec) -> None:
        """Build the three nets."""
        encoder = ConvEncoder(spec.image, options.channels, 2 * options.latent_dim)
        decoder = ConvGenerator(spec.image, options.latent_dim, options.channels)
        super().__init__(options, spec, Autoencoder(encoder, decoder))
        self.discriminator = ConvDiscriminator(spec.image, options.channels)
        self.optimizers["discriminator"] = options.discriminator.build(self.discriminator)

    def phases(self, step: int) -> Sequence[Phase]:
        """The discriminator, then every ``n_critic`` steps encoder and decoder."""
        discriminator = Phase("discriminator", self.discriminator, self.optimizers["discriminator"], self._discriminate)
        if not self.options.others_turn(step):
            return (discriminator,)
        return discriminator, Phase("autoencoder", self._net, self.optimizers["autoencoder"], self._autoencode)

    def variant(self, step: int) -> Hashable | None:
        """Whose turn it is, and whether there is a penalty."""
        return self.options.others_turn(step), self.options.penalised(step)

    def _discriminate(self, batch: TrainingBatch, step: int) -> tuple[Tensor, Losses]:
        with torch.no_grad():
            code, _ = self.posterior(self._net.encoder(batch.images))
            half = len(code) // 2
            code[half:] = torch.randn_like(code[half:])  # samples of the prior
            fakes = self._net.decoder(code)
        separable = self.discriminator.separable(len(batch.images))
        return discriminate(self._judge, BCE, batch.images, fakes, self.options, step, separable=separable)

    def _judge(self, images: Tensor) -> Tensor:
        logits: Tensor = self.discriminator(self.options.augment(images, self.spec.image))
        return logits.float()

    def _autoencode(self, batch: TrainingBatch, step: int) -> tuple[Tensor, Losses]:
        options, decoder = self.options, self._net.decoder
        code, kl = self.posterior(self._net.encoder(batch.images))
        reconstruction = decoder(code)
        with torch.no_grad():
            target = self.discriminator.features(batch.images)
        feature_error = 0.5 * (self.discriminator.features(reconstruction) - target).square().mean()
        samples = torch.cat([code.detach()[::2], torch.randn_like(code[::2])])
        fake_logits = self._judge(decoder(samples))
        adversarial = BCE.generator(fake_logits, fake_logits)
        loss = feature_error + options.beta * kl / batch.images[0].numel() + options.gan_weight * adversarial
        mse = (reconstruction.detach() - batch.images).square().mean()
        return loss, {
            "generator_loss": adversarial.detach(),
            "feature_error": feature_error.detach(),
            "kl": kl.detach(),
            "reconstruction_mse": mse,
        }


family = Vgan
