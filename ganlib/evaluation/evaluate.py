"""Score a set of generated images against the test split, beside what real images score."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from ganlib.config import EvaluateConfig
from ganlib.core.errors import BadInput
from ganlib.core.progress import Report, silent
from ganlib.core.record import Record
from ganlib.data.splits import Split
from ganlib.evaluation.bootstrap import Interval
from ganlib.evaluation.judge.judge import Judge, doubt
from ganlib.evaluation.metrics.agreement import agreement
from ganlib.evaluation.metrics.quality import Quality, summarise
from ganlib.evaluation.reference import METRIC_VERSION, Reference, distances, load_reference

__all__ = ["METRIC_VERSION", "Delivery", "Evaluation", "Interval", "Reference", "load_reference", "score_images"]


class Delivery(Record):
    """What a model costs whoever runs it, and how near it is to what was trained."""

    bytes: int
    """Size of the file."""
    latency_ms: float
    """Median time of one call for one image, on one thread."""
    latency_p95_ms: float
    images_per_second: float
    """Of drawing the images that were scored, noise included, on ``threads``."""
    threads: int
    machine: str
    max_pixel_difference: int | None
    """Grey levels between torch and onnxruntime at export; None: the file carries no certificate."""
    differing_share: float | None
    """Share of pixels that differ at all."""
    mean_pixel_difference: float | None = None
    """Of a sibling in fewer bits, whose two figures above are against its parent: grey levels on the mean."""


_LATER = ("kid_subsets", "kid_subset_size", "neighbours")
SETTINGS = ("data_version", "judge_sha256", "metric_version", "n", "seed", "level", *_LATER)
"""What the figures of an :class:`Evaluation` depend on besides the model. Older ones lack the last three."""


class Evaluation(Record):
    """Figures of one model, and everything they depend on."""

    n: int
    """Images drawn."""
    seed: int
    judge_sha256: str
    data_version: str
    """DVC's md5 of the prepared data whose test split is the reference."""
    metric_version: int
    level: float = 0.95
    """Confidence level of the intervals."""
    kid_subsets: int | None = None
    kid_subset_size: int | None = None
    neighbours: int | None = None
    """As they were after :func:`ganlib.evaluation.needs.fitted`; None: measured before they were recorded."""
    judge_agreement: float | None = None
    """Share of the real test images that the judge takes for the digit of their label; None as above."""
    fid: Interval
    kid: Interval
    floor_fid: Interval
    """What as many real images score by the same measure: no generator can be expected to do better."""
    floor_kid: Interval
    digits: tuple[float, ...]
    """Share of the images that the judge takes for 0, 1, ..., 9."""
    confidence: float
    """The judge's mean probability of the digit that it chooses."""
    agreement: dict[str, Interval] = Field(default_factory=dict)
    """Share of the images that are what was asked of a conditional model, by what was asked (``digit``, ...), with
    Wilson's interval."""
    fid_resampled: str = ""
    """Bootstrap replicates of the FID, paired with those of any other model by the same measure (see
    :func:`ganlib.evaluation.bootstrap.pack`)."""
    quality: Quality | None = None
    """None: measured before there were these figures."""
    floor_quality: Quality | None = None
    delivery: Delivery | None = None

    def unlike(self, other: Evaluation) -> tuple[str, ...]:
        """Which of :data:`SETTINGS` differ: with any, differences in the figures are not the models' alone."""
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in SETTINGS}
        return tuple(name for name, (a, b) in pairs.items() if a != b and not (name in _LATER and None in (a, b)))

    @property
    def fid_over_floor(self) -> float:
        """FID as a multiple of what real images score."""
        return self.fid.value / self.floor_fid.value

    def is_by(self, config: EvaluateConfig, judge_sha256: str, data_version: str) -> bool:
        """Whether an evaluation made now, by this judge and data and by ``config`` as
        :func:`ganlib.evaluation.needs.fitted` gives it, would be by the same measure.
        """
        now = {"judge_sha256": judge_sha256, "data_version": data_version, "metric_version": METRIC_VERSION}
        return not self.unlike(self.model_copy(update=now | _settings(config)))

    def metrics(self) -> dict[str, float]:
        """Flat figures for a tracker."""
        figures = {name: getattr(self, name) for name in ("fid", "kid", "floor_fid", "floor_kid")}
        return {
            **{name: figure.value for name, figure in figures.items()},
            **{f"{name}_low": figure.low for name, figure in figures.items()},
            **{f"{name}_high": figure.high for name, figure in figures.items()},
            **{f"digit_{digit}_share": share for digit, share in enumerate(self.digits)},
            "fid_over_floor": self.fid_over_floor,
            "confidence": self.confidence,
            **({} if self.judge_agreement is None else {"judge_agreement": self.judge_agreement}),
            **{f"{name}_agreement": share.value for name, share in self.agreement.items()},
            **self._further(),
        }

    def _further(self) -> dict[str, float]:
        flat: dict[str, float] = {}
        for prefix, quality in (("", self.quality), ("floor_", self.floor_quality)):
            for name, found in quality if quality else ():
                flat |= {f"{prefix}{name}": found.value}
                flat |= {} if prefix else {f"{name}_low": found.low, f"{name}_high": found.high}
        if self.delivery:
            given = self.delivery.model_dump(exclude={"machine", "threads"}, exclude_none=True)
            flat |= {"onnx_bytes" if name == "bytes" else name: float(value) for name, value in given.items()}
        return flat

    def summary(self) -> str:
        """A few lines for people."""
        shares = "  ".join(f"{digit}: {100 * share:.1f}%" for digit, share in enumerate(self.digits))
        asked = ", ".join(f"{name} {share}" for name, share in self.agreement.items())
        return (
            f"FID {self.fid} = {self.fid_over_floor:.1f} x the real-data floor {self.floor_fid}\n"
            f"KID {self.kid}, real-data floor {self.floor_kid}\n"
            f"digits {shares}; the judge's mean confidence {self.confidence:.3f}\n"
            + (f"share that is what was asked: {asked}\n" if asked else "")
            + f"{self.n:,} images, seed {self.seed}, {100 * self.level:.0f}% intervals, "
            f"judge {self.judge_sha256[:12]}, data {self.data_version[:12]}" + (f"\n{self.doubt}" if self.doubt else "")
        )

    @property
    def doubt(self) -> str | None:
        """Why the judge's figures say little of such images; None if it knows them."""
        return None if self.judge_agreement is None else doubt(self.judge_agreement)


def _settings(config: EvaluateConfig) -> dict[str, Any]:
    """What of ``config`` an :class:`Evaluation` keeps, under its names."""
    return {
        "n": config.samples,
        "seed": config.seed,
        "level": config.confidence,
        **{name: getattr(config, name) for name in _LATER},
    }


def score_images(
    images: np.ndarray,
    reference: Reference,
    judge: Judge,
    config: EvaluateConfig,
    *,
    asked: np.ndarray | None = None,
    train: Split | None = None,
    report: Report = silent,
) -> tuple[Evaluation, dict[str, np.ndarray]]:
    """Score uint8 ``images`` [n, 1, 28, 28], drawn with ``config.seed``.

    ``asked`` is what was asked of a conditional model, and ``train`` what its terciles are relative to; see
    :func:`ganlib.evaluation.metrics.agreement.agreement`.

    Returns:
        The evaluation, and its figures with their replicates as :meth:`Reference.resampled` gives them.

    Raises:
        BadInput: not ``config.samples`` such images, or ``reference`` was made by another judge or
        configuration.
    """
    if len(images) != config.samples:
        raise BadInput(f"{config.samples:,} images are to be scored, {len(images):,} were given.")
    if (reference.judge_sha256, reference.config) != (judge.sha256, config):
        raise BadInput("the reference was made by another judge or configuration: its floors do not belong here.")
    judged = judge.features(images, report=report)
    resampled = reference.resampled(judged)
    found, quality = distances(resampled, config.confidence), summarise(resampled, config.confidence)
    report.advance("judge", len(images), len(images), {"fid": found.fid.value, "kid": found.kid.value})
    digits = judged.probabilities.argmax(axis=1)
    shares = np.bincount(digits, minlength=10) / len(images)
    agrees = {}
    if asked is not None and train is not None:
        agrees = agreement(images, digits, asked, train, config.confidence)
    made = Evaluation(
        **_settings(config),
        judge_sha256=judge.sha256,
        data_version=reference.data_version,
        metric_version=METRIC_VERSION,
        judge_agreement=reference.known,
        fid=found.fid,
        kid=found.kid,
        floor_fid=reference.floors.distances.fid,
        floor_kid=reference.floors.distances.kid,
        digits=tuple(float(share) for share in shares),
        confidence=float(judged.probabilities.max(axis=1).mean()),
        agreement=agrees,
        fid_resampled=found.fid_resampled,
        quality=quality,
        floor_quality=reference.floors.quality,
    )
    return made, resampled
