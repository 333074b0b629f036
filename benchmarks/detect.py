"""`python -m benchmarks.detect [IMAGES]`: an index of a million images, how long it takes to make and to look up in.

The images are of a model that ships, so that they are as alike as those of a real job; a temporary folder of
about a kilobyte an image is needed. The table is in docs/marks.md.
"""

from __future__ import annotations

import io
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from ganlib.cli.app import set_environment_defaults
from ganlib.core import progress
from ganlib.generation.batch.batch import generate
from ganlib.generation.detection import index as indexes
from ganlib.generation.detection.detector import Detector
from ganlib.generation.detection.image import parse, pixel_digest
from ganlib.generation.detection.index import ImageIndex
from ganlib.generation.detection.likeness import NEAR
from ganlib.generation.session import OnnxModel
from ganlib.jobs.models import fetch

MODEL, TRIALS = "pretrained:dcgan", 1000
T = TypeVar("T")


def main(words: Sequence[str]) -> int:
    """Print the figures, a line each."""
    count = int(words[0]) if words else 1_000_000
    model = OnnxModel(fetch(None, None, MODEL).path)
    with tempfile.TemporaryDirectory() as folder, progress.console(as_json=False) as report:
        out, path = Path(folder) / "out", Path(folder) / "detect.db"
        generate(model, out=out, count=count, seed=0, shard_size=100_000, file_format="npy", report=report)
        wall, cpu = time.perf_counter(), time.process_time()
        print(indexes.update(path, [out], report).summary())
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(f"made in {wall:.0f} s, {cpu:.0f} s of a processor; {path.stat().st_size / 2**20:.0f} MiB")
        ours = model.images(0, 0, TRIALS)
        others = model.images(1, 0, TRIALS)
        with ImageIndex(path) as index:
            for line in looked_up(index, ours, others):
                print(line, flush=True)
    return 0


def looked_up(index: ImageIndex, ours: np.ndarray, others: np.ndarray) -> Iterator[str]:
    """Milliseconds of each way to look up, of images that are in the index and of others of the same model."""
    yield line("pixels that are there", timed(index.find, map(pixel_digest, ours)))
    yield line("pixels that are not", timed(index.find, map(pixel_digest, others)))
    yield line("the first likeness, which reads all fields", timed(index.nearest, ours[:1]))
    yield line("likenesses from then on", timed(index.nearest, itertools.chain(ours, others)))
    detector = Detector(index)
    yield line("a PNG file of 28x28, in all", timed(lambda data: detector.detect(parse(data)), map(png, others)))
    yield line(
        "a JPEG file of 1,024x1,024, in all", timed(lambda data: detector.detect(parse(data)), [photograph()] * 20)
    )
    known = sum(index.find(pixel_digest(each)) is not None for each in others)
    near = sum(index.nearest(each) is not None for each in others)
    yield f"of {len(others)} others {known} are there by their pixels, {near} are within {NEAR:g} levels of one"
    for scale, quality in ((1, 85), (4, 85), (4, 50), (1, 50)):
        again = sum(saved(index, number, image, scale, quality) for number, image in enumerate(ours))
        yield f"of {len(ours)} that are there, {scale} times as large as JPEG of quality {quality}, {again} are found"


def saved(index: ImageIndex, number: int, image: np.ndarray, scale: int, quality: int) -> bool:
    """Whether an image that is there is still nearest to itself as a JPEG."""
    file, (height, width) = io.BytesIO(), image.shape[1:]
    Image.fromarray(image[0]).resize((width * scale, height * scale)).save(file, "JPEG", quality=quality)
    found = index.nearest(parse(file.getvalue()).pixels)
    return found is not None and found[0].index == number


def timed(look: Callable[[T], object], values: Iterable[T]) -> list[float]:
    """Milliseconds of each call."""
    durations = []
    for value in list(values):
        start = time.perf_counter()
        look(value)
        durations.append(1000 * (time.perf_counter() - start))
    return durations


def line(what: str, durations: Sequence[float]) -> str:
    """Median and slowest."""
    return f"{what}: {statistics.median(durations):.2f} ms, at most {max(durations):.2f}, of {len(durations)}"


def png(image: np.ndarray) -> bytes:
    """A file that says nothing."""
    file = io.BytesIO()
    Image.fromarray(image[0]).save(file, "PNG")
    return file.getvalue()


def photograph() -> bytes:
    """A JPEG of noise that is smooth enough to be like one."""
    file = io.BytesIO()
    small = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(small).resize((1024, 1024)).save(file, "JPEG")
    return file.getvalue()


if __name__ == "__main__":
    set_environment_defaults()
    sys.exit(main(sys.argv[1:]))
