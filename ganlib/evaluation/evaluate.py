"""Score a set of generated images against the test split, beside what real images score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from ganlib.config import EvaluateConfig
from ganlib.core.errors import BadInput
from ganlib.core.progress import Report, silent
from ganlib.core.record import Record
from ganlib.data.splits import Split
from ganlib.evaluation.agreement import agreement
from ganlib.evaluation.bootstrap import Interval, pack
from ganlib.evaluation.judge.judge import Judge, doubt
from ganlib.evaluation.old_records import upgraded
from ganlib.evaluation.reference import METRIC_VERSION, Reference, load_reference, summarise

__all__ = [
    "METRIC_VERSION",
    "Delivery",
    "Evaluation",
    "Interval",
    "Reference",
    "Speedup",
    "load_reference",
    "score_images",
]

DECIDING_SAMPLES = 5000
"""Below so many images the KID decides, and not the FID, whose bias then hides what models differ in (Binkowski 2018,
section 4)."""


class Speedup(Record):
    """How many times as many images a second as another model, measured in turns with it."""

    rival: str
    """sha256 of the other model's graph."""
    value: float
    """Median of the rounds' ratios."""
    least: float
    most: float
    rounds: int
    threads: int
    images_per_second: float
    """Of the model itself: the median."""
    machine: str

    def __str__(self) -> str:
        """``3.1 [3.0, 3.3] times its images/s on one thread``."""
        threads = "one thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{self.value:.3g} [{self.least:.3g}, {self.most:.3g}] times its images/s on {threads}"


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
    speedups: tuple[Speedup, ...] = ()
    """Against other models, such as a student's teacher, as far as that was measured."""


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
    """Share of the real test images that the judge takes for their own class; None: no classes, or as above."""
    figures: dict[str, Interval]
    """By the name of the metric (:mod:`ganlib.evaluation.metrics`). A metric that is younger than the record is not
    there."""
    floors: dict[str, Interval]
    """What as many real images score by the same measure: no generator can be expected to do better."""
    class_names: tuple[str, ...] = ()
    """What the judge knows; empty: no classes."""
    class_shares: tuple[float, ...] = ()
    """Share of the images that the judge takes for each class."""
    real_class_shares: tuple[float, ...] = ()
    """The same of the test split."""
    confidence: float | None = None
    """The judge's mean probability of the class that it chooses; None: no classes."""
    agreement: dict[str, Interval] = Field(default_factory=dict)
    """Share of the images that are what was asked of a conditional model, by what was asked (``class``, ...), with
    Wilson's interval."""
    resampled: dict[str, str] = Field(default_factory=dict)
    """Bootstrap replicates of the FID and the KID, paired with those of any other model by the same measure (see
    :func:`ganlib.evaluation.bootstrap.pack`)."""
    delivery: Delivery | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_an_old_record(cls, values: Any) -> Any:
        return upgraded(values) if isinstance(values, Mapping) else values

    @property
    def fid(self) -> Interval:
        """The FID."""
        return self.figures["fid"]

    @property
    def kid(self) -> Interval:
        """The KID."""
        return self.figures["kid"]

    @property
    def floor_fid(self) -> Interval:
        """The FID of as many real images."""
        return self.floors["fid"]

    @property
    def floor_kid(self) -> Interval:
        """The KID of as many real images."""
        return self.floors["kid"]

    @property
    def deciding(self) -> str:
        """The metric that models are compared by: ``fid``, or ``kid`` of few images."""
        return "fid" if self.n >= DECIDING_SAMPLES else "kid"

    @property
    def rule(self) -> str:
        """Which figure decides between two models, for people; empty where it is the FID, as ever."""
        if self.deciding == "fid":
            return ""
        return f"of fewer than {DECIDING_SAMPLES:,} images the KID decides between two models, not the FID"

    def unlike(self, other: Evaluation) -> tuple[str, ...]:
        """Which of :data:`SETTINGS` differ: with any, differences in the figures are not the models' alone."""
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in SETTINGS}
        return tuple(name for name, (a, b) in pairs.items() if a != b and not (name in _LATER and None in (a, b)))

    def without_replicates(self) -> Evaluation:
        """Return the figures alone, for what ships: replicates are long, and are for gates, which compare versions."""
        return self.model_copy(update={"resampled": {}})

    @property
    def fid_over_floor(self) -> float:
        """FID as a multiple of what real images score."""
        return self.fid.value / self.floor_fid.value if self.floor_fid.value else float("inf")

    def is_by(self, config: EvaluateConfig, judge_sha256: str | None, data_version: str) -> bool:
        """Whether an evaluation made now, by this judge and data and by ``config`` as
        :func:`ganlib.evaluation.needs.fitted` gives it, would be by the same measure.
        """
        now = {"judge_sha256": judge_sha256, "data_version": data_version, "metric_version": METRIC_VERSION}
        return not self.unlike(self.model_copy(update=now | _settings(config)))

    def metrics(self) -> dict[str, float]:
        """Flat figures for a tracker."""
        flat: dict[str, float] = {}
        for name, figure in self.figures.items():
            flat |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
        for name, figure in self.floors.items():
            flat |= {f"floor_{name}": figure.value, f"floor_{name}_low": figure.low, f"floor_{name}_high": figure.high}
        if len(self.class_names) <= _FEW_CLASSES:
            flat |= {
                f"class_{_plain(name)}_share": share
                for name, share in zip(self.class_names, self.class_shares, strict=True)
            }
        single = {
            "fid_over_floor": self.fid_over_floor,
            "confidence": self.confidence,
            "judge_agreement": self.judge_agreement,
        }
        flat |= {name: value for name, value in single.items() if value is not None}
        flat |= {f"{name}_agreement": share.value for name, share in self.agreement.items()}
        if self.delivery:
            delivery = self.delivery.model_dump(exclude={"machine", "threads", "speedups"}, exclude_none=True)
            flat |= {"onnx_bytes" if name == "bytes" else name: float(value) for name, value in delivery.items()}
        return flat

    def classes(self, *, real: bool = False) -> str:
        """The classes with their shares, or ``real`` images' ones, for people.

        All of a few, or else the most and the least frequent ones; empty where the shares were not recorded.
        """
        shares = self.real_class_shares if real else self.class_shares
        pairs = list(zip(shares, self.class_names, strict=False))
        if len(pairs) <= _FEW_CLASSES:
            return "  ".join(f"{name}: {100 * share:.1f}%" for share, name in pairs)
        pairs.sort(reverse=True)
        ends = [f"{name}: {100 * share:.2f}%" for share, name in (*pairs[:3], *pairs[-3:])]
        return f"{'  '.join(ends[:3])} ... {'  '.join(ends[3:])} ({len(pairs)} classes)"

    def summary(self) -> str:
        """A few lines for people."""
        agreement = ", ".join(f"{name} {share}" for name, share in self.agreement.items())
        provenance = (
            f"classes {self.classes()}; the judge's mean confidence {self.confidence:.3f}\n"
            if self.confidence is not None
            else "no classes: their shares are not measured\n"
        )
        rule = f"{self.rule}\n" if self.rule else ""
        return (
            f"FID {self.fid} = {self.fid_over_floor:.1f} x the real-data floor {self.floor_fid}\n"
            f"KID {self.kid}, real-data floor {self.floor_kid}\n{rule}{provenance}"
            + (f"share that is what was asked: {agreement}\n" if agreement else "")
            + f"{self.n:,} images, seed {self.seed}, {100 * self.level:.0f}% intervals, "
            f"judge {self.judge_sha256[:12]}, data {self.data_version[:12]}" + (f"\n{self.doubt}" if self.doubt else "")
        )

    @property
    def doubt(self) -> str | None:
        """Why the judge's figures say little of such images; None if it knows them."""
        return None if self.judge_agreement is None else doubt(self.judge_agreement)


_FEW_CLASSES = 20  # have a metric each, and a place each in a line


def _plain(name: str) -> str:
    """``name`` in the letters that MLflow takes in the name of a metric."""
    return "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in name)


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
    codes: np.ndarray | None = None,
    train: Split | None = None,
    report: Report = silent,
) -> tuple[Evaluation, dict[str, np.ndarray]]:
    """Score uint8 ``images`` [n, channels, height, width], drawn with ``config.seed``.

    ``codes`` is what was asked of a conditional model, and ``train`` what its terciles are relative to; see
    :func:`ganlib.evaluation.agreement.agreement`.

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
    output = judge.features(images, report=report)
    replicates = reference.resampled(output)
    figures = summarise(replicates, config.confidence)
    report.advance("judge", len(images), len(images), {"fid": figures["fid"].value, "kid": figures["kid"].value})
    extras: dict[str, Any] = {}
    if names := reference.class_names:
        classes = output.classes
        extras = {
            "class_names": names,
            "class_shares": tuple((np.bincount(classes, minlength=len(names)) / len(images)).tolist()),
            "real_class_shares": tuple(reference.real.class_shares(len(names)).tolist()),
            "confidence": float(output.probabilities.max(axis=1).mean()),
        }
        if codes is not None and train is not None:
            extras["agreement"] = agreement(images, classes, codes, train, config.confidence)
    evaluation = Evaluation(
        **_settings(config),
        judge_sha256=judge.sha256,
        data_version=reference.data_version,
        metric_version=METRIC_VERSION,
        judge_agreement=reference.judge_accuracy,
        figures=figures,
        floors=reference.floors,
        resampled={name: pack(replicates[name][1:]) for name in ("fid", "kid")},
        **extras,
    )
    return evaluation, replicates
