"""TCGAN: told in words what to draw: digit, thickness, slant and size, in English or Chinese (after Reed 2016)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganlib.data.mnist import attributes, captions
from ganlib.families.parts.adversarial import Adversarial
from ganlib.families.parts.base import Losses, OptimizerOptions, Phase, TrainingBatch
from ganlib.families.parts.convolutional import ConvolutionalOptions
from ganlib.nets.autoencoder import ConvEncoder
from ganlib.nets.captioned import ATTRIBUTES, CONDITION, CaptionedGenerator, condition
from ganlib.nets.conv import ConvDiscriminator
from ganlib.nets.text import caption_loss
from ganlib.objectives.losses import BCE


class TcganOptions(ConvolutionalOptions):
    """Defaults; docs/families/tcgan.md says how far they were searched."""

    text: OptimizerOptions = OptimizerOptions(learning_rate=2e-3, betas=(0.9, 0.999))
    text_steps: PositiveInt = Field(
        2000, description="steps that the text encoder trains for, at most half of them all"
    )
    text_batch: PositiveInt = Field(64, description="captions in each")
    rank_weight: float = Field(4.0, ge=0, description="of the error in thickness, slant and size, for the generator")


class Tcgan(Adversarial):
    """Generator and discriminator are given the digit and the measured ranks; the words are for a net of their own.

    A caption asks for terciles, an image has exact ranks, so the players are conditioned on ranks and the graph draws
    ranks inside the terciles that it has read. A third net, which learns the ranks of real images, tells the generator
    how far off it is.
    """

    Options: ClassVar[type[TcganOptions]] = TcganOptions
    condition = "caption"
    options: TcganOptions
    _generator: CaptionedGenerator

    def __init__(self, options: TcganOptions) -> None:
        """Build the four nets."""
        generator = CaptionedGenerator(options.latent_dim, options.channels)
        discriminator = ConvDiscriminator(options.channels, CONDITION, normalise=options.normalise)
        super().__init__(options, generator, discriminator, BCE, discriminator.separable)
        self.reader = ConvEncoder(options.channels // 2, ATTRIBUTES)
        self.optimizers = {
            "generator": options.generator.build(self._generator.painter),
            "discriminator": self.optimizers["discriminator"],
            "reader": options.text.build(self.reader),
            "text": options.text.build(self._generator.encoder),
        }

    @property
    def noise_dim(self) -> int:
        """The latent vector's dimensions, and one for each attribute."""
        return self.options.latent_dim + ATTRIBUTES

    def ranks(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Of the training images among those of the same digit."""
        values = attributes.measure(images[:, 0])
        return attributes.Scale.fit(values, labels).ranks(values, labels)

    def comparable_from(self) -> int:
        """Where the text encoder has learnt to read."""
        return min(self.options.text_steps, max(1, self.horizon // 2))

    def phases(self, step: int) -> Sequence[Phase]:
        """The text encoder as long as it learns, the reader, then the two players."""
        painter = self._generator.painter
        phases = [
            Phase("reader", self.reader, self.optimizers["reader"], self._read),
            *(
                Phase(phase.name, painter, phase.optimizer, phase.loss) if phase.name == "generator" else phase
                for phase in super().phases(step)
            ),
        ]
        steps = self.comparable_from()
        if step < steps:
            optimizer = self.optimizers["text"]
            # Falling to zero: at a constant rate what it has learnt at the end is a matter of luck.
            optimizer.param_groups[0]["lr"] = self.options.text.learning_rate * (1 - step / steps)
            phases.insert(0, Phase("text", self._generator.encoder, optimizer, self._understand))
        return phases

    def variant(self, step: int) -> Hashable | None:
        """While the text encoder learns, its captions are drawn on the host and its learning rate falls."""
        return super().variant(step) if step >= self.comparable_from() else None

    def compilable(self) -> Sequence[nn.Module]:
        """The painter; a GPU has other things to wait for than the text encoder."""
        return (self._generator.painter,)

    def given(self, batch: TrainingBatch) -> tuple[Tensor, ...]:
        """The digits and the ranks of the real images, which are also those that are asked of the painter."""
        return (condition(batch.labels, _known(batch)),)

    def draw(self, batch: TrainingBatch, step: int) -> Tensor:
        """Images with the digits and the ranks of the real ones."""
        latent = torch.randn(len(batch.images), self.options.latent_dim, device=batch.images.device)
        images: Tensor = self._generator.painter(latent, *self.given(batch))
        return images

    def _generate(self, batch: TrainingBatch, step: int) -> tuple[Tensor, Losses]:
        fakes = self._fakes
        loss, losses = super()._generate(batch, step)
        assert fakes is not None  # noqa: S101
        error = (self.reader(fakes) - _known(batch)).square().mean()
        return loss + self.options.rank_weight * error, {**losses, "rank_error": error.detach().sqrt()}

    def _read(self, batch: TrainingBatch, step: int) -> tuple[Tensor, Losses]:
        error = (self.reader(batch.images) - _known(batch)).square().mean()
        return error, {"reader_error": error.detach().sqrt()}

    def _understand(self, batch: TrainingBatch, step: int) -> tuple[Tensor, Losses]:
        random = np.random.default_rng(int(torch.randint(2**31, (1,))))
        texts, wishes = (torch.from_numpy(array) for array in captions.draw(random, self.options.text_batch))
        device = batch.images.device
        loss = caption_loss(self._generator.encoder(texts.to(device)), wishes.to(device))
        return loss, {"text_loss": loss.detach()}

    def held_out(self, model: nn.Module, images: Tensor, labels: Tensor) -> dict[str, float]:
        """Share of captions in wordings kept from training that the encoder reads right: the digit, and everything."""
        assert isinstance(model, CaptionedGenerator)  # noqa: S101
        random = np.random.default_rng(0)
        texts, wishes = (torch.from_numpy(array) for array in captions.draw(random, 5000, held_out=True))
        right = model.read(texts) == wishes
        return {"text_digit": right[:, 0].float().mean().item(), "text_all": right.all(dim=1).float().mean().item()}


def _known(batch: TrainingBatch) -> Tensor:
    assert batch.ranks is not None, "the batches were made without the family's ranks"  # noqa: S101
    return batch.ranks


family = Tcgan
