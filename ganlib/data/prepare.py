"""``data/raw`` -> checked train, validation and test splits, the same bytes on every machine."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from ganlib.config import DataConfig
from ganlib.core.files import atomic_path, require_space, sha256_file, write_json
from ganlib.core.progress import Report, silent
from ganlib.data.arrays import ArrayWriter
from ganlib.data.divide import divide
from ganlib.data.mnist import checks
from ganlib.data.mnist.dataset import MNIST
from ganlib.data.raw import RawData, read_raw
from ganlib.data.splits import SPLITS, Split, file_names
from ganlib.data.versioning.record import Pixels, Summary

_SMALL_LABELS = 256  # classes whose labels fit a byte


def prepare(raw: Path, out: Path, config: DataConfig, report: Report = silent) -> Summary:
    """Split what is in ``raw`` and write ``out`` afresh: up to three ``.npy`` a split, and ``summary.json``.

    Raises:
        BadInput: a raw file is missing, malformed or not the pinned MNIST; a split is empty, or MNIST's checks fail.
        NoSpace: ``out`` does not fit.
    """
    data = read_raw(raw, config)
    report.advance("prepare", 0, len(data.images))
    division = divide(data, config)
    if data.spec == MNIST:
        _check_mnist(data, division.side)
    shutil.rmtree(out, ignore_errors=True)
    image_bytes = int(np.prod(data.images.shape[1:]))
    require_space(out, len(data.images) * (image_bytes + 8) + 9 * 4096)
    out.mkdir(parents=True)
    pixels = _write_images(data, division.side, out, report)
    _write_rest(data, division.side, out)
    labels = [data.labels[division.side == place] for place in range(len(SPLITS))]
    summary = Summary(
        raw=data.files,
        files={path.name: sha256_file(path) for path in sorted(out.glob("*.npy"))},
        counts={name: len(part) for name, part in zip(SPLITS, labels, strict=True)},
        classes={
            name: tuple(np.bincount(part, minlength=data.spec.num_classes).tolist()) if data.spec.class_names else ()
            for name, part in zip(SPLITS, labels, strict=True)
        },
        pixels=pixels,
        seed=config.seed,
        validation_one_in=config.validation_one_in,
        test_one_in=None if data.in_test is not None else config.test_one_in,
        twins=division.twins,
        spec=data.spec,
    )
    # Left out where there is nothing to tell: MNIST's data version keeps its bytes.
    write_json(out / "summary.json", summary.model_dump(mode="json", exclude=summary.untold()))
    return summary


def _check_mnist(data: RawData, side: np.ndarray) -> None:
    images = np.concatenate(list(data.images.chunks()))
    for place, name in enumerate(SPLITS):
        checks.check(name, Split(images[side == place], data.labels[side == place]))


def _write_images(data: RawData, side: np.ndarray, out: Path, report: Report) -> dict[str, Pixels]:
    """Write the three arrays of images in one pass over the source."""
    grey = data.spec.image.channels == 1
    shape = data.spec.image.dims
    levels = {name: np.zeros(256, np.int64) for name in SPLITS}
    with ExitStack() as stack:
        paths = [stack.enter_context(atomic_path(out / file_names(name)[0])) for name in SPLITS]
        # Grey images are kept without their one channel.
        writers = [stack.enter_context(ArrayWriter(path, shape[1:] if grey else shape)) for path in paths]
        done = 0
        for chunk in data.images.chunks():
            places = side[done : done + len(chunk)]
            for place, name in enumerate(SPLITS):
                part = chunk[places == place]
                writers[place].append(part[:, 0] if grey else part)
                levels[name] += _histogram(part)
            done += len(chunk)
            report.advance("prepare", done, len(data.images))
    return {name: _pixels(counts) for name, counts in levels.items()}


def _write_rest(data: RawData, side: np.ndarray, out: Path) -> None:
    """Write labels, as bytes where they fit, and captions, where the source has them."""
    small = data.spec.num_classes <= _SMALL_LABELS
    for place, name in enumerate(SPLITS):
        _, label_file, caption_file = file_names(name)
        if data.spec.class_names:
            _save(out / label_file, data.labels[side == place].astype(np.uint8 if small else np.int64))
        if data.captions is not None:
            _save(out / caption_file, data.captions[side == place])


def _save(path: Path, array: np.ndarray) -> None:
    with atomic_path(path) as part, part.open("wb") as stream:
        np.save(stream, np.ascontiguousarray(array), allow_pickle=False)


def _histogram(images: np.ndarray) -> np.ndarray:
    # In chunks: bincount widens its input to eight bytes a pixel.
    chunks = (images[start : start + 4096].reshape(-1) for start in range(0, len(images), 4096))
    return sum((np.bincount(chunk, minlength=256) for chunk in chunks), np.zeros(256, np.int64))


def _pixels(histogram: np.ndarray) -> Pixels:
    """Mean and standard deviation from a histogram: integers, so the same on every machine."""
    counts = histogram.tolist()
    total = sum(counts)
    first = sum(level * count for level, count in enumerate(counts))
    second = sum(level * level * count for level, count in enumerate(counts))
    variance = (total * second - first * first) / (total * total)
    return Pixels(mean=round(first / total, 6), std=round(variance**0.5, 6))
