"""What the training loop knows of a family, and the options that every family has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganlib.config import Frozen


class OptimizerOptions(Frozen):
    """An optimiser of ``torch.optim``."""

    name: Literal["adam", "adamw", "rmsprop", "sgd"] = "adam"
    learning_rate: float = Field(2e-4, gt=0)
    betas: tuple[float, float] = (0.5, 0.999)

    def build(self, module: nn.Module) -> torch.optim.Optimizer:
        """The optimiser over all of ``module``'s parameters."""
        parameters = list(module.parameters())
        if self.name == "adam":
            return torch.optim.Adam(parameters, self.learning_rate, betas=self.betas, fused=True)
        if self.name == "adamw":
            return torch.optim.AdamW(parameters, self.learning_rate, betas=self.betas, fused=True)
        if self.name == "rmsprop":
            return torch.optim.RMSprop(parameters, self.learning_rate)
        return torch.optim.SGD(parameters, self.learning_rate)


class FamilyOptions(Frozen):
    """Options of every family; a family's own class adds to them, its row in params.yaml overrides them."""

    batch_size: PositiveInt = 64
    latent_dim: PositiveInt = Field(64, description="dimensions of the latent vector, and of the graph's `noise`")
    channels: PositiveInt = Field(64, description="width of the convolutional nets")
    ema_half_life: PositiveInt = Field(5000, description="of the generator's moving average, in images")


@dataclass(frozen=True)
class Batch:
    """Real training data on the device."""

    images: Tensor
    """Float [batch, 1, 28, 28] in [-1, 1]."""
    labels: Tensor
    """Int64 [batch], 0..9."""


Losses = dict[str, Tensor]


@dataclass(frozen=True)
class Phase:
    """One player's turn: only ``player`` gets gradients, and ``optimizer`` steps it."""

    name: str
    player: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Callable[[Batch, int], tuple[Tensor, Losses]]
    """Of the batch and the step: the scalar to minimise, and detached scalars to log. All stay on the device."""


class Family(nn.Module, ABC):
    """Nets, optimisers and the phases of a step. The loop knows nothing else of a family.

    All trained modules are children of this module, and all optimisers are in ``optimizers``: together with the step
    number they are the whole state of a run, because randomness is drawn anew from (seed, step) at every step.
    """

    Options: ClassVar[type[FamilyOptions]] = FamilyOptions

    def __init__(self, options: FamilyOptions) -> None:
        """``options`` is an instance of this class's ``Options``."""
        super().__init__()
        self.options = options
        self.optimizers: dict[str, torch.optim.Optimizer] = {}

    @property
    @abstractmethod
    def generator(self) -> nn.Module:
        """The net from noise [batch, latent_dim] to images in [-1, 1]; its moving average is what is exported."""

    @abstractmethod
    def phases(self, step: int) -> Sequence[Phase]:
        """The players' turns at ``step``, in order."""
