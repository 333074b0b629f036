"""What generated images are measured against: real ones as the judge sees them, and what those score themselves."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from ganlib.config import EvaluateConfig
from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_bytes, write_bytes
from ganlib.core.progress import Report, doing, silent
from ganlib.core.record import Record
from ganlib.data.splits import load_split
from ganlib.evaluation.bootstrap import Interval, around
from ganlib.evaluation.distances import draw_subsets
from ganlib.evaluation.judge.judge import Judge, JudgeOutput
from ganlib.evaluation.metrics import metrics
from ganlib.evaluation.needs import LEAST
from ganlib.evaluation.neighbours import Nearest, nearest, radii
from ganlib.evaluation.sample import RealImages, Sample

METRIC_VERSION = 1
"""Raised whenever a figure would change for the same images: figures of other versions are not comparable."""
_FLOOR_STREAM = 3  # tells the draw of the floor's images from other draws with the same seed
_CACHE_VERSION = 4  # of the files' form


@dataclass(frozen=True)
class Reference:
    """What a model is measured against, and what real images score by the same measure."""

    data_version: str
    judge_sha256: str
    class_names: tuple[str, ...]
    """What the judge knows; empty: no classes."""
    config: EvaluateConfig
    """What the floors hold for: figures of another configuration do not belong beside them."""
    real: RealImages
    ball: np.ndarray
    """float64 [k]: radius about each test image."""
    judge_accuracy: float | None
    """Share of the test images that the judge takes for their own class; None where there are no classes."""
    floors: dict[str, Interval]
    """What as many real images score, by metric: training images, but for the distance to the training images, which
    is of the test split. No generator can be expected to do better."""

    def resampled(self, output: JudgeOutput) -> dict[str, np.ndarray]:
        """Return every metric of what the judge says of n images, with replicates, by name.

        Each is float64 [1 + replicates], as :func:`ganlib.evaluation.bootstrap.resample` gives it: replicate i of any
        two models' is of the same resampling. Raises :class:`BadInput` as the metrics do.
        """
        return _computed(Sample(output, self.real, self.ball, self.config))


class _ReferenceFile(Record):
    """The cache's record: the digest of the arrays that lie beside it, and the floors if it is theirs."""

    sha256: str
    floors: dict[str, Interval] | None = None


def load_reference(
    folder: Path,
    data_version: str,
    judge: Judge,
    config: EvaluateConfig,
    *,
    cache: Path,
    report: Report = silent,
) -> Reference:
    """Return the real images in ``folder``, with the floors: ``config.samples`` training images, drawn by seed.

    All of it depends on nothing but ``data_version`` (DVC's md5), judge and configuration, so it is kept in
    the folder ``cache``; an entry that is damaged or torn is made again.

    Raises:
        BadInput: a split is missing or too small for the configuration.
    """
    key = f"{METRIC_VERSION} {_CACHE_VERSION} {data_version} {judge.sha256}"
    real = _real(folder, judge, config, cache / _name("real", key), report)
    record = cache / _name("floors", f"{key} {config.model_dump_json()} {' '.join(metrics())}")
    names = judge.class_names
    accuracy = float((real.test_classes == load_split(folder, "test").labels).mean()) if names else None
    entry = _read(record)
    if entry and entry[0].floors:
        ball, floors = entry[1]["ball"], entry[0].floors
    else:
        with doing("find the real images' neighbours (kept for the next time)"):
            ball = radii(real.test, config.neighbours)
        floors = _floors(real, ball, config)
        _write(record, {"ball": ball}, floors)
    return Reference(data_version, judge.sha256, names, config, real, ball, accuracy, floors)


@doing("see real images as the judge does (kept for the next time)")
def _real(folder: Path, judge: Judge, config: EvaluateConfig, record: Path, report: Report) -> RealImages:
    entry = _read(record)
    if not entry:
        images = load_split(folder, "train").images
        _require(len(images), config)
        test = judge.features(load_split(folder, "test").images, report=report)
        train = judge.features(images, report=report)
        near = nearest(test.features, train.features)
        real = RealImages(test.features, *train, test.classes, near.distance, near.back).calibrated()
        _write(record, {field.name: getattr(real, field.name) for field in fields(real)})
        return real
    _require(len(entry[1]["train"]), config)
    share = float(entry[1].pop("near"))
    return RealImages(**entry[1], near=share)


def _require(images: int, config: EvaluateConfig) -> None:
    if images < config.samples:
        advice = f" (--set evaluate.samples={images})" if images >= LEAST["train"] else ""
        raise BadInput(
            f"evaluate.samples is {config.samples:,}, but the train split, which gives the floors, has "
            f"{images:,} images{advice}."
        )


@doing("measure real images' own figures (kept for the next time)")
def _floors(real: RealImages, ball: np.ndarray, config: EvaluateConfig) -> dict[str, Interval]:
    """Return the figures of training images drawn by seed, and the test split's distances to all of them."""
    indices = draw_subsets(len(real.train), 1, config.samples, config.seed, _FLOOR_STREAM)[0]
    output = JudgeOutput(real.train[indices], real.train_probabilities[indices])
    # By definition no real image is a copy: `back` is the nearest that a test image comes.
    none = np.zeros(len(real.forth), np.int64)
    near = Nearest(real.forth, none, np.full(len(real.train), np.inf))
    reals = replace(real, back=np.zeros_like(real.back))
    return summarise(_computed(Sample(output, reals, ball, config, near)), config.confidence)


def _computed(sample: Sample) -> dict[str, np.ndarray]:
    """Return every metric that the judge allows, by name, with replicates."""
    active = {name: metric for name, metric in metrics().items() if sample.num_classes or not metric.of_classes}
    return {name: metric.compute(sample) for name, metric in active.items()}


def summarise(replicates: Mapping[str, np.ndarray], confidence: float) -> dict[str, Interval]:
    """Return figures with intervals that do not leave a figure's range, of what :meth:`Reference.resampled` gives."""
    return {name: around(values, confidence).above(metrics()[name].least) for name, values in replicates.items()}


def _name(kind: str, key: str) -> str:
    return f"{kind}-{sha256_bytes(key.encode())[:16]}.json"


def _read(record: Path) -> tuple[_ReferenceFile, dict[str, np.ndarray]] | None:
    try:
        entry = _ReferenceFile.model_validate_json(record.read_bytes())
        data = record.with_suffix(".npz").read_bytes()
    except (OSError, ValidationError):
        return None
    if sha256_bytes(data) != entry.sha256:
        return None
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return entry, dict(arrays)


def _write(record: Path, arrays: dict[str, np.ndarray], floors: dict[str, Interval] | None = None) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    data = buffer.getvalue()
    write_bytes(record.with_suffix(".npz"), data)
    write_bytes(record, _ReferenceFile(sha256=sha256_bytes(data), floors=floors).model_dump_json(indent=2).encode())
