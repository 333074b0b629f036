"""What generated images are measured against: the test split, and what real images score against it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from ganlib.config import EvaluateConfig, Frozen
from ganlib.data.splits import load_split
from ganlib.errors import BadInput
from ganlib.evaluation.bootstrap import Interval, interval
from ganlib.evaluation.judge import Judge
from ganlib.evaluation.metrics import (
    Moments,
    Statistic,
    draw_subsets,
    frechet_statistic,
    kernel_statistic,
    moments,
)
from ganlib.files import sha256_bytes, write_bytes
from ganlib.progress import Report, silent

METRIC_VERSION = 1
"""Raised whenever a figure would change for the same images: figures of other versions are not comparable."""
_FLOOR_STREAM = 3  # tells the draw of the floor's images from other draws with the same seed


class Distances(Frozen):
    """FID and KID of one set of images to the test split."""

    fid: Interval
    kid: Interval


@dataclass(frozen=True)
class Reference:
    """The test split as the judge sees it, and the floors."""

    data_version: str
    judge_sha256: str
    config: EvaluateConfig
    """What the floors hold for: figures of another configuration do not belong beside them."""
    features: np.ndarray
    """float32 [k, d]."""
    moments: Moments
    floors: Distances

    def distances(self, features: np.ndarray) -> Distances:
        """FID and KID of ``features`` [n, d]. Raises :class:`BadInput` as the metrics do."""
        return _distances(features, self.features, self.moments, self.config)


class _Kept(Frozen):
    """The cache's record: the floors, and the digest of the features that lie beside it."""

    floors: Distances
    features_sha256: str


def load_reference(
    prepared: Path,
    data_version: str,
    judge: Judge,
    config: EvaluateConfig,
    *,
    cache: Path,
    report: Report = silent,
) -> Reference:
    """The test split in ``prepared``, with the floors: ``config.samples`` training images, drawn by seed,
    against it.

    All of it depends on nothing but ``data_version`` (DVC's md5), judge and configuration, so it is kept in
    the folder ``cache``; an entry that is damaged or torn is made again.

    Raises:
        BadInput: a split is missing or too small for the configuration.
    """
    key = f"{METRIC_VERSION} {data_version} {judge.sha256} {config.model_dump_json()}"
    record = cache / f"floors-{sha256_bytes(key.encode())[:16]}.json"
    array = record.with_suffix(".npy")
    kept = _read(record, array)
    if kept:
        features, floors = kept
        return Reference(data_version, judge.sha256, config, features, moments(features), floors)
    real = load_split(prepared, "train").images
    if len(real) < config.samples:
        raise BadInput(
            f"evaluate.samples is {config.samples:,}, but the train split, which gives the floors, has "
            f"{len(real):,} images (--set evaluate.samples={len(real)})."
        )
    chosen = draw_subsets(len(real), 1, config.samples, config.seed, _FLOOR_STREAM)[0]
    features = judge.features(load_split(prepared, "test").images, report=report).features
    centre = moments(features)
    floors = _distances(judge.features(real[chosen], report=report).features, features, centre, config)
    _write(record, array, features, floors)
    return Reference(data_version, judge.sha256, config, features, centre, floors)


def _distances(features: np.ndarray, real: np.ndarray, centre: Moments, config: EvaluateConfig) -> Distances:
    """The one measure, for generated images and for real ones."""

    def sure(statistic: Statistic) -> Interval:
        return interval(
            statistic,
            len(features),
            replicates=config.bootstrap,
            confidence=config.confidence,
            seed=config.seed,
        )

    kid = kernel_statistic(features, real, subsets=config.kid_subsets, size=config.kid_subset_size, seed=config.seed)
    return Distances(fid=sure(frechet_statistic(features, centre)).above(0), kid=sure(kid))


def _read(record: Path, array: Path) -> tuple[np.ndarray, Distances] | None:
    try:
        kept = _Kept.model_validate_json(record.read_bytes())
        data = array.read_bytes()
    except (OSError, ValidationError):
        return None
    if sha256_bytes(data) != kept.features_sha256:
        return None
    return np.load(io.BytesIO(data), allow_pickle=False), kept.floors


def _write(record: Path, array: Path, features: np.ndarray, floors: Distances) -> None:
    buffer = io.BytesIO()
    np.save(buffer, features, allow_pickle=False)
    data = buffer.getvalue()
    write_bytes(array, data)
    kept = _Kept(floors=floors, features_sha256=sha256_bytes(data))
    write_bytes(record, kept.model_dump_json(indent=2).encode())
