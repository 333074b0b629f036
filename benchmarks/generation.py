"""Images a second of batch generation in memory, as npy and as PNG shards against a bare loop, and a naive one."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from PIL import Image

from ganlib import families
from ganlib.config import ExportConfig
from ganlib.export.onnx import export
from ganlib.generation.batch import generate
from ganlib.generation.manifest import FileFormat
from ganlib.generation.session import OnnxModel
from ganlib.processes import usable_cores

COUNT, ROUNDS = 8192, 5


def run() -> Iterator[tuple[str, list[float]]]:
    """Ratios of images a second: more is better."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "g.onnx"
        options = families.options("dcgan", {})
        torch.manual_seed(0)
        net = families.load("dcgan")(options).generator
        export(net, options.latent_dim, path, ExportConfig(parity_batches=(2,)), {"family": "dcgan"})
        model = OnnxModel(path)
        raw, npy, png, naive_ratio = [], [], [], []
        for number in range(ROUNDS):
            bare = _rate(lambda: _bare(path, options.latent_dim))
            raw.append(_rate(lambda: model.images(0, 0, COUNT)) / bare)
            ours = {
                form: _rate(partial(_shards, model, Path(folder) / f"{form}-{number}", form)) for form in ("npy", "png")
            }
            naive = _rate(lambda number=number: _naive(path, options.latent_dim, Path(folder) / f"naive-{number}"))
            npy.append(ours["npy"] / bare)
            png.append(ours["png"] / bare)
            naive_ratio.append(ours["png"] / naive)
    yield "raw images: ours / bare session.run loop (batch 256, all processors)", raw
    yield "npy shards with manifest: ours / bare session.run loop that writes nothing", npy
    yield "PNG folders with manifest: ours / bare session.run loop that writes nothing", png
    yield "PNG folders with manifest: ours / one session.run and one PIL save an image", naive_ratio


def _rate(work: Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    return COUNT / (time.monotonic() - start)


def _shards(model: OnnxModel, out: Path, form: FileFormat) -> None:
    generate(model, out=out, count=COUNT, seed=0, shard_size=1000, file_format=form)


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _bare(path: Path, noise_dim: int) -> None:
    session, draw = _session(path), np.random.default_rng(0)
    for _ in range(COUNT // 256):
        session.run(["image"], {"noise": draw.standard_normal((256, noise_dim), dtype=np.float32)})


def _naive(path: Path, noise_dim: int, out: Path) -> None:
    session, draw = _session(path), np.random.default_rng(0)
    out.mkdir()
    for number in range(COUNT):
        image = session.run(["image"], {"noise": draw.standard_normal((1, noise_dim), dtype=np.float32)})[0]
        Image.fromarray(image[0, 0]).save(out / f"{number}.png")
