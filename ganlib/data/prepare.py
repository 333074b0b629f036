"""IDX files -> checked train, validation and test splits, the same bytes on every machine."""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ganlib.config import DataConfig
from ganlib.data import idx, mnist
from ganlib.data.checks import check
from ganlib.data.draw import held_out
from ganlib.data.record import Pixels, Summary
from ganlib.data.splits import SPLITS, Split, SplitName, file_names
from ganlib.errors import BadInput
from ganlib.files import require_space, sha256_bytes, write_bytes, write_json
from ganlib.progress import Report, silent

_VALIDATION, _TEST = 0, 1  # streams of the draws


def prepare(raw: Path, out: Path, config: DataConfig, report: Report = silent) -> Summary:
    """Split the IDX files in ``raw`` and write ``out`` afresh: two ``.npy`` a split, and ``summary.json``.

    Raises:
        BadInput: a raw file is missing, malformed or not the pinned MNIST; a split is unbalanced or blank.
        NoSpace: ``out`` does not fit.
    """
    files = read_raw(raw, config)
    splits = split(files, config)
    shutil.rmtree(out, ignore_errors=True)
    require_space(out, sum(part.images.nbytes + part.labels.nbytes + 4096 for part in splits.values()))
    digests: dict[str, str] = {}
    for done, (name, part) in enumerate(splits.items()):
        report("prepare", done, len(splits), {"split": name})
        for file, array in zip(file_names(name), part, strict=True):
            data = _npy(array)
            write_bytes(out / file, data)
            digests[file] = sha256_bytes(data)
    summary = Summary(
        raw={name: sha256_bytes(data) for name, data in sorted(files.items())},
        files=dict(sorted(digests.items())),
        counts={name: len(part.labels) for name, part in splits.items()},
        classes={name: tuple(np.bincount(part.labels, minlength=10).tolist()) for name, part in splits.items()},
        pixels={name: _pixels(part.images) for name, part in splits.items()},
        seed=config.seed,
        validation_one_in=config.validation_one_in,
        test_one_in=None if mnist.TEST_IMAGES in files else config.test_one_in,
    )
    write_json(out / "summary.json", summary.model_dump(mode="json"))
    report("prepare", len(splits), len(splits))
    return summary


def read_raw(raw: Path, config: DataConfig) -> dict[str, bytes]:
    """The IDX files in ``raw``: MNIST's four, or the two or four of a user's source.

    Raises:
        BadInput: a file is missing, or is not MNIST's where ``data.source`` says so.
    """
    wanted = list(mnist.SHA256)
    if config.source != "mnist":
        wanted = [name for name in wanted if (raw / name).exists() or not name.startswith("t10k")]
    files = {name: idx.read(raw / name) for name in wanted}
    return {name: mnist.verified(name, data) for name, data in files.items()} if config.source == "mnist" else files


def split(files: Mapping[str, bytes], config: DataConfig) -> dict[SplitName, Split]:
    """Parse, draw and check. A source without test files gives up one in ``test_one_in`` images for it first.

    Raises:
        BadInput: as in :func:`prepare`.
    """
    rest = _pair(files, mnist.TRAIN_IMAGES, mnist.TRAIN_LABELS)
    if mnist.TEST_IMAGES in files:
        test = _pair(files, mnist.TEST_IMAGES, mnist.TEST_LABELS)
    else:
        rest, test = _divide(rest, config.test_one_in, config.seed, _TEST)
    train, validation = _divide(rest, config.validation_one_in, config.seed, _VALIDATION)
    splits: dict[SplitName, Split] = dict(zip(SPLITS, (train, validation, test), strict=True))
    for name, part in splits.items():
        check(name, part)
    return splits


def _pair(files: Mapping[str, bytes], images: str, labels: str) -> Split:
    pair = Split(idx.parse_images(files[images], images), idx.parse_labels(files[labels], labels))
    if len(pair.images) != len(pair.labels):
        raise BadInput(f"{images} holds {len(pair.images):,} images, {labels} {len(pair.labels):,} labels.")
    return pair


def _divide(whole: Split, one_in: int, seed: int, stream: int) -> tuple[Split, Split]:
    out = held_out(whole.labels, one_in, seed, stream)
    return Split(whole.images[~out], whole.labels[~out]), Split(whole.images[out], whole.labels[out])


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def _pixels(images: np.ndarray) -> Pixels:
    """Mean and standard deviation from a histogram: integers, so the same on every machine."""
    # In chunks: bincount widens its input to eight bytes a pixel.
    chunks = (images[start : start + 4096].reshape(-1) for start in range(0, len(images), 4096))
    counts = sum((np.bincount(chunk, minlength=256) for chunk in chunks), np.zeros(256, np.int64)).tolist()
    total = sum(counts)
    first = sum(level * count for level, count in enumerate(counts))
    second = sum(level * level * count for level, count in enumerate(counts))
    variance = (total * second - first * first) / (total * total)
    return Pixels(mean=round(first / total, 6), std=round(variance**0.5, 6))
