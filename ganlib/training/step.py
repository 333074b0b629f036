"""One step of training: a batch and every player's turn. On a CUDA device it is recorded once and replayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from ganlib.data.augment import flip, shift_and_rotate
from ganlib.data.batches import DeviceBatches
from ganlib.families.parts.base import Family, Losses, Phase, TrainingBatch
from ganlib.training.distributed import Team
from ganlib.training.health import PREFIX, OutOfMemory
from ganlib.training.rates import LearningRates, recordable

Precision = Literal["fp32", "bf16"]
"""Of the players' passes. Weights, optimisers, losses and penalties are float32 in both."""
_WARM = 2
"""Steps of a variant that run as they are, before it is recorded: libraries choose and load their kernels in them."""


class StepLosses(NamedTuple):
    """What the players of one step lost."""

    names: tuple[str, ...]
    values: Tensor
    """Float32 [names], on the device; with CUDA graphs it is overwritten by the next step."""


_Take = Callable[[Tensor], StepLosses]


class Step:
    """Takes the steps of a run, one by one. Its results depend on (weights, seed, step) alone, however it runs them."""

    def __init__(
        self, family: Family, data: DeviceBatches, team: Team, *, precision: Precision = "fp32", graphs: bool = True
    ) -> None:
        """``graphs``: where the device is CUDA's and no other process takes part, replay CUDA graphs.

        The kernels of these nets are so short that launching them one by one takes several times as long as they do.
        """
        self._family, self._data, self._team, self._precision = family, data, team, precision
        self._device = next(family.parameters()).device
        self._parameters: dict[nn.Module, list[nn.Parameter]] = {}
        optimizers = family.optimizers.values()
        graphs = graphs and self._device.type == "cuda" and team.size == 1 and recordable(optimizers)
        self.recorder = Recorder(self._device) if graphs else None
        self._rates = LearningRates(optimizers)
        for optimizer in optimizers:
            _capturable(optimizer, self.recorder is not None)

    def seed(self, number: int) -> None:
        """Seed what a step draws from, as ``torch.manual_seed`` does, which takes 0.1 ms on a CPU."""
        torch.default_generator.manual_seed(number)
        if self._device.type == "cuda":
            torch.cuda.manual_seed(number)

    def __call__(self, step: int, *, norms: bool = False) -> StepLosses:
        """Take ``step``; with ``norms``, what is returned includes the length of each player's gradient.

        Raises:
            OutOfMemory: it did not fit.
        """
        self._rates.fall(step * self._family.options.batch_size)
        with _memory(self._family, step):
            indices, variant = self._data.indices(step), self._family.variant(step)
            if self.recorder is None or variant is None:
                return self._take(indices, step, norms)
            return self.recorder((variant, norms), indices, lambda place: self._take(place, step, norms))

    def _take(self, indices: Tensor, step: int, norms: bool) -> StepLosses:
        with self._team.step(len(indices)):
            batch = _augmented(self._family, TrainingBatch(*self._data.gather(indices)))
            losses: Losses = {}
            for phase in self._family.phases(step):
                losses |= self.turn(phase, batch, step, norm=norms)
            return StepLosses(tuple(losses), torch.stack([value.float() for value in losses.values()]))

    def turn(self, phase: Phase, batch: TrainingBatch, step: int, *, norm: bool = False) -> Losses:
        """Take one player's turn: gradients of its loss on ``batch``, and its optimiser's step; return its losses."""
        player = self._of(phase.player)
        phase.optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            loss, losses = phase.loss(batch, step)
        # By what is wanted, not by which weights can have a gradient: no penalty's images get one either.
        loss.backward(inputs=player)  # type: ignore[no-untyped-call]
        gradients = [each.grad for each in player if each.grad is not None]
        self._team.average(gradients)
        if norm:
            losses = {**losses, PREFIX + phase.name: torch.nn.utils.get_total_norm(gradients)}
        phase.optimizer.step()
        return losses

    def _of(self, module: nn.Module) -> list[nn.Parameter]:
        """The parameters of ``module``, which are looked for once: it took dcgan 0.1 ms a step."""
        if module not in self._parameters:
            self._parameters[module] = list(module.parameters())
        return self._parameters[module]

    def _autocast(self) -> AbstractContextManager[object]:
        if self._precision == "fp32":
            return nullcontext()
        # Without its cache: a weight that was first used where no gradient is wanted would have none later on.
        return torch.autocast(self._device.type, torch.bfloat16, cache_enabled=False)


class Recorder:
    """CUDA graphs by variant: each is run twice, recorded the third time, and replayed from then on.

    A replay draws the same random numbers as the calls that it stands for, from the seed set before it.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()
        self._indices: Tensor | None = None
        self._counts: Counter[Hashable] = Counter()
        self._graphs: dict[Hashable, tuple[torch.cuda.CUDAGraph, StepLosses]] = {}

    def __call__(self, variant: Hashable, indices: Tensor, take: _Take) -> StepLosses:
        """``take`` of ``indices``, which is to be the same work in every call with the same ``variant``."""
        if self._indices is None:
            self._indices = torch.empty_like(indices)
        self._indices.copy_(indices)
        if variant not in self._graphs:
            self._counts[variant] += 1
            if self._counts[variant] <= _WARM:
                return self._beside(take)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
                turns = take(self._indices)
            self._graphs[variant] = graph, turns
        graph, turns = self._graphs[variant]
        graph.replay()
        return turns

    def _beside(self, take: _Take) -> StepLosses:
        """On the stream that recording uses, as recording requires of what came before it."""
        assert self._indices is not None  # noqa: S101
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            turns = take(self._indices)
        torch.cuda.current_stream().wait_stream(self._stream)
        return turns


def compile_nets(family: Family) -> None:
    """Have ``torch.compile`` build kernels for the nets that allow it, at their first call; weights stay in place.

    Call it after the moving average was copied: that one is exported, and is not to be a compiled module.
    """
    for module in family.compilable():
        module.compile()


def _capturable(optimizer: torch.optim.Optimizer, on: bool) -> None:
    """Keep what ``optimizer`` counts on the device, where a graph can go on counting; or where it was."""
    for group in optimizer.param_groups:
        if "capturable" not in group:
            continue
        group["capturable"] = on
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            if on and "step" in state:  # of a run that is resumed from another device
                state["step"] = state["step"].to(parameter.device)


@contextmanager
def _memory(family: Family, step: int) -> Iterator[None]:
    """Around a step: what an allocator says that has no more, in our words."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(family.name, step, family.options.batch_size) from error
    except RuntimeError as error:  # the CPU's allocator has no class of its own
        if "not enough memory" not in str(error) and "can't allocate memory" not in str(error):
            raise
        raise OutOfMemory(family.name, step, family.options.batch_size) from error


def _augmented(family: Family, batch: TrainingBatch) -> TrainingBatch:
    options, images = family.options, batch.images
    if options.shift or options.rotate:
        images = shift_and_rotate(images, options.shift, options.rotate)
    if options.flip:
        images = flip(images)
    return batch if images is batch.images else replace(batch, images=images)
