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

SCRIPT = """
import argparse, pathlib, time
import torch
from torchvision import datasets

parser = argparse.ArgumentParser()
for name in ("img_size", "channels", "n_epochs", "latent_dim"):
    parser.add_argument("--" + name, type=int, default=3)
opt = parser.parse_args()

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


def test_a_script_is_stopped_wherever_it_is_and_draws_what_is_asked_for(tmp_path: Path) -> None:
    """Python drops an exception that comes in the midst of a finaliser, so that one signal would not end it."""
    (tmp_path / "torchvision").mkdir()
    for name in ("__init__", "datasets"):
        (tmp_path / "torchvision" / f"{name}.py").touch()
    ready, script = tmp_path / "ready", tmp_path / "gan.py"
    script.write_text(SCRIPT.replace("READY", repr(str(ready))))
    np.save(tmp_path / "images.npy", np.zeros((2, 1, 28, 28), np.uint8))
    np.save(tmp_path / "labels.npy", np.array([0, 7]))
    np.save(tmp_path / "wishes.npy", np.array([3, 250] * 200))
    words = [sys.executable, ROOT / "benchmarks" / "peer_script.py", script, tmp_path, "latent_dim=5"]
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
