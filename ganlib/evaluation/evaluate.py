"""Score a set of generated images against the test split, beside what real images score."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ganlib.config import EvaluateConfig, Frozen
from ganlib.data.splits import load_split
from ganlib.errors import BadInput
from ganlib.evaluation import metrics
from ganlib.evaluation.judge import Judge
from ganlib.evaluation.metrics import Interval, Moments
from ganlib.files import sha256_bytes, write_bytes
from ganlib.progress import Report, silent

METRIC_VERSION = 1
"""Raised whenever a figure would change for the same images: figures of other versions are not comparable."""


class Floors(Frozen):
    """What as many real images score by the same measure: no generator can be expected to do better."""

    fid: Interval
    kid: Interval


class Evaluation(Frozen):
    """Figures of one model, and everything they depend on."""

    n: int
    """Images drawn."""
    seed: int
    judge_sha256: str
    data_version: str
    """DVC's md5 of the prepared data whose test split is the reference."""
    metric_version: int
    confidence: float
    """Level of all intervals."""
    fid: Interval
    kid: Interval
    floors: Floors
    digits: tuple[float, ...]
    """Share of the images that the judge takes for 0, 1, ..., 9."""
    certainty: float
    """The judge's mean probability of the digit that it chooses."""

    @property
    def fid_over_floor(self) -> float:
        """FID as a multiple of what real images score."""
        return self.fid.value / self.floors.fid.value

    def metrics(self) -> dict[str, float]:
        """Flat figures for a tracker."""
        flat = {"fid": self.fid, "kid": self.kid, "floor_fid": self.floors.fid, "floor_kid": self.floors.kid}
        figures = {name: interval.value for name, interval in flat.items()}
        bounds = {
            f"{name}_{end}": getattr(flat[name], end) for name in ("fid", "kid") for end in ("low", "high")
        }
        shares = {f"digit_{digit}_share": share for digit, share in enumerate(self.digits)}
        return (
            figures | bounds | shares | {"fid_over_floor": self.fid_over_floor, "certainty": self.certainty}
        )

    def summary(self) -> str:
        """A few lines for people."""
        shares = "  ".join(f"{digit}:{100 * share:.1f}%" for digit, share in enumerate(self.digits))
        return (
            f"FID {self.fid} = {self.fid_over_floor:.1f} x the real floor {self.floors.fid}\n"
            f"KID {self.kid}, real floor {self.floors.kid}\n"
            f"digits {shares}; judge's certainty {self.certainty:.3f}\n"
            f"{self.n:,} images, seed {self.seed}, {100 * self.confidence:.0f}% intervals, "
            f"judge {self.judge_sha256[:12]}, data {self.data_version[:12]}"
        )


class Reference(NamedTuple):
    """The test split as the judge sees it."""

    data_version: str
    features: np.ndarray
    moments: Moments
    floors: Floors


def load_reference(
    prepared: Path,
    data_version: str,
    judge: Judge,
    config: EvaluateConfig,
    *,
    cache: Path,
    report: Report = silent,
) -> Reference:
    """Judge the test split, and find the floors: ``config.samples`` training images against it.

    Floors depend on nothing but data, judge and configuration, so they are kept in ``cache``.

    Raises:
        BadInput: the train split holds fewer images than are to be compared.
    """
    features = judge.judge(load_split(prepared, "test").images, report=report).features
    moments = metrics.moments(features)
    key = f"{METRIC_VERSION} {data_version} {judge.sha256} {config.model_dump_json()}"
    kept = cache / f"floors-{sha256_bytes(key.encode())[:16]}.json"
    if kept.is_file():
        floors = Floors.model_validate_json(kept.read_bytes())
    else:
        images = load_split(prepared, "train").images
        if len(images) < config.samples:
            raise BadInput(
                f"evaluate.samples is {config.samples:,}, but the train split, which gives the floor, has {len(images):,}."
            )
        draw = np.random.Generator(np.random.Philox(key=[config.seed, 2]))
        chosen = np.sort(draw.choice(len(images), config.samples, replace=False))
        fid, kid = _distances(judge.judge(images[chosen], report=report).features, features, moments, config)
        floors = Floors(fid=fid, kid=kid)
        write_bytes(kept, floors.model_dump_json(indent=2).encode())
    return Reference(data_version, features, moments, floors)


def evaluate_images(
    images: np.ndarray, reference: Reference, judge: Judge, config: EvaluateConfig, *, report: Report = silent
) -> Evaluation:
    """Score uint8 ``images`` [n, 1, 28, 28], drawn with ``config.seed``.

    Raises:
        BadInput: fewer images than ``config.samples``, or of another shape.
    """
    if len(images) != config.samples:
        raise BadInput(f"{config.samples:,} images are to be scored, {len(images):,} were given.")
    judged = judge.judge(images, report=report)
    fid, kid = _distances(judged.features, reference.features, reference.moments, config)
    shares = np.bincount(judged.probabilities.argmax(axis=1), minlength=10) / len(images)
    return Evaluation(
        n=len(images),
        seed=config.seed,
        judge_sha256=judge.sha256,
        data_version=reference.data_version,
        metric_version=METRIC_VERSION,
        confidence=config.confidence,
        fid=fid,
        kid=kid,
        floors=reference.floors,
        digits=tuple(float(share) for share in shares),
        certainty=float(judged.probabilities.max(axis=1).mean()),
    )


def _distances(
    features: np.ndarray, reference: np.ndarray, moments: Moments, config: EvaluateConfig
) -> tuple[Interval, Interval]:
    """FID and KID of one set of features, exactly alike for generated and for real images."""
    fid = metrics.frechet_interval(
        features, moments, replicates=config.bootstrap, confidence=config.confidence, seed=config.seed
    )
    kid = metrics.kernel_interval(
        features,
        reference,
        subsets=config.kid_subsets,
        size=config.kid_subset_size,
        confidence=config.confidence,
        seed=config.seed,
    )
    return fid, kid
