"""Run a training script of somebody else's, unmodified, until SIGALRM; then draw from what it has trained.

    VENV/bin/python benchmarks/peer_script.py SCRIPT FOLDER [OPTION]...

FOLDER holds ``images.npy`` (uint8 [n, 1, side, side]) and ``labels.npy`` (int64 [n]), which the script gets where it
asks torchvision for MNIST, and ``drawn.npy`` (int64 [count]), the labels to be drawn. ``eval.npy`` and ``train.npy``
(uint8 [count, 1, side, side]) go there, drawn in either mode of the generator, and the number of images that it was
trained on is printed. OPTIONS are the script's own. It stands alone: the environment has torch and torchvision, and not
this project's packages.
"""

from __future__ import annotations

import inspect
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision  # type: ignore[import-not-found]
from PIL import Image

_BATCH = 250


class _TimeIsUp(BaseException):
    """Raised in the midst of the script, which knows nothing of it."""


class _Pictures(torch.utils.data.Dataset[Any]):
    """Torchvision's MNIST, as far as a script uses it."""

    reads = 0

    def __init__(self, *args: Any, transform: Any = None, **options: Any) -> None:
        self._transform = transform

    def __len__(self) -> int:
        return len(_images)

    def __getitem__(self, place: int) -> tuple[Any, int]:
        _Pictures.reads += 1
        image = Image.fromarray(_images[place, 0])
        return (self._transform(image) if self._transform else image), int(_labels[place])


def _stop(*_: Any) -> None:
    raise _TimeIsUp


def _train(script: Path, options: list[str]) -> dict[str, Any]:
    """Return the script's global names when its time is up."""
    torchvision.datasets.MNIST = _Pictures
    names: dict[str, Any] = {"__name__": "__main__", "__file__": str(script)}
    sys.argv = [str(script), *options]
    signal.signal(signal.SIGALRM, _stop)
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:  # noqa: PTH123
        (Path(folder) / "a" / "b").mkdir(parents=True)
        os.chdir(Path(folder) / "a" / "b")  # it writes below and beside its folder
        stdout, sys.stdout = sys.stdout, nowhere
        try:
            exec(compile(script.read_text(), str(script), "exec"), names)  # noqa: S102  (it is what is measured)
        except _TimeIsUp:
            pass
        finally:
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            sys.stdout = stdout
            os.chdir("/")
    return names


@torch.no_grad()
def _draw(generator: torch.nn.Module, width: int, labels: np.ndarray) -> np.ndarray:
    """Return an image of each of ``labels``, or as many images, from standard normal noise."""
    torch.manual_seed(20260)
    takes_labels = len(inspect.signature(generator.forward).parameters) > 1
    parts = []
    for start in range(0, len(labels), _BATCH):
        asked = torch.from_numpy(labels[start : start + _BATCH])
        noise = torch.randn(len(asked), width)
        images = generator(noise, asked) if takes_labels else generator(noise)
        parts.append(((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy())
    return np.concatenate(parts)


if __name__ == "__main__":
    script, place = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    _images, _labels, drawn = (np.load(place / f"{name}.npy") for name in ("images", "labels", "drawn"))
    names = _train(script, sys.argv[3:])
    generator, width = names["generator"], names["opt"].latent_dim
    np.save(place / "eval.npy", _draw(generator.eval(), width, drawn))
    np.save(place / "train.npy", _draw(generator.train(), width, drawn))
    print(_Pictures.reads)
