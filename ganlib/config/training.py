"""How families are trained, for how long, and how their graphs are written."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from ganlib.core.record import Record
from ganlib.core.seeds import SEEDS


class TrainConfig(Record):
    """What holds for every family; a family's own options are in its row of ``families``."""

    families: tuple[str, ...] = Field(("dcgan", "vae"), description="what `ganlib retrain` trains")
    budget: str = Field("standard", description="a row of `budgets`")
    seed: int = Field(0, ge=0, lt=SEEDS, description="of all that is drawn")
    init: str | None = Field(None, description="model whose weights a training begins from; null: from nothing")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", examples=["auto", "cpu", "cuda", "or cuda:0"])
    allow_cpu: bool = Field(False, description="where CUDA is asked for and there is none, take the CPU")
    threads: int = Field(0, ge=0, description="0: as OMP_NUM_THREADS says, or as many as this process may use")
    precision: Literal["fp32", "bf16"] = Field(
        "fp32", description="of the nets' passes: bf16 is torch.autocast; weights, losses and penalties stay float32"
    )
    compile: bool = Field(False, description="torch.compile for the nets that allow it (docs/performance.md)")
    cuda_graphs: bool = Field(True, description="on a GPU, record a step once and replay it, where the family allows")
    log_every: PositiveInt = Field(50, description="steps between reads of the losses to the host")
    grids: PositiveInt = Field(4, description="sample grids over a run")
    checkpoint_seconds: float = Field(60, gt=0, description="seconds between checkpoints")
    keep: PositiveInt = Field(2, description="last checkpoints kept, besides the best and the last healthy one")
    checks: int = Field(10, ge=0, description="validations of the moving average over a run; 0: none")
    seconds_per_check: float = Field(200, gt=0, description="a budget has no more checks than its seconds have these")
    check_share: float = Field(0.05, gt=0, description="of the training's time that checks may take; more is left out")
    check_samples: int = Field(5000, ge=2, description="images drawn for a check")
    patience: int = Field(0, ge=0, description="checks without a better one that end a run; 0: none do")
    unhealthy: Literal["stop", "rollback"] = Field(
        "stop", description="what to do with a run that breaks: stop it, or go back and halve the learning rates"
    )

    def checks_in(self, limits: Limits) -> int:
        """How many checks a run under ``limits`` has: short ones have none."""
        return (
            min(self.checks, int(limits.seconds // self.seconds_per_check)) if self.seconds_per_check else self.checks
        )


class DistillConfig(Record):
    """What a student learns from: docs/distillation.md says what the terms are."""

    pixels: float = Field(1.0, ge=0, description="weight of the mean absolute difference to the teacher's pixels")
    features: float = Field(
        1.0, ge=0, description="weight of the same in the features of the family's discriminator, level by level"
    )
    adversarial: float = Field(0.1, ge=0, description="weight of the family's own loss, against its discriminator")
    batch_size: PositiveInt = Field(64, description="pairs a step; multiples of 64 are what a teacher draws fastest")


class Limits(Record):
    """A limit on training: whichever comes first."""

    steps: PositiveInt = Field(description="steps of training")
    seconds: float = Field(gt=0, description="seconds of training alone: no data, evaluation or export")


class Budget(Limits):
    """Limits by name, with exceptions for families that need less or more."""

    families: dict[str, Limits] = Field({}, description="limits of single families")
    distill: Limits | None = Field(None, description="limits of a distillation; null: those of the family")


class ExportConfig(Record):
    """The ONNX graph and its parity certificate."""

    opset: int = Field(20, ge=18, description="version of ONNX's operators")
    parity_batches: tuple[PositiveInt, ...] = Field((1, 2, 7, 64, 1000), description="images in each compared batch")
    calibration_images: PositiveInt = Field(512, description="that set the scales of int8 siblings; whole blocks of 64")
    calibration_seed: int = Field(
        1, ge=0, lt=SEEDS, description="of those: another than evaluate.seed, which measures them"
    )
