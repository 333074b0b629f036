"""Run what somebody else trains with, unmodified, until SIGALRM; then draw from what it has trained.

    VENV/bin/python benchmarks/peer_script.py SCRIPT.py FOLDER [NAME=NUMBER]...         # of PyTorch-GAN's checkout
    VENV/bin/python benchmarks/peer_script.py lightweight-gan FOLDER [NAME=NUMBER]...   # as pip brings it

FOLDER holds ``images.npy`` (uint8 [n, channels, side, side]), ``labels.npy`` (int64 [n]), and ``wishes.npy`` (int64
[count]), the labels to be drawn. Images drawn in two ways (uint8 [count, channels, side, side]) go there as
``WAY.npy``, and a line of JSON names the ways and says how many images it was trained on. A script gets the images
where it asks torchvision for MNIST; lightweight-gan gets a folder of PNG files. Options are the peer's own. This file
stands alone: that environment has not this project's packages.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

_BATCH = 250
Options = dict[str, int]
Draw = Callable[[np.ndarray], np.ndarray]


class _TimeIsUp(BaseException):
    """Raised in the midst of the training, which knows nothing of it."""


def _stop(*_: Any) -> None:
    signal.alarm(1)  # an exception that comes in the midst of a finaliser is lost
    raise _TimeIsUp


def _until_stopped(train: Callable[[], object]) -> None:
    """Call ``train`` in a folder below two others, as it may write beside its own, and let it print nothing."""
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere:
        (Path(folder) / "a" / "b").mkdir(parents=True)
        os.chdir(Path(folder) / "a" / "b")
        stdout, sys.stdout = sys.stdout, nowhere
        signal.signal(signal.SIGALRM, _stop)
        try:
            train()
        except _TimeIsUp:
            pass
        finally:
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            sys.stdout = stdout
            os.chdir("/")


def _picture(image: np.ndarray) -> Image.Image:
    """Of uint8 [1 or 3, side, side]."""
    return Image.fromarray(np.moveaxis(image, 0, -1).squeeze())


class _Pictures(torch.utils.data.Dataset[Any]):
    """Torchvision's MNIST, as far as a script uses it."""

    reads = 0
    images: np.ndarray
    labels: np.ndarray

    def __init__(self, *args: Any, transform: Callable[[Any], Any], **options: Any) -> None:
        self._transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, place: int) -> tuple[Any, int]:
        _Pictures.reads += 1
        return self._transform(_picture(self.images[place])), int(self.labels[place])


def of_script(script: Path, images: np.ndarray, labels: np.ndarray, options: Options) -> tuple[int, dict[str, Draw]]:
    """Return the images seen, and how to draw with BatchNorm by its averages (``eval``) or by the batch (``train``).

    Its discriminators halve the side four times, so that images get a border up to a multiple of 16, which is cut off
    again: nothing is lost, where resizing them blurs.
    """
    side = images.shape[-1]
    before, after = -side % 16 // 2, (1 + -side % 16) // 2
    _Pictures.images = np.pad(images, ((0, 0), (0, 0), (before, after), (before, after)))
    _Pictures.labels = labels
    importlib.import_module("torchvision.datasets").MNIST = _Pictures  # type: ignore[attr-defined]
    plan = importlib.util.spec_from_file_location("__main__", script)
    assert plan
    assert plan.loader
    peer = importlib.util.module_from_spec(plan)
    sizes = {"img_size": side + before + after, "channels": images.shape[1], "n_epochs": 100_000}
    sys.argv = [str(script), *(f"--{name}={value}" for name, value in (sizes | options).items())]
    _until_stopped(lambda: plan.loader.exec_module(peer))  # type: ignore[union-attr]
    takes_labels = len(inspect.signature(peer.generator.forward).parameters) > 1

    def drawer(training: bool) -> Draw:
        def draw(wishes: np.ndarray) -> np.ndarray:
            noise, asked_for = torch.randn(len(wishes), peer.opt.latent_dim), torch.from_numpy(wishes)
            net = peer.generator.train(training)
            pixels = ((net(noise, asked_for) if takes_labels else net(noise)) + 1) * 127.5
            return _bytes(pixels[..., before : before + side, before : before + side])

        return draw

    return _Pictures.reads, {"eval": drawer(False), "train": drawer(True)}


class _OnCpu:
    """Torch for a module that writes ``cuda:0`` where it means the device."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def device(self, _: str) -> torch.device:
        return torch.device("cpu")


def of_lightweight_gan(images: np.ndarray, options: Options) -> tuple[int, dict[str, Draw]]:
    """Return the images seen, and how to draw from the generator (``plain``) or from its moving average (``ema``).

    The package refuses to be imported without CUDA; nothing that it does needs it. Options that
    are not given are its defaults, but for the size of the images.
    """
    torch.cuda.is_available, is_available = lambda: True, torch.cuda.is_available
    package, cli = (importlib.import_module(f"lightweight_gan.{name}") for name in ("lightweight_gan", "cli"))
    torch.cuda.is_available = is_available
    package.torch = _OnCpu()  # type: ignore[attr-defined]
    torch.Tensor.cuda = lambda self, *_: self  # type: ignore[assignment, method-assign]
    torch.nn.Module.cuda = lambda self, *_: self  # type: ignore[assignment, method-assign]
    trainers: list[Any] = []

    def trainer(*args: Any, **options: Any) -> Any:
        trainers.append(package.Trainer(*args, **options))
        return trainers[0]

    cli.Trainer = trainer  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as pictures:
        for place, image in enumerate(images):
            _picture(image).save(Path(pictures) / f"{place:06}.png")
        _until_stopped(lambda: cli.train_from_folder(data=pictures, image_size=images.shape[-1], new=True, **options))
    one = trainers[0]
    one.GAN.eval()  # as it does itself to draw

    def drawer(net: torch.nn.Module) -> Draw:
        return lambda wishes: _bytes(one.generate_(net, torch.randn(len(wishes), one.latent_dim)) * 255)

    reads = one.steps * one.batch_size * one.gradient_accumulate_every
    return reads, {"plain": drawer(one.GAN.G), "ema": drawer(one.GAN.GE)}


def _bytes(pixels: torch.Tensor) -> np.ndarray:
    """Of grey levels from 0 to 255."""
    array: np.ndarray = pixels.round().clamp(0, 255).to(torch.uint8).numpy()
    return array


if __name__ == "__main__":
    peer, place = sys.argv[1], Path(sys.argv[2]).resolve()
    images, labels, wishes = (
        np.load(place / f"{name}.npy", allow_pickle=False) for name in ("images", "labels", "wishes")
    )
    options = {name: int(value) for name, value in (word.split("=") for word in sys.argv[3:])}
    if peer == "lightweight-gan":
        reads, ways = of_lightweight_gan(images, options)
    else:
        reads, ways = of_script(Path(peer).resolve(), images, labels, options)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))  # the contest is over
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    for way, draw in ways.items():
        torch.manual_seed(20260)
        with torch.no_grad():
            parts = [draw(wishes[start : start + _BATCH]) for start in range(0, len(wishes), _BATCH)]
        np.save(place / f"{way}.npy", np.concatenate(parts))
    print(json.dumps({"images": reads, "ways": list(ways)}))
