"""IDX files -> checked train, validation and test splits, the same bytes on every machine."""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ganlib.config import DataConfig
from ganlib.core.errors import BadInput
from ganlib.core.files import require_space, sha256_bytes, write_bytes, write_json
from ganlib.core.progress import Report, silent
from ganlib.data import twins
from ganlib.data.checks import check
from ganlib.data.draw import held_out
from ganlib.data.mnist import files as mnist
from ganlib.data.mnist import idx
from ganlib.data.splits import SPLITS, Split, SplitName, file_names
from ganlib.data.versioning.record import Pixels, Summary, Twins

_VALIDATION, _TEST = 0, 1  # streams of the draws


def prepare(raw: Path, out: Path, config: DataConfig, report: Report = silent) -> Summary:
    """Split the IDX files in ``raw`` and write ``out`` afresh: two ``.npy`` a split, and ``summary.json``.

    Raises:
        BadInput: a raw file is missing, malformed or not the pinned MNIST; a split is unbalanced or blank.
        NoSpace: ``out`` does not fit.
    """
    files = read_raw(raw, config)
    splits, repeated = _apart(files, config)
    shutil.rmtree(out, ignore_errors=True)
    require_space(out, sum(part.images.nbytes + len(part.labels) + 4096 for part in splits.values()))
    digests: dict[str, str] = {}
    for done, (name, part) in enumerate(splits.items()):
        report.advance("prepare", done, len(splits), {"split": name})
        # Grey images are kept without their one channel, labels as bytes.
        arrays = part.images[:, 0], part.labels.astype(np.uint8)
        for file, array in zip(file_names(name), arrays, strict=False):
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
        twins=repeated,
    )
    # Left out where there is nothing to tell: MNIST's data version keeps its bytes.
    write_json(out / "summary.json", summary.model_dump(mode="json", exclude=summary.untold()))
    report.advance("prepare", len(splits), len(splits))
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

    All copies of an image are on one side: the draws are among images that differ, and copies go with the first of
    them; a test split of the source's own stays as it is, and what is in it is left out of training and validation.

    Raises:
        BadInput: as in :func:`prepare`.
    """
    return _apart(files, config)[0]


def _apart(files: Mapping[str, bytes], config: DataConfig) -> tuple[dict[SplitName, Split], Twins | None]:
    given = _pair(files, mnist.TRAIN_IMAGES, mnist.TRAIN_LABELS)
    own = _pair(files, mnist.TEST_IMAGES, mnist.TEST_LABELS) if mnist.TEST_IMAGES in files else None
    if own:
        rest, test = _without(given, own), own
    else:
        rest, test = _divide(given, config.test_one_in, config.seed, _TEST)
    left_out = len(given.labels) - len(rest.labels) if own else 0
    train, validation = _divide(rest, config.validation_one_in, config.seed, _VALIDATION)
    splits: dict[SplitName, Split] = dict(zip(SPLITS, (train, validation, test), strict=True))
    for name, part in splits.items():
        try:
            check(name, part)
        except BadInput as error:
            why = f" {left_out:,} training images were left out: the test split has the same." if left_out else ""
            raise BadInput(f"{error}{why}") from error
    return splits, twins.count(given, own, left_out)


def _pair(files: Mapping[str, bytes], images: str, labels: str) -> Split:
    pair = Split(
        idx.parse_images(files[images], images)[:, None], idx.parse_labels(files[labels], labels).astype(np.int64)
    )
    if len(pair.images) != len(pair.labels):
        raise BadInput(f"{images} holds {len(pair.images):,} images, {labels} {len(pair.labels):,} labels.")
    return pair


def _divide(whole: Split, one_in: int, seed: int, stream: int) -> tuple[Split, Split]:
    """Draw among the images that differ; all copies of one go with it."""
    first = twins.firsts(whole.images)
    once = first == np.arange(len(first))
    drawn = np.zeros(len(first), bool)
    drawn[once] = held_out(whole.labels[once], one_in, seed, stream)
    out = drawn[first]
    return Split(whole.images[~out], whole.labels[~out]), Split(whole.images[out], whole.labels[out])


def _without(train: Split, test: Split) -> Split:
    """``train`` without the images that ``test`` has.

    Raises:
        BadInput: nothing is left.
    """
    known = len(test.images)
    new = twins.firsts(np.concatenate([test.images, train.images]))[known:] >= known
    if not new.any():
        raise BadInput(f"all {len(new):,} training images are in the test split, too: one of the two must be another.")
    return Split(train.images[new], train.labels[new])


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
