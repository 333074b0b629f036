"""Run what somebody else trains with, unmodified, until SIGALRM; then draw from what it has trained.

    VENV/bin/python benchmarks/peer_script.py SCRIPT.py FOLDER [NAME=NUMBER]...         # of PyTorch-GAN's checkout
    VENV/bin/python benchmarks/peer_script.py lightweight-gan FOLDER [NAME=NUMBER]...   # as pip brings it
    VENV/bin/python benchmarks/peer_script.py pythae FOLDER --every 10 --times 20       # the same

FOLDER holds ``images.npy`` (uint8 [n, channels, side, side]), ``labels.npy`` (int64 [n]), and ``wishes.npy`` (int64
[count]), the labels to be drawn. Images drawn in one or two ways (uint8 [count, channels, side, side]) go there as
``WAY.npy``, and a line of JSON names the ways and says how many images it was trained on. A script gets the images
where it asks torchvision for MNIST; lightweight-gan gets a folder of PNG files. Options are the peer's own. This file
stands alone: that environment has not this project's packages.

With ``--every`` it draws so many ``--times``, after as many seconds of training each, into ``WAY-1.npy`` and so on, and
ends; the line has also the seconds and the images of each time. What drawing takes is no training.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import inspect
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

_BATCH = 250
_SEED = 20260
Options = dict[str, int]
Draw = Callable[[np.ndarray], np.ndarray]


class Peer(NamedTuple):
    """Somebody else's training."""

    train: Callable[[], object]
    """Goes on for longer than anybody waits."""
    reads: Callable[[], int]
    """Images that it was trained on so far."""
    ways: dict[str, Draw]
    """To draw from what it has so far, which leave it as it is."""


class _TimeIsUp(BaseException):
    """Raised in the midst of the training, which knows nothing of it."""


def _stop(*_: Any) -> None:
    signal.alarm(1)  # an exception that comes in the midst of a finaliser is lost
    raise _TimeIsUp


class Curve:
    """Draws at even times of a training, and ends it with the last one."""

    def __init__(self, every: float, times: int, look: Callable[[int], int]) -> None:
        """``look`` draws for the n-th time and returns how many images the training has seen."""
        self._every, self._times, self._look = every, times, look
        self.points: list[tuple[float, int]] = []
        self._seconds, self._since = 0.0, 0.0

    def begin(self) -> None:
        """Count from now on."""
        self._since = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, self._every)

    def __call__(self, *_: Any) -> None:
        """Take a signal. What raises it a second time after the last one is the end that a finaliser has lost."""
        if len(self.points) < self._times:
            self._seconds += time.monotonic() - self._since
            self.points.append((self._seconds, self._look(len(self.points) + 1)))
            self.begin()
        if len(self.points) == self._times:
            _stop()


def _until_stopped(train: Callable[[], object], curve: Curve | None) -> None:
    """Call ``train`` in a folder below two others, as it may write beside its own, and let it print nothing."""
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere:
        (Path(folder) / "a" / "b").mkdir(parents=True)
        os.chdir(Path(folder) / "a" / "b")
        stdout, sys.stdout = sys.stdout, nowhere
        signal.signal(signal.SIGALRM, curve or _stop)
        try:
            if curve:
                curve.begin()
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


def of_script(script: Path, images: np.ndarray, labels: np.ndarray, options: Options) -> Peer:
    """Return a script that draws with BatchNorm by its averages (``eval``) or by the batch (``train``).

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
    peer, loader = importlib.util.module_from_spec(plan), plan.loader
    sizes = {"img_size": side + before + after, "channels": images.shape[1], "n_epochs": 100_000}
    sys.argv = [str(script), *(f"--{name}={value}" for name, value in (sizes | options).items())]

    def drawer(training: bool) -> Draw:
        def draw(wishes: np.ndarray) -> np.ndarray:
            noise, asked_for = torch.randn(len(wishes), peer.opt.latent_dim), torch.from_numpy(wishes)
            takes_labels = len(inspect.signature(peer.generator.forward).parameters) > 1
            net = deepcopy(peer.generator).train(training)  # nothing that a step in the midst of it has used changes
            pixels = ((net(noise, asked_for) if takes_labels else net(noise)) + 1) * 127.5
            return _bytes(pixels[..., before : before + side, before : before + side])

        return draw

    return Peer(
        lambda: loader.exec_module(peer), lambda: _Pictures.reads, {"eval": drawer(False), "train": drawer(True)}
    )


class _OnCpu:
    """Torch for a module that writes ``cuda:0`` where it means the device."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def device(self, _: str) -> torch.device:
        return torch.device("cpu")


def of_lightweight_gan(images: np.ndarray, options: Options) -> Peer:
    """Return the package that draws from the generator (``plain``) or from its moving average (``ema``).

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

    def train() -> None:
        with tempfile.TemporaryDirectory() as pictures:
            for place, image in enumerate(images):
                _picture(image).save(Path(pictures) / f"{place:06}.png")
            cli.train_from_folder(data=pictures, image_size=images.shape[-1], new=True, **options)

    def drawer(name: str) -> Draw:
        def draw(wishes: np.ndarray) -> np.ndarray:
            one = trainers[0]
            one.GAN.eval()  # as it does itself to draw
            pixels = one.generate_(getattr(one.GAN, name), torch.randn(len(wishes), one.latent_dim))
            one.GAN.train()
            return _bytes(pixels * 255)

        return draw

    def reads() -> int:
        one = trainers[0]
        return int(one.steps * one.batch_size * one.gradient_accumulate_every)

    return Peer(train, reads, {"plain": drawer("G"), "ema": drawer("GE")})


def of_pythae(images: np.ndarray, options: Options) -> Peer:
    """Return pythae's VAE, with the nets and the settings that its examples have for MNIST."""
    nets, models, trainers, pipelines, data = (
        importlib.import_module(f"pythae.{name}")
        for name in ("models.nn.benchmarks.mnist", "models", "trainers", "pipelines", "data.datasets")
    )
    settings = models.VAEConfig(
        input_dim=images.shape[1:], **{"latent_dim": 16, "reconstruction_loss": "mse", **options}
    )
    model = models.VAE(settings, nets.Encoder_Conv_VAE_MNIST(settings), nets.Decoder_Conv_AE_MNIST(settings))
    reads = [0]

    class Counted(data.BaseDataset):  # type: ignore[name-defined, misc]
        def __getitem__(self, place: int) -> Any:
            reads[0] += 1
            return super().__getitem__(place)

    plan = trainers.BaseTrainerConfig(
        output_dir="models", per_device_train_batch_size=100, num_epochs=100_000, learning_rate=1e-3, no_cuda=True
    )
    pictures = Counted(torch.from_numpy(images) / 255, torch.zeros(len(images)))
    pipeline = pipelines.TrainingPipeline(model=model, training_config=plan)

    def draw(wishes: np.ndarray) -> np.ndarray:
        decoder = deepcopy(model.decoder).eval()
        return _bytes(decoder(torch.randn(len(wishes), settings.latent_dim))["reconstruction"] * 255)

    return Peer(lambda: pipeline(train_data=pictures), lambda: reads[0], {"prior": draw})


def _bytes(pixels: torch.Tensor) -> np.ndarray:
    """Of grey levels from 0 to 255."""
    array: np.ndarray = pixels.round().clamp(0, 255).to(torch.uint8).numpy()
    return array


def _draw(peer: Peer, place: Path, wishes: np.ndarray, suffix: str = "") -> int:
    """Draw in every way, each from the same noise, and leave the training's own random numbers as they were."""
    with torch.random.fork_rng(), torch.no_grad():
        for way, draw in peer.ways.items():
            torch.manual_seed(_SEED)
            parts = [draw(wishes[start : start + _BATCH]) for start in range(0, len(wishes), _BATCH)]
            np.save(place / f"{way}{suffix}.npy", np.concatenate(parts))
    return peer.reads()


def main(words: list[str]) -> None:
    """Train, draw, and print the line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("peer")
    parser.add_argument("folder", type=Path)
    parser.add_argument("options", nargs="*", metavar="NAME=NUMBER")
    parser.add_argument("--every", type=float, help="seconds of training between looks; with --times")
    parser.add_argument("--times", type=int, default=0)
    parser.add_argument("--seed", type=int)
    args = parser.parse_intermixed_args(words)
    place = args.folder.resolve()
    images, labels, wishes = (
        np.load(place / f"{name}.npy", allow_pickle=False) for name in ("images", "labels", "wishes")
    )
    if args.seed is not None:
        torch.manual_seed(args.seed)
        np.random.seed(args.seed)
    options = {name: int(value) for name, value in (word.split("=") for word in args.options)}
    if args.peer == "lightweight-gan":
        peer = of_lightweight_gan(images, options)
    elif args.peer == "pythae":
        peer = of_pythae(images, options)
    else:
        peer = of_script(Path(args.peer).resolve(), images, labels, options)
    look = Curve(args.every, args.times, lambda n: _draw(peer, place, wishes, f"-{n}")) if args.every else None
    _until_stopped(peer.train, look)
    told: dict[str, object] = {"images": peer.reads(), "ways": list(peer.ways)}
    if look:
        told["points"] = look.points
    else:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))  # the contest is over
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        _draw(peer, place, wishes)
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1:])
