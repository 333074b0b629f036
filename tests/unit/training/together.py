"""A short training as one process of a team, or alone: ``python -m tests.unit.training.together FOLDER STEPS``.

In a team there are two checks against the validation split in FOLDER, which the leader alone makes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganlib import families
from ganlib.config import Limits
from ganlib.data.batches import DeviceBatches
from ganlib.data.conditions import encode, pool
from ganlib.data.mnist.dataset import MNIST
from ganlib.evaluation.judge.mnist.judge import load_judge
from ganlib.jobs.training.check import Checker
from ganlib.training import distributed, loop
from ganlib.training.checkpoint import Checkpoints
from ganlib.training.distributed import Team
from ganlib.training.ema import Ema

CASES = {
    "dcgan": {"diffaugment_shift": 2, "diffaugment_cut": 8, "shift": 1.0, "penalty_every": 2},
    "gan": {"channels": 16},  # dropout
    "wgan": {},  # BatchNorm in both nets
    "wgan_gp": {},  # a penalty that draws, and differentiates twice
    "vae": {},  # a variance shared by the batch
    "vqgan": {"codes": 16},  # a codebook that follows the batch, and an adaptive weight
    "tcgan": {},  # captions of a table: a loss that looks for each image among the whole batch's captions
}
"""Each for what ties its batch together."""
RATES = {"vae": 1e-6}  # its loss is in nats an image
SPEC = MNIST.model_copy(update={"captions": "table"})


def train(
    name: str, team: Team, folder: Path, steps: int, checks: int = 0
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Weights, logs, checks and first images of ``steps`` steps, and the weights before them."""
    torch.manual_seed(3)
    options = {"channels": 8, "latent_dim": 8} | CASES[name] | {"batch_size": 32}
    family = families.build(name, families.options(name, options), SPEC)
    # Adam divides a gradient by its size, and so makes a rounding error of a gradient near zero as large as a step.
    family.optimizers = {
        player: torch.optim.SGD(optimizer.param_groups[0]["params"], RATES.get(name, 1e-2))
        for player, optimizer in family.optimizers.items()
    }
    before = {key: value.clone() for key, value in family.state_dict().items()}
    draw = np.random.default_rng(0)
    images, labels = draw.integers(0, 256, (100, 1, 28, 28), dtype=np.uint8), draw.integers(0, 10, 100)
    captions = np.stack([encode(f"the number {label}") for label in labels]).astype(np.uint8)
    family.captions, family.shares = pool(captions)
    data = DeviceBatches(images, labels, 32, 7, torch.device("cpu"), captions=captions, share=(team.rank, team.size))
    logged: list[tuple[int, dict[str, float]]] = []
    path = folder / f"{name}-{team.rank}" / "c.pt"
    checked: list[tuple[int, dict[str, float]]] = []
    check = Checker(
        family, folder, lambda metrics, step: checked.append((step, metrics)), judge=load_judge, samples=200, seed=0
    )
    plan = loop.Plan(
        "t", 7, Limits(steps=steps, seconds=600), Checkpoints(path, {}), log_every=2, checks=checks, check_share=1e9
    )
    hooks = loop.Hooks(log=lambda metrics, step: logged.append((step, metrics)) if team.leads else None, check=check)
    loop.fit(family, Ema(family.generator, 500), data, plan, hooks, team=team)
    assert path.exists() == team.leads
    return {"state": family.state_dict(), "logged": logged, "checked": checked, "images": data.at(0)[0]}, before


if __name__ == "__main__":
    torch.set_num_threads(1)
    with distributed.join("cpu") as joined:
        for case in CASES:
            found, _ = train(case, joined, Path(sys.argv[1]), int(sys.argv[2]), checks=2)
            torch.save(found, Path(sys.argv[1]) / f"{case}-{joined.rank}.pt")
