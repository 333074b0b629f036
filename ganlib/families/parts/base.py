"""What the training loop knows of a family, and the options that every family has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field, PositiveInt
from pydantic.fields import FieldInfo
from torch import Tensor, nn

from ganlib.core.record import Record
from ganlib.data import conditions
from ganlib.data.conditions import Condition
from ganlib.data.spec import DatasetSpec, ImageShape
from ganlib.families.parts.space import Space, around
from ganlib.nets.ladder import undrawable

TIMESCALE = "timescale"
"""Of an optimiser's group: its option of that name, if it has one."""


class OptimizerOptions(Record):
    """An optimiser of ``torch.optim``."""

    name: Literal["adam", "adamw", "rmsprop", "sgd"] = "adam"
    learning_rate: float = Field(2e-4, gt=0)
    betas: tuple[float, float] = (0.5, 0.999)
    timescale: PositiveInt | None = Field(
        None,
        description="in images: the learning rate falls with 1 / sqrt(1 + images seen / timescale) (Zhai 2022); "
        "null: it stays",
    )

    def build(self, module: nn.Module) -> torch.optim.Optimizer:
        """The optimiser over all of ``module``'s parameters."""
        parameters = [{"params": list(module.parameters()), TIMESCALE: self.timescale}]
        if self.name == "adam":
            return torch.optim.Adam(parameters, self.learning_rate, betas=self.betas, fused=True)
        if self.name == "adamw":
            return torch.optim.AdamW(parameters, self.learning_rate, betas=self.betas, fused=True)
        if self.name == "rmsprop":
            return torch.optim.RMSprop(parameters, self.learning_rate)
        return torch.optim.SGD(parameters, self.learning_rate)


class FamilyOptions(Record):
    """Options of every family; a family's own class adds to them, its row in params.yaml overrides them.

    Where a subclass gives one another default, its limits and its description hold on.
    """

    shift: float = Field(0.0, ge=0, le=64, description="augmentation of the data: largest shift, in pixels")
    rotate: float = Field(0.0, ge=0, le=180, description="augmentation of the data: largest turn, in degrees")
    flip: bool = Field(False, description="augmentation of the data: half of the images mirrored, left for right")

    batch_size: PositiveInt = 64
    latent_dim: PositiveInt = Field(64, description="dimensions of the latent vector, and of the graph's `noise`")
    channels: PositiveInt = Field(64, description="width of the convolutional nets")
    ema_half_life: PositiveInt = Field(5000, description="of the generator's moving average, in images")

    def unfit(self, shape: ImageShape) -> str | None:
        """Return which option is too large for images of that shape, in words; None if none is."""
        half = shape.height // 2
        if self.shift > half:
            return f"shift must be at most {half}, half the side of a {shape} image, and is {self.shift:g}"
        return None

    def for_images(self, images: int, shape: ImageShape) -> Self:
        """Return the options for a training on that many images: with values for those that are left to it (None)."""
        return self

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        """Keep what pydantic drops of an overridden option."""
        for name in cls.__annotations__:
            bases = (base for base in cls.__mro__[1:] if issubclass(base, Record) and name in base.model_fields)
            if base := next(bases, None):
                fields = base.model_fields[name], cls.model_fields[name]
                cls.model_fields[name] = FieldInfo.merge_field_infos(*fields)
        cls.model_rebuild(force=True)


@dataclass(frozen=True)
class TrainingBatch:
    """Real training data on the device."""

    images: Tensor
    """Float [batch, channels, height, width] in [-1, 1]."""
    labels: Tensor
    """Int64 [batch], places in the data set's class names; all 0 where it has none."""
    ranks: Tensor | None = None
    """Float [batch, attributes] in (0, 1): where an image's attributes are among the training images of its class. Only
    for families whose captions are of a grammar."""
    captions: Tensor | None = None
    """Int64 [batch, 64], UTF-8 bytes, zero padded; None where the data set has no captions of its own."""


Losses = dict[str, Tensor]


@dataclass(frozen=True)
class Phase:
    """One player's turn: only ``player`` gets gradients, and ``optimizer`` steps it."""

    name: str
    player: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Callable[[TrainingBatch, int], tuple[Tensor, Losses]]
    """Of the batch and the step: the scalar to minimise, and detached scalars to log. All stay on the device."""


class Family(nn.Module, ABC):
    """Nets, optimisers and the phases of a step. The loop knows nothing else of a family.

    All trained modules are children of this module, and all optimisers are in ``optimizers``: together with the step
    number they are the whole state of a run, because randomness is drawn anew from (seed, step) at every step.
    """

    Options: ClassVar[type[FamilyOptions]] = FamilyOptions
    condition: ClassVar[Condition | None] = None
    """What its generator is given besides noise."""

    def __init__(self, options: FamilyOptions, spec: DatasetSpec) -> None:
        """``options`` is an instance of this class's ``Options``; ``spec`` says what the images are.

        :func:`ganlib.families.build` calls this, with what :meth:`unfit` finds nothing against.
        """
        super().__init__()
        self.options, self.spec = options, spec
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.horizon = 1
        """Steps of the budget, set before training: schedules are functions of (step, horizon)."""
        self.captions: tuple[str, ...] = ()
        """Captions of the training images to draw from, set before training; none where they are of a grammar."""
        self.shares: tuple[float, ...] = ()
        """How often each class or caption is drawn, set before training; none where all are drawn alike."""

    @classmethod
    def kind(cls, spec: DatasetSpec) -> type[Family]:
        """Return the class to build for ``spec``: this one, or one that is made for such data."""
        return cls

    @classmethod
    def unfit(cls, spec: DatasetSpec) -> str | None:
        """Return why this family cannot be trained on ``spec``, in words; None if it can."""
        if cls.condition == "label" and not spec.class_names:
            return f"it is told labels, and {spec.name} has none"
        if cls.condition == "caption" and not spec.captions:
            return f"it is told captions, and {spec.name} has none"
        return undrawable(spec.image)

    @classmethod
    def space(cls) -> Space:
        """What `ganlib tune` may try for its options, by dotted name. A family may add to it, or take away."""
        return around(cls.Options().model_dump())

    @property
    def name(self) -> str:
        """As in `ganlib families`."""
        return type(self).__module__.rpartition(".")[2]

    @property
    @abstractmethod
    def generator(self) -> nn.Module:
        """The net from noise [batch, noise_dim] (and label or caption) to images in [-1, 1].

        Its moving average is what is exported. It may hold parts that its ``forward`` has no use for, such as an
        encoder.
        """

    @property
    def noise_dim(self) -> int:
        """Width of the generator's noise, and of the graph's."""
        return self.options.latent_dim

    def inputs(self, count: int, seed: int) -> list[Tensor]:
        """What ``count`` images are drawn from, the same for the same seed: noise, and the condition if any."""
        generator = torch.Generator().manual_seed(seed)
        inputs = [torch.randn(count, self.noise_dim, generator=generator)]
        if self.condition:
            random = np.random.default_rng(seed)
            values = conditions.draw(self.condition, self.spec, random, count, self.captions, self.shares)
            inputs.append(torch.from_numpy(values))
        device = next(self.parameters()).device
        return [tensor.to(device) for tensor in inputs]

    @abstractmethod
    def phases(self, step: int) -> Sequence[Phase]:
        """The players' turns at ``step``, in order."""

    def variant(self, step: int) -> Hashable | None:
        """What decides, besides the values of tensors, which work ``step`` is: equal for two steps that do the same.

        None, the default: it cannot be told, or something on the host changes from step to step, such as a learning
        rate. On a GPU steps of the same variant are recorded once and replayed (CUDA graphs); others run as they are.
        """
        return None

    def compilable(self) -> Sequence[nn.Module]:
        """Modules that `torch.compile` may build kernels for: those that no penalty differentiates twice."""
        return ()

    def comparable_from(self) -> int:
        """The step from which on the moving average can be judged by what it draws.

        Earlier it lacks a part that is yet to be trained. More than the horizon: only after :meth:`finish`.
        """
        return 0

    def ranks(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
        """What :attr:`TrainingBatch.ranks` is gathered from, float32 [n, attributes], for the split uint8 [n, channels,
        height, width], int64 [n]."""
        return None

    @torch.no_grad()
    def finish(self, model: nn.Module, images: np.ndarray) -> None:
        """After training: what is fitted rather than trained, such as a mixture over codes.

        Args:
            model: the moving average of :attr:`generator`, to be changed in place.
            images: uint8 [n, channels, height, width], the training split, which may be mapped from its file.
        """

    def reconstruct(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor | None:
        """``images`` through encoder and decoder of the moving average ``model``; None where there is no encoder."""
        return None

    def pictures(self, model: nn.Module) -> dict[str, Tensor]:
        """Pictures by name of what the moving average ``model`` does, float [rows, columns, channels, height,
        width] in [-1, 1]."""
        return {}

    def held_out(self, model: nn.Module, test: TrainingBatch) -> dict[str, float]:
        """Figures of the family's own on images that it was not trained on, such as the evidence lower bound."""
        return {}
