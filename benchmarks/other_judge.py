"""A judge that no family was trained beside: of another shape and seed than the project's own (benchmarks/peers.py)."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from ganlib.core.project import Project
from ganlib.data.spec import DatasetSpec
from ganlib.data.splits import Split
from ganlib.data.versioning.record import DataVersion
from ganlib.evaluation.judge.judge import Judge
from ganlib.evaluation.judge.onnx_judge import OnnxJudge

SEED, EPOCHS, LEAST_IMAGES = 7, 2, 60_000


class _Net(nn.Module):
    """A classifier with large kernels and pooling, where the project's judges have small ones and strides."""

    def __init__(self, channels: int, side: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 24, 5, padding=2), nn.GELU(), nn.MaxPool2d(2),
            nn.Conv2d(24, 48, 5, padding=2), nn.GELU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(48 * (side // 4) ** 2, 96), nn.GELU(),
        )  # fmt: skip
        self.head = nn.Linear(96, classes)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """From uint8 [n, channels, side, side] to float32 features [n, 96] and logits [n, classes]."""
        features = self.body(image.float() / 255 - 0.5)
        return features, self.head(features)


def judge(project: Project, split: Split, data: DataVersion) -> Judge:
    """Return the judge of neither for ``data``, which is trained once, on ``split``, and kept in the state folder."""
    path = project.state / "peers" / f"judge-{data.md5[:12]}.onnx"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(train(split, data.spec))
    return OnnxJudge(path.read_bytes(), data.spec, path.name)


def train(split: Split, spec: DatasetSpec) -> bytes:
    """Train it on the labels of ``split``: the bytes of its ONNX file."""
    if not spec.num_classes:
        raise SystemExit(f"{spec.name} has no classes, and this judge is trained to tell them apart.")
    torch.set_num_threads(1)  # so that the bytes do not depend on the number of cores
    torch.manual_seed(SEED)
    net = _Net(spec.image.channels, spec.image.height, spec.num_classes).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
    images, labels = torch.from_numpy(split.images), torch.from_numpy(split.labels)
    for _ in range(max(EPOCHS, -(-LEAST_IMAGES // len(images)))):
        for batch in torch.randperm(len(images)).split(128):  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images[batch])[1], labels[batch]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "judge.onnx"
        torch.onnx.export(
            net.eval(), (images[:2],), path, dynamo=True, input_names=["image"], output_names=["features", "logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},), external_data=False,
        )  # fmt: skip
        return path.read_bytes()
