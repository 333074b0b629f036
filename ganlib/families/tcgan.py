"""TCGAN: told in words what to draw (after Reed 2016)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganlib.data.mnist import attributes, captions
from ganlib.data.spec import DatasetSpec
from ganlib.families.parts.adversarial import Adversarial
from ganlib.families.parts.base import Family, Losses, OptimizerOptions, Phase, TrainingBatch
from ganlib.families.parts.convolutional import ConvolutionalOptions
from ganlib.nets.autoencoder import ConvEncoder
from ganlib.nets.captioned import CaptionedGenerator, GrammarGenerator, condition, wish_width
from ganlib.nets.conv import ConvDiscriminator
from ganlib.nets.text import caption_loss, spread
from ganlib.objectives.losses import BCE
from ganlib.objectives.matching import matching_loss, neighbours


class TcganOptions(ConvolutionalOptions):
    """Defaults; docs/families/tcgan.md says how far they were searched."""

    text: OptimizerOptions = OptimizerOptions(learning_rate=2e-3, betas=(0.9, 0.999))
    text_steps: PositiveInt = Field(
        2000, description="steps that the text encoder trains for, at most half of them all"
    )
    text_batch: PositiveInt = Field(64, description="captions in each, where a grammar writes them")
    rank_weight: float = Field(
        4.0, ge=0, description="of the error in thickness, slant and size, for the generator; with a grammar"
    )
    caption_width: PositiveInt = Field(64, description="of the vector that stands for a caption; without a grammar")
    match_weight: float = Field(
        1.0, ge=0, description="of how well image and caption match, for the generator; without a grammar"
    )


class _CaptionGan(Adversarial):
    """Two players of captions, and nets that learn to read before them: what both kinds of captions share."""

    Options: ClassVar[type[TcganOptions]] = TcganOptions
    condition = "caption"
    options: TcganOptions
    _generator: GrammarGenerator | CaptionedGenerator

    def comparable_from(self) -> int:
        """Where the text encoder has learnt to read."""
        return min(self.options.text_steps, max(1, self.horizon // 2))

    def phases(self, step: int) -> Sequence[Phase]:
        """What reads captions as long as it learns, then the players."""
        steps, players = self.comparable_from(), self._players(step)
        if step >= steps:
            return players
        optimizer = self.optimizers["text"]
        # Falling to zero: at a constant rate what it has learnt at the end is a matter of luck.
        optimizer.param_groups[0]["lr"] = self.options.text.learning_rate * (1 - step / steps)
        return [Phase("text", self._readers(), optimizer, self._understand), *players]

    def variant(self, step: int) -> Hashable | None:
        """While captions are learnt, the learning rate falls, and a grammar's are drawn on the host."""
        return super().variant(step) if step >= self.comparable_from() else None

    def compilable(self) -> Sequence[nn.Module]:
        """The painter; a GPU has other things to wait for than the text encoder."""
        return (self._generator.painter,)

    def _players(self, step: int) -> list[Phase]:
        """Return the phases of the two players, of which the painter is one: the text encoder does not learn there."""
        painter = self._generator.painter
        return [
            Phase(phase.name, painter, phase.optimizer, phase.loss) if phase.name == "generator" else phase
            for phase in super().phases(step)
        ]

    @abstractmethod
    def _readers(self) -> nn.Module:
        """Return what learns to read captions."""

    @abstractmethod
    def _understand(self, batch: TrainingBatch, step: int) -> tuple[Tensor, Losses]:
        """Return the loss that it learns by, and what is logged of it."""


class Tcgan(_CaptionGan):
    """Captions of a grammar: the players are given class and measured ranks; the words are for a net of their own.

    Captions of any other kind are for :class:`TableTcgan`.

    A caption asks for terciles, an image has exact ranks, so the players are conditioned on ranks and the graph draws
    ranks inside the terciles that it has read. A third net, which learns the ranks of real images, tells the generator
    how far off it is.
    """

    _generator: GrammarGenerator

    def __init__(self, options: TcganOptions, spec: DatasetSpec) -> None:
        """Build the four nets."""
        groups = captions.CHOICES
        generator = GrammarGenerator(spec.image, options.latent_dim, options.channels, groups)
        discriminator = ConvDiscriminator(spec.image, options.channels, wish_width(groups), normalise=options.normalise)
        super().__init__(options, spec, generator, discriminator, BCE, discriminator.separable)
        self.reader = ConvEncoder(spec.image, options.channels // 2, generator.attributes)
        self.optimizers = {
            "generator": options.generator.build(self._generator.painter),
            "discriminator": self.optimizers["discriminator"],
            "reader": options.text.build(self.reader),
            "text": options.text.build(self._generator.encoder),
        }

    @classmethod
    def kind(cls, spec: DatasetSpec) -> type[Family]:
        """By where the captions are from."""
        return TableTcgan if spec.captions == "table" else cls

    @property
    def noise_dim(self) -> int:
        """The latent vector's dimensions, and one for each attribute."""
        return self.options.latent_dim + self._generator.attributes

    def ranks(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Of the training images among those of the same class."""
        values = attributes.measure(images[:, 0])
        return attributes.Scale.fit(values, labels).ranks(values, labels)

    def _players(self, step: int) -> list[Phase]:
        """Return the phase of the net that learns the ranks, and those of the two players."""
        return [Phase("reader", self.reader, self.optimizers["reader"], self._read), *super()._players(step)]

    def _readers(self) -> nn.Module:
        """Return the text encoder."""
        return self._generator.encoder

    def condition_inputs(self, batch: TrainingBatch) -> tuple[Tensor, ...]:
        """The classes and the ranks of the real images, which are also those that are asked of the painter."""
        return (condition(batch.labels, _require_ranks(batch), self._generator.classes),)

    def draw(self, batch: TrainingBatch, step: int) -> Tensor:
        """Images with the classes and the ranks of the real ones."""
        latent = torch.randn(len(batch.images), self.options.latent_dim, device=batch.images.device)
        images: Tensor = self._generator.painter(latent, *self.condition_inputs(batch))
        return images

    def _generate(self, batch: TrainingBatch, step: int) -> tuple[Tensor, Losses]:
        fakes = self._fakes
        loss, losses = super()._generate(batch, step)
        assert fakes is not None  # noqa: S101
        error = (self.reader(fakes) - _require_ranks(batch)).square().mean()
        return loss + self.options.rank_weight * error, {**losses, "rank_error": error.detach().sqrt()}

    def _read(self, batch: TrainingBatch, step: int) -> tuple[Tensor, Losses]:
        error = (self.reader(batch.images) - _require_ranks(batch)).square().mean()
        return error, {"reader_error": error.detach().sqrt()}

    def _understand(self, batch: TrainingBatch, step: int) -> tuple[Tensor, Losses]:
        random = np.random.default_rng(int(torch.randint(2**31, (1,))))
        texts, wishes = (torch.from_numpy(array) for array in captions.draw(random, self.options.text_batch))
        device = batch.images.device
        loss = caption_loss(self._generator.encoder(texts.to(device)), wishes.to(device))
        return loss, {"text_loss": loss.detach()}

    def held_out(self, model: nn.Module, test: TrainingBatch) -> dict[str, float]:
        """Share of captions in wordings kept from training that the encoder reads right: the class, and everything."""
        assert isinstance(model, GrammarGenerator)  # noqa: S101
        random = np.random.default_rng(0)
        texts, wishes = (torch.from_numpy(array) for array in captions.draw(random, 5000, held_out=True))
        right = model.read(texts) == wishes
        return {"text_class": right[:, 0].float().mean().item(), "text_all": right.all(dim=1).float().mean().item()}


class TableTcgan(_CaptionGan):
    """Captions of any kind, one an image: what they mean is learnt from the images that they describe.

    A caption becomes a vector that is nearer to that of its own image than to those of others (Radford 2021, CLIP); the
    two nets for that learn in the first steps and are left alone from then on. The players are given the caption's
    vector. The discriminator is also shown real images with the captions of others, which are as wrong as generated
    ones (Reed 2016, section 4.2), and the generator is told how well its images match (Xu 2018, AttnGAN, section 3.2).
    """

    _generator: CaptionedGenerator
    discriminator: ConvDiscriminator

    def __init__(self, options: TcganOptions, spec: DatasetSpec) -> None:
        """Build the four nets."""
        width = options.caption_width
        generator = CaptionedGenerator(spec.image, options.latent_dim, options.channels, width)
        discriminator = ConvDiscriminator(spec.image, options.channels, width, normalise=options.normalise)
        super().__init__(options, spec, generator, discriminator, BCE, discriminator.separable)
        self.reader = ConvEncoder(spec.image, max(1, options.channels // 2), width)
        self.matcher = nn.ModuleList([generator.encoder, self.reader])
        self.optimizers = {
            "generator": options.generator.build(generator.painter),
            "discriminator": self.optimizers["discriminator"],
            "text": options.text.build(self.matcher),
        }
        self._latest: tuple[TrainingBatch, Tensor] | None = None

    def _readers(self) -> nn.Module:
        """Return the two encoders."""
        return self.matcher

    def condition_inputs(self, batch: TrainingBatch) -> tuple[Tensor, ...]:
        """The vectors of the captions, which are read once a step."""
        if self._latest is None or self._latest[0] is not batch:
            with torch.no_grad():
                self._latest = batch, self._generator.encoder(_captions(batch)).float()
        return (self._latest[1],)

    def draw(self, batch: TrainingBatch, step: int) -> Tensor:
        """Images for the captions of the real ones."""
        images: Tensor = self._generator.painter(self.noise(batch), *self.condition_inputs(batch))
        return images

    def _discriminate(self, batch: TrainingBatch, step: int) -> tuple[Tensor, Losses]:
        value, losses = super()._discriminate(batch, step)
        (vectors,) = self.condition_inputs(batch)
        others = neighbours(torch.arange(len(vectors), device=vectors.device), self.discriminator.group)
        differ = (_captions(batch) != _captions(batch)[others]).any(dim=1).float()
        pixels = self.options.augment(batch.images, self.spec.image)
        logits: Tensor = self.discriminator(pixels, vectors[others])
        wrong = (F.softplus(logits.float()) * differ).mean()
        return value + wrong, {**losses, "wrong_caption_loss": wrong.detach()}

    def _generate(self, batch: TrainingBatch, step: int) -> tuple[Tensor, Losses]:
        fakes = self._fakes
        loss, losses = super()._generate(batch, step)
        assert fakes is not None  # noqa: S101
        match = matching_loss(self._image_vectors(fakes), self.condition_inputs(batch)[0], _captions(batch))
        return loss + self.options.match_weight * match, {**losses, "match_loss": match.detach()}

    def _understand(self, batch: TrainingBatch, step: int) -> tuple[Tensor, Losses]:
        texts = self._generator.encoder(_captions(batch))
        loss = matching_loss(self._image_vectors(batch.images), texts, _captions(batch))
        return loss, {"text_loss": loss.detach()}

    def _image_vectors(self, images: Tensor) -> Tensor:
        """Return the vectors of images."""
        return spread(self.reader(images).float())

    def held_out(self, model: nn.Module, test: TrainingBatch) -> dict[str, float]:
        """Share of images whose own caption is the nearest one to them: real images, and those drawn for captions.

        Nearest in the view of the encoders that also guided the generator.
        """
        assert isinstance(model, CaptionedGenerator)  # noqa: S101
        captions = _captions(test).long()
        distinct, own = torch.unique(captions, dim=0, return_inverse=True)
        noise = torch.randn(len(captions), self.noise_dim, generator=torch.Generator().manual_seed(0))
        texts = model.encoder(distinct)
        right = {
            name: ((self._image_vectors(images) @ texts.T).argmax(dim=1) == own).float().mean().item()
            for name, images in (("real_matched", test.images), ("drawn_matched", model(noise, captions)))
        }
        return {**right, "matched_by_chance": 1 / len(distinct)}


def _captions(batch: TrainingBatch) -> Tensor:
    assert batch.captions is not None, "the batches were made without the split's captions"  # noqa: S101
    return batch.captions


def _require_ranks(batch: TrainingBatch) -> Tensor:
    assert batch.ranks is not None, "the batches were made without the family's ranks"  # noqa: S101
    return batch.ranks


family = Tcgan
