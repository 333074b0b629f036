"""Train MNIST's judge. This is done once: its weights are committed, and every figure names their hash.

The DVC stage ``judge`` that runs this is frozen: nothing trains a second such judge unless someone asks for it.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from pydantic import PositiveInt
from torch import Tensor, nn

from ganlib.core.events import Remark
from ganlib.core.files import sha256_bytes, write_bytes
from ganlib.core.progress import Report, silent
from ganlib.core.record import Record
from ganlib.data.splits import Split, load_split
from ganlib.evaluation.judge.mnist.net import ARCHITECTURE, JudgeNet, fold


class MnistRecipe(Record):
    """How the committed judge was trained."""

    epochs: PositiveInt = 16
    batch_size: PositiveInt = 128
    learning_rate: float = 0.004
    """At its peak."""
    seed: int = 0


def train_mnist(prepared: Path, out: Path, config: MnistRecipe, data_version: str, report: Report = silent) -> Path:
    """Train on the train split for ``config.epochs`` and write ``out/judge-<sha256>.safetensors``.

    Returns:
        The file, whose name holds the sha256 of its content. Older judges in ``out`` are removed.

    Raises:
        BadInput: the prepared data is missing, or ``out`` cannot be written.
    """
    net = fold(fit(load_split(prepared, "train"), config, report))
    accuracy = {name: measure(net, load_split(prepared, name)) for name in ("validation", "test")}
    report.event(Remark("train judge", {f"{name}_accuracy": value for name, value in accuracy.items()}))
    return store(
        net,
        out,
        {
            "seed": str(config.seed),
            "epochs": str(config.epochs),
            "data_version": data_version,
            **{f"{name}_accuracy": f"{value:.4f}" for name, value in accuracy.items()},
        },
    )


def fit(train: Split, config: MnistRecipe, report: Report = silent) -> JudgeNet:
    """A trained net, not folded yet.

    Nothing is selected: the judge is the last step of a one-cycle schedule (Smith and Topin 2018) whose
    learning rate ends at zero, so neither validation nor test images have a say. Labels are not smoothed:
    smoothing draws each class together in feature space, and what varies within a class is what the metrics
    are there to see.
    """
    torch.manual_seed(config.seed)
    images, labels = _tensors(train)
    net = JudgeNet(folded=False)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    per_epoch = len(images) // config.batch_size
    total = config.epochs * per_epoch
    optimizer = torch.optim.AdamW(net.parameters(), config.learning_rate, weight_decay=0.02, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=total, pct_start=0.15)
    net.train()
    for step in range(total):
        place = step % per_epoch
        if place == 0:
            order = torch.randperm(len(images))
        indices = order[place * config.batch_size : (place + 1) * config.batch_size]
        loss = F.cross_entropy(net(warp(images[indices].float())), labels[indices])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            report.advance("train judge", step, total, {"loss": loss.item()})
    report.advance("train judge", total, total)
    return net


def warp(images: Tensor) -> Tensor:
    """Each image turned by up to 14 degrees, scaled by up to 12%, sheared by up to 0.2, shifted by two pixels.

    Takes and gives float32 [n, 1, 28, 28]; what comes in from outside is background. Uses torch's generator.
    """
    count = len(images)

    def spread(limit: float, *shape: int) -> Tensor:
        return (2 * torch.rand(count, *shape) - 1) * limit

    angle, scale, shear, shift = spread(0.25), 1 + spread(0.12), spread(0.2), spread(2 / 14, 2)
    matrix = torch.stack(
        (
            torch.stack((scale * angle.cos(), shear - scale * angle.sin(), shift[:, 0]), dim=1),
            torch.stack((scale * angle.sin(), scale * angle.cos(), shift[:, 1]), dim=1),
        ),
        dim=1,
    )
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    warped = F.grid_sample(images, grid, align_corners=False)
    return warped.contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def measure(net: nn.Module, split: Split) -> float:
    """The share of ``split`` that ``net`` labels right."""
    images, labels = _tensors(split)
    parts = zip(torch.split(images, 500), torch.split(labels, 500), strict=True)
    return sum(int((net(part).argmax(1) == true).sum()) for part, true in parts) / len(labels)


def store(net: JudgeNet, out: Path, facts: dict[str, str]) -> Path:
    """Write the folded ``net`` with ``facts`` as metadata; the only judge in ``out`` afterwards."""
    from safetensors.torch import save

    weights = {name: value.contiguous() for name, value in net.state_dict().items()}
    data = _canonical(save(weights, metadata={"architecture": str(ARCHITECTURE), **facts}))
    path = out / f"judge-{sha256_bytes(data)}.safetensors"
    write_bytes(path, data)
    for old in set(out.glob("judge-*.safetensors")) - {path}:
        old.unlink()
    return path


def _canonical(data: bytes) -> bytes:
    """The safetensors file ``data`` with its header's keys in order.

    safetensors writes metadata in an order that changes from call to call, and so would the file's digest.
    """
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # the format wants the tensors aligned
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def _tensors(split: Split) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(split.images), torch.from_numpy(split.labels)
