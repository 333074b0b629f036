"""What generated images are measured against: real ones as the judge sees them, and what those score themselves."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from ganlib.config import EvaluateConfig
from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_bytes, write_bytes
from ganlib.core.progress import Report, doing, silent
from ganlib.core.record import Record
from ganlib.data.splits import load_split
from ganlib.evaluation.bootstrap import Interval, around, pack, resample
from ganlib.evaluation.judge.judge import Judge, JudgeOutput
from ganlib.evaluation.distances import (
    Moments,
    draw_subsets,
    frechet_statistic,
    kernel_statistic,
    moments,
)
from ganlib.evaluation.neighbours import beyond, nearest, radii
from ganlib.evaluation.metrics.quality import TWIN, Quality, copies, measure, summarise, within
from ganlib.evaluation.needs import LEAST

METRIC_VERSION = 1
"""Raised whenever a figure would change for the same images: figures of other versions are not comparable."""
_FLOOR_STREAM = 3  # tells the draw of the floor's images from other draws with the same seed
_CACHE_VERSION = 2  # of the files' form


class Distances(Record):
    """FID and KID of one set of images to the test split."""

    fid: Interval
    kid: Interval
    fid_resampled: str = ""
    """The FID's bootstrap replicates (see :func:`ganlib.evaluation.bootstrap.pack`)."""


class Floors(Record):
    """What as many real images score: training images, but for the last figures of the quality, which are of the test
    split's own distance to the training images."""

    distances: Distances
    quality: Quality


@dataclass(frozen=True)
class Real:
    """Real images as the judge sees them. Depends on nothing but the data version and the judge."""

    test: np.ndarray
    """float32 [k, d]: features of the test split."""
    train: np.ndarray
    """float32 [m, d]: features of the train split."""
    forth: np.ndarray
    """float64 [k]: distance of each test image to the nearest training image."""
    back: np.ndarray
    """float64 [m]: distance of each training image to the nearest test image, its twins (:data:`TWIN`) left aside."""

    def apart(self, spread: float) -> Real:
        """With ``back`` measured past twins: a copy of a training image that the test split has too is still a copy.

        ``spread``: the root of the features' variance within digits.
        """
        twin = self.back < TWIN * spread
        if not twin.any():
            return self
        back = self.back.copy()
        back[twin] = beyond(self.train[twin], self.test, TWIN * spread)
        return replace(self, back=back)


@dataclass(frozen=True)
class Reference:
    """What a model is measured against, and the floors."""

    data_version: str
    judge_sha256: str
    config: EvaluateConfig
    """What the floors hold for: figures of another configuration do not belong beside them."""
    real: Real
    moments: Moments
    """Of the test split's features."""
    ball: np.ndarray
    """float64 [k]: radius about each test image."""
    variance: float
    """Of the test split's features within digits."""
    known: float
    """Share of the test images that the judge takes for the digit of their label (see :func:`ganlib.evaluation.
    judge.doubt`)."""
    floors: Floors

    def resampled(self, seen: JudgeOutput) -> dict[str, np.ndarray]:
        """``fid``, ``kid`` and the figures of :class:`Quality` of what the judge says of n images, with replicates.

        Each is float64 [1 + replicates], as :func:`ganlib.evaluation.bootstrap.resample` gives it: replicate i of any
        two models' is of the same resampling. Raises :class:`BadInput` as the metrics do.
        """
        found = _distances(seen.features, self.real.test, self.moments, self.config)
        near = nearest(seen.features, self.real.train)
        copied = copies(near, self.real.back)
        return found | measure(seen, self.real.test, self.ball, self.variance, near.distance, copied, self.config)


class _Kept(Record):
    """The cache's record: the digest of the arrays that lie beside it, and the floors if it is theirs."""

    sha256: str
    floors: Floors | None = None


def load_reference(
    prepared: Path,
    data_version: str,
    judge: Judge,
    config: EvaluateConfig,
    *,
    cache: Path,
    report: Report = silent,
) -> Reference:
    """The real images in ``prepared``, with the floors: ``config.samples`` training images, drawn by seed, against
    the test split.

    All of it depends on nothing but ``data_version`` (DVC's md5), judge and configuration, so it is kept in
    the folder ``cache``; an entry that is damaged or torn is made again.

    Raises:
        BadInput: a split is missing or too small for the configuration.
    """
    key = f"{METRIC_VERSION} {_CACHE_VERSION} {data_version} {judge.sha256}"
    real = _real(prepared, judge, config, cache / _name("real", key), report)
    centre, record = moments(real.test), cache / _name("floors", f"{key} {config.model_dump_json()}")
    digits = judge.classify(real.test).argmax(axis=1)
    variance = within(real.test, digits)
    known = float((digits == load_split(prepared, "test").labels).mean())
    real = real.apart(variance**0.5)
    kept = _read(record)
    if kept and kept[0].floors:
        return Reference(
            data_version, judge.sha256, config, real, centre, kept[1]["ball"], variance, known, kept[0].floors
        )  # fmt: skip
    with doing("find the real images' neighbours (kept for the next time)"):
        ball = radii(real.test, config.neighbours)
    floors = _floors(real, judge, centre, ball, variance, config)
    _write(record, {"ball": ball}, floors)
    return Reference(data_version, judge.sha256, config, real, centre, ball, variance, known, floors)


@doing("see real images as the judge does (kept for the next time)")
def _real(prepared: Path, judge: Judge, config: EvaluateConfig, record: Path, report: Report) -> Real:
    kept = _read(record)
    if not kept:
        images = load_split(prepared, "train").images
        _require(len(images), config)
        test = judge.features(load_split(prepared, "test").images, report=report).features
        train = judge.features(images, report=report).features
        near = nearest(test, train)
        arrays = {"test": test, "train": train, "forth": near.distance, "back": near.back}
        _write(record, arrays)
        return Real(**arrays)
    _require(len(kept[1]["train"]), config)
    return Real(**kept[1])


def _require(images: int, config: EvaluateConfig) -> None:
    if images < config.samples:
        advice = f" (--set evaluate.samples={images})" if images >= LEAST["train"] else ""
        raise BadInput(
            f"evaluate.samples is {config.samples:,}, but the train split, which gives the floors, has "
            f"{images:,} images{advice}."
        )


@doing("measure real images' own figures (kept for the next time)")
def _floors(
    real: Real, judge: Judge, centre: Moments, ball: np.ndarray, variance: float, config: EvaluateConfig
) -> Floors:
    """Training images drawn by seed, and the test split's distances to all of them."""
    chosen = draw_subsets(len(real.train), 1, config.samples, config.seed, _FLOOR_STREAM)[0]
    drawn = real.train[chosen]
    seen = JudgeOutput(drawn, judge.classify(drawn))
    none = np.zeros(len(real.forth))  # by definition: `back` is the nearest that a test image comes
    quality = summarise(measure(seen, real.test, ball, variance, real.forth, none, config), config.confidence)
    return Floors(distances=distances(_distances(drawn, real.test, centre, config), config.confidence), quality=quality)


def distances(resampled: Mapping[str, np.ndarray], confidence: float) -> Distances:
    """FID and KID with intervals, of what :meth:`Reference.resampled` gives."""
    return Distances(
        fid=around(resampled["fid"], confidence).above(0),
        kid=around(resampled["kid"], confidence),
        fid_resampled=pack(resampled["fid"][1:]),
    )


@doing("resample FID and KID")
def _distances(
    features: np.ndarray, real: np.ndarray, centre: Moments, config: EvaluateConfig
) -> dict[str, np.ndarray]:  # fmt: skip
    """The one measure, for generated images and for real ones."""
    kid = kernel_statistic(features, real, subsets=config.kid_subsets, size=config.kid_subset_size, seed=config.seed)
    statistics = {"fid": frechet_statistic(features, centre), "kid": kid}
    return {
        name: resample(statistic, len(features), replicates=config.bootstrap, seed=config.seed)
        for name, statistic in statistics.items()
    }


def _name(kind: str, key: str) -> str:
    return f"{kind}-{sha256_bytes(key.encode())[:16]}.json"


def _read(record: Path) -> tuple[_Kept, dict[str, np.ndarray]] | None:
    try:
        kept = _Kept.model_validate_json(record.read_bytes())
        data = record.with_suffix(".npz").read_bytes()
    except (OSError, ValidationError):
        return None
    if sha256_bytes(data) != kept.sha256:
        return None
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return kept, dict(arrays)


def _write(record: Path, arrays: dict[str, np.ndarray], floors: Floors | None = None) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    data = buffer.getvalue()
    write_bytes(record.with_suffix(".npz"), data)
    write_bytes(record, _Kept(sha256=sha256_bytes(data), floors=floors).model_dump_json(indent=2).encode())
