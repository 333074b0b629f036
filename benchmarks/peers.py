"""FID after as many seconds on as many cores, beside what people use today: `python -m benchmarks.peers --help`.

    python -m benchmarks.peers cgan --script PyTorch-GAN/implementations/cgan/cgan.py --python VENV/bin/python

In a project, on its data version, grey images: `ganlib train FAMILY` with all that it does, and a script of a checkout
of PyTorch-GAN, unmodified, in an environment of its own with torch and torchvision. Both run at the same time, one
thread each, on the same training images, until ours has ended. Both are scored by a judge that neither was trained
with, a classifier of another shape than the project's own; of the script's two ways to draw (BatchNorm by its batch, or
by its averages), the better one counts.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ganlib.config import load
from ganlib.core.project import Project, find
from ganlib.data.spec import DatasetSpec
from ganlib.data.splits import Split, load_split
from ganlib.evaluation.evaluate import Evaluation, load_reference, score_images
from ganlib.evaluation.judge.onnx_judge import OnnxJudge
from ganlib.evaluation.needs import fitted
from ganlib.generation.session import OnnxModel
from ganlib.jobs.data.version_data import current_data

LIMIT = 0.5
"""Of the peer's FID, at most."""
_SCRIPT = Path(__file__).with_name("peer_script.py")


def main(words: Sequence[str]) -> int:
    """Print both, and the ratio of their FIDs. 1 if that is above the limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__.splitlines()[0])
    parser.add_argument("family")
    parser.add_argument("--script", type=Path, required=True, help="the peer's training script")
    parser.add_argument("--python", required=True, help="of an environment with torch and torchvision")
    parser.add_argument("--budget", default="standard")
    parser.add_argument("--judge", type=Path, default=Path("peers-judge.onnx"), help="made if it is not there")
    args = parser.parse_args(words)
    project = find()
    params, data = load(project.params_file), current_data(project)
    train = load_split(project.prepared, "train")
    if not args.judge.exists():
        args.judge.write_bytes(other_judge(train, data.spec))
    judge = OnnxJudge(args.judge.read_bytes(), data.spec, args.judge.name)
    settings = fitted(params.evaluate, data.counts)
    reference = load_reference(project.prepared, data.md5, judge, settings, cache=project.state / "cache")
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs, summary = _both(project, args, train, Path(folder), settings.samples, settings.seed)
    sides = {"ours": ours, **theirs}
    scores = {name: score_images(images, reference, judge, settings)[0] for name, images in sides.items()}
    best = min(theirs, key=lambda name: scores[name].fid.value)
    print(f"{data.spec.name} {data.spec.image}, {summary}")
    print(f"| ganlib {args.family} | {_row(scores['ours'])} |\n| {args.script.name} | {_row(scores[best])} |")
    ratio = scores["ours"].fid.value / scores[best].fid.value
    print(f"ratio {ratio:.3f}, limit {LIMIT}: {'kept' if ratio <= LIMIT else 'MISSED'}")
    return int(ratio > LIMIT)


def _row(side: Evaluation) -> str:
    return (
        f"FID {side.fid}; floor {side.floor_fid}; n {side.n:,}, seed {side.seed}, judge {side.judge_sha256[:12]}, "
        f"data {side.data_version[:12]}"
    )


def _both(
    project: Project, args: argparse.Namespace, train: Split, folder: Path, count: int, seed: int
) -> tuple[np.ndarray, dict[str, np.ndarray], str]:
    """Train both at once and draw from both: our images, theirs by the mode, and how long it took, in words."""
    classes = int(train.labels.max()) + 1
    arrays = {
        "images": train.images,
        "labels": train.labels,
        "drawn": np.random.default_rng(seed).integers(0, classes, count),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    side, channels = train.images.shape[-1], train.images.shape[1]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    options = [f"--img_size={side}", f"--channels={channels}"]
    words = [args.python, _SCRIPT, args.script, folder, *options]
    peer = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
    command = [sys.executable, "-m", "ganlib", "train", args.family, "--budget", args.budget, "--json"]
    ours = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment, cwd=project.root)
    peer.send_signal(signal.SIGALRM)
    reads = int(peer.communicate()[0].splitlines()[-1])
    if peer.returncode:
        raise SystemExit(f"{args.script} failed")
    result = json.loads(ours.stdout)
    model = OnnxModel(Path(result["onnx"]))
    images = model.draw(model.request(seed), 0, count)
    summary = f"{result['seconds']:.0f} s: ours on {result['images']:,} images, theirs on {reads:,}"
    return images, {mode: np.load(folder / f"{mode}.npy") for mode in ("eval", "train")}, summary


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


def other_judge(train: Split, spec: DatasetSpec, *, epochs: int = 3, seed: int = 7) -> bytes:
    """Train a judge that is not the project's, on the labels of ``train``: the bytes of its ONNX file."""
    torch.manual_seed(seed)
    net = _Net(spec.image.channels, spec.image.height, spec.num_classes)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
    images, labels = torch.from_numpy(train.images), torch.from_numpy(train.labels)
    for _ in range(epochs):
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
