"""What the benchmark beside other people's programs does with them (benchmarks/peer_script.py)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from tests.conftest import ROOT

OPTIONS = """
import argparse, pathlib, time
import torch
from torchvision import datasets

parser = argparse.ArgumentParser()
for name in ("img_size", "channels", "n_epochs", "latent_dim"):
    parser.add_argument("--" + name, type=int, default=3)
opt = parser.parse_args()
"""
SCRIPT = """
class Generator(torch.nn.Module):
    def forward(self, z, labels):
        level = labels if self.training else -labels
        return level.view(-1, 1, 1, 1).expand(-1, 1, opt.img_size, opt.img_size) / 127.5 - 1

class Loses:
    def __del__(self):
        pathlib.Path(READY).touch()
        time.sleep(2)

generator = Generator()
data = datasets.MNIST("../../data/mnist", transform=lambda image: image.size)
assert data[1] == ((32, 32), 7), data[1]
print("a line that nobody reads")
del data
loses = Loses()
del loses
while True:
    time.sleep(0.01)
"""


def _command(folder: Path, script: str, *words: str) -> list[str]:
    """The peer script's, with a module that stands for torchvision, two images, and labels to be drawn."""
    (folder / "torchvision").mkdir()
    for name in ("__init__", "datasets"):
        (folder / "torchvision" / f"{name}.py").touch()
    (folder / "gan.py").write_text(OPTIONS + script)
    np.save(folder / "images.npy", np.zeros((2, 1, 28, 28), np.uint8))
    np.save(folder / "labels.npy", np.array([0, 7]))
    np.save(folder / "wishes.npy", np.array([3, 250] * 200))
    program = ROOT / "benchmarks" / "peer_script.py"
    return [sys.executable, str(program), str(folder / "gan.py"), str(folder), "latent_dim=5", *words]


def test_a_script_is_stopped_wherever_it_is_and_draws_what_is_asked_for(tmp_path: Path) -> None:
    """Python drops an exception that comes in the midst of a finaliser, so that one signal would not end it."""
    ready = tmp_path / "ready"
    words = _command(tmp_path, SCRIPT.replace("READY", repr(str(ready))))
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as peer:
        try:
            while not ready.exists() and peer.poll() is None:
                time.sleep(0.05)
            peer.send_signal(signal.SIGALRM)
            lines, _ = peer.communicate(timeout=60)
        finally:
            peer.kill()
    assert json.loads(lines) == {"images": 1, "ways": ["eval", "train"]}
    train, plain = (np.load(tmp_path / f"{way}.npy", allow_pickle=False) for way in ("train", "eval"))
    assert train.shape == plain.shape == (400, 1, 28, 28)
    assert (train[::2] == 3).all()
    assert (train[1::2] == 250).all()
    assert (plain == 0).all()


COUNTS = """
class Generator(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("draws", torch.zeros(()))

    def forward(self, z):
        self.draws += 1
        torch.rand(())
        return (seen / 127.5 - 1).expand(len(z), 1, opt.img_size, opt.img_size)

torch.manual_seed(3)
generator, seen, own = Generator(), torch.tensor(0), torch.Generator().manual_seed(3)
version = generator.draws._version
data = datasets.MNIST("../../data/mnist", transform=lambda image: image)
while True:
    data[0]
    seen += 1
    assert generator.training and generator.draws == 0 and generator.draws._version == version
    assert torch.rand(()) == torch.rand((), generator=own)
    time.sleep(0.01)
"""


def test_what_is_drawn_in_the_midst_of_a_training_leaves_it_as_it_was(tmp_path: Path) -> None:
    """Its mode, its averages and its random numbers; and its seconds are those of training alone."""
    words = _command(tmp_path, COUNTS, "--every", "0.3", "--times", "3")
    told = json.loads(subprocess.check_output(words, text=True, env=os.environ | {"PYTHONPATH": str(tmp_path)}))
    seconds, images = zip(*told["points"], strict=True)
    assert len(seconds) == 3
    assert seconds[-1] >= 0.9
    assert sorted(set(images)) == list(images)
    levels = [np.load(tmp_path / f"train-{turn}.npy", allow_pickle=False) for turn in (1, 2, 3)]
    for level, count in zip(levels, images, strict=True):
        assert level.shape == (400, 1, 28, 28)
        assert count - 1 <= int(level.max()) <= count
