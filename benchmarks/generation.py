"""Images a second of batch generation against its peers, and whether memory is flat and time linear.

    python -m benchmarks generation

In each round everything takes its turn, so that a busy moment of the machine falls on all. The bare loop calls
``session.run`` and writes nothing; it runs with each batch and number of threads below, and the best of them counts.
Memory and time are of jobs of 100,000 and 1,000,000 images in processes of their own; GANLIB_BENCH_LARGE=50000 or so
makes the larger one smaller (and the smaller one a tenth of it), to see whether all of this works.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from PIL import Image

from ganlib import families
from ganlib.config import ExportConfig
from ganlib.export.onnx import export
from ganlib.generation.batch import generate
from ganlib.generation.manifest import FileFormat
from ganlib.generation.png import Encoder
from ganlib.generation.probe import measure
from ganlib.generation.session import OnnxModel
from ganlib.processes import usable_cores

COUNT, ROUNDS = int(os.environ.get("GANLIB_BENCH_COUNT", "8192")), int(os.environ.get("GANLIB_BENCH_ROUNDS", "5"))
LARGE = int(os.environ.get("GANLIB_BENCH_LARGE", "1000000"))
BATCHES = (64, 256, 1024)
NAIVE = 2048  # images of the naive loop, which is slow
_JOB = """
import json, resource, sys, time
from pathlib import Path
from ganlib.generation.batch import generate
from ganlib.generation.session import OnnxModel
path, out, count, threads, batch = sys.argv[1:]
model = OnnxModel(Path(path))
began = time.monotonic()
generate(model, out=Path(out), count=int(count), seed=0, shard_size=10_000, file_format="npy",
         threads=int(threads), batch_size=int(batch))
print(json.dumps([time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def run() -> Iterator[tuple[str, list[float]]]:
    """Ratios of images a second: more is better; then those of memory and time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "g.onnx"
        options = families.options("dcgan", {})
        torch.manual_seed(0)
        net = families.load("dcgan")(options).generator.eval().requires_grad_(False)
        width = options.latent_dim
        export(net, width, path, ExportConfig(parity_batches=(2,)), {"family": "dcgan"})
        model = OnnxModel(path)
        tuning = measure(model)
        print(f"probe: {tuning.threads} threads, {tuning.batch_size} images at once, of {tuning.tried}", flush=True)
        ours = partial(_shards, model, Path(folder), tuning.threads, tuning.batch_size)
        compiled = _compiled(net, width)
        found: dict[str, list[float]] = {}

        def ratio(title: str, value: float) -> None:
            found.setdefault(title, []).append(value)

        for _ in range(ROUNDS):
            bare = max(
                _rate(partial(_bare, path, width, batch, threads))
                for batch in BATCHES
                for threads in {1, usable_cores()}
            )
            npy, png = _rate(partial(ours, "npy")), _rate(partial(ours, "png"))
            limit = _rate(partial(_encode_only, Path(folder)))
            naive = _rate(partial(_naive, path, width, Path(folder)), min(NAIVE, COUNT))
            eager = max(_rate(partial(_torch, net, width, batch)) for batch in BATCHES)
            ratio("npy shards with manifest / the best bare session.run loop", npy / bare)
            ratio("PNG folders with manifest / the best bare session.run loop", png / bare)
            ratio("PNG folders with manifest / what encoder and file system allow alone", png / limit)
            ratio("encoder and file system alone / the best bare session.run loop", limit / bare)
            ratio("PNG folders with manifest / one session.run and one PIL save an image", png / naive)
            ratio("npy shards with manifest / torch eager (best batch), which writes nothing", npy / eager)
            if compiled:
                ratio("npy shards with manifest / torch.compile (batch 256), which writes nothing",
                      npy / _rate(partial(_torch, compiled, width, 256)))  # fmt: skip
        yield from found.items()
        small, large = (_job(path, Path(folder), count, tuning.threads, tuning.batch_size)
                        for count in (LARGE // 10, LARGE))  # fmt: skip
        yield f"memory (largest RSS) of {LARGE:,} images / of {LARGE // 10:,}", [large[1] / small[1]]
        yield f"time of {LARGE:,} images / of {LARGE // 10:,}", [large[0] / small[0]]


def _rate(work: Callable[[], object], count: int | None = None) -> float:
    start = time.monotonic()
    work()
    return (count or COUNT) / (time.monotonic() - start)


def _shards(model: OnnxModel, folder: Path, threads: int, batch_size: int, form: FileFormat) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as out:
        generate(
            model, out=Path(out) / "out", count=COUNT, seed=0, shard_size=1000, file_format=form, threads=threads,
            batch_size=batch_size,
        )  # fmt: skip


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _bare(path: Path, width: int, batch: int, threads: int) -> None:
    session, draw = _session(path, threads), np.random.default_rng(0)
    for start in range(0, COUNT, batch):
        rows = min(batch, COUNT - start)
        session.run(["image"], {"noise": draw.standard_normal((rows, width), dtype=np.float32)})


def _naive(path: Path, width: int, folder: Path) -> None:
    session, draw = _session(path, usable_cores()), np.random.default_rng(0)
    with tempfile.TemporaryDirectory(dir=folder) as out:
        for number in range(min(NAIVE, COUNT)):
            image = session.run(["image"], {"noise": draw.standard_normal((1, width), dtype=np.float32)})[0]
            Image.fromarray(image[0, 0]).save(Path(out) / f"{number}.png")


def _encode_only(folder: Path) -> None:
    """Files of images that are there already: no model."""
    images = np.random.default_rng(0).integers(0, 255, (64, 1, 28, 28), np.uint8)
    images[:, :, :, 14:] = 0
    encoder = Encoder(model_sha256="0" * 64, seed=0)
    with tempfile.TemporaryDirectory(dir=folder) as out:
        for first in range(0, COUNT, 64):
            for at, data in enumerate(encoder.encode(images, first)):
                (Path(out) / f"{first + at:08d}.png").write_bytes(data)


def _torch(net: Any, width: int, batch: int) -> None:
    with torch.inference_mode():
        for start in range(0, COUNT, batch):
            made = net(torch.randn(min(batch, COUNT - start), width))
            ((made + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()


def _compiled(net: Any, width: int) -> Any:
    """The net by torch.compile; None where there is no compiler for it."""
    try:
        compiled = torch.compile(net)
        with torch.inference_mode():
            compiled(torch.randn(256, width))
    except Exception as error:  # torch raises what its compiler raises
        print(f"torch.compile is left out: {str(error).splitlines()[0]}", flush=True)
        return None
    return compiled


def _job(path: Path, folder: Path, count: int, threads: int, batch_size: int) -> tuple[float, float]:
    """Seconds and largest resident set of a job of ``count`` images in a process of its own."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        words = [str(path), f"{out}/out", str(count), str(threads), str(batch_size)]
        done = subprocess.run([sys.executable, "-c", _JOB, *words], check=True, capture_output=True, text=True)
    seconds, size = json.loads(done.stdout)
    return float(seconds), float(size)
