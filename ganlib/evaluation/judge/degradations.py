"""What is done to real images to see whether a judge notices: each in grades, from nothing to much."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ganlib.core.progress import Report, silent
from ganlib.core.record import Record
from ganlib.evaluation.distances import frechet_distance, moments
from ganlib.evaluation.judge.judge import Judge

IMAGES = 1000
"""At most so many real images: every other one is degraded, the rest is what it is held against."""
_KEY = 0x64656772  # "degr": the noise is no user's seed


class DegradationCurve(Record):
    """How FID answers to one degradation."""

    unit: str
    """What the grades count."""
    grades: tuple[float, ...]
    """From nothing on."""
    fids: tuple[float, ...]
    """Of the degraded images to other real ones, a grade each."""

    @property
    def flat(self) -> list[tuple[float, float]]:
        """Pairs of neighbouring grades of which the worse one is no further from real images; empty of a good judge."""
        return [
            pair for pair, (less, more) in zip(pairwise(self.grades), pairwise(self.fids), strict=True) if more <= less
        ]


class _Kind(NamedTuple):
    unit: str
    grades: tuple[float, ...]
    degrade: Callable[[np.ndarray, np.ndarray, float], np.ndarray]
    """From uint8 images [n, channels, height, width], ranks [n] and a grade to as many images."""


def degraded(images: np.ndarray, ranks: np.ndarray, kind: str, grade: float) -> np.ndarray:
    """Return uint8 ``images`` [n, channels, height, width] after the degradation ``kind`` of :data:`KINDS`.

    Args:
        images: real ones.
        ranks: numbers [n] by which images are lost, the highest first: labels, or what else sorts like to like.
        kind: its name.
        grade: how much, in the unit of the kind; 0 changes nothing.
    """
    return KINDS[kind].degrade(images, ranks, grade)


def graded(judge: Judge, images: np.ndarray, ranks: np.ndarray, report: Report = silent) -> dict[str, DegradationCurve]:
    """Return how FID by ``judge`` answers to each of :data:`KINDS`, done to every other one of real ``images``.

    ``ranks`` are as in :func:`degraded`. The images at all grades are the same ones, so that only the grade differs.
    """
    real, sample, order = moments(judge.features(images[::2]).features), images[1::2], ranks[1::2]
    done, total = 0, sum(len(kind.grades) for kind in KINDS.values())
    grades = {}
    for name, kind in KINDS.items():
        fids = []
        for grade in kind.grades:
            features = judge.features(degraded(sample, order, name, grade)).features
            fids.append(float(f"{frechet_distance(moments(features), real):.6g}"))
            done += 1
            report.advance("card of the judge", done, total)
        grades[name] = DegradationCurve(unit=kind.unit, grades=kind.grades, fids=tuple(fids))
    return grades


def _pixels(images: np.ndarray, grade: float) -> float:
    """A grade that is given in percent of the side, in pixels."""
    return grade * float(images.shape[-1]) / 100


def _blur(images: np.ndarray, _: np.ndarray, grade: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    sigma = _pixels(images, grade)
    return _bytes(gaussian_filter(images.astype(np.float32), (0, 0, sigma, sigma), mode="nearest"))


def _noise(images: np.ndarray, _: np.ndarray, grade: float) -> np.ndarray:
    random = np.random.Generator(np.random.Philox(key=_KEY))
    return _bytes(images + grade * random.standard_normal(images.shape, np.float32))


def _shift(images: np.ndarray, _: np.ndarray, grade: float) -> np.ndarray:
    pixels = round(_pixels(images, grade))
    canvas = np.pad(images, ((0, 0), (0, 0), (0, 0), (pixels, 0)), mode="edge")
    return canvas[..., : images.shape[-1]]


def _lost(images: np.ndarray, ranks: np.ndarray, grade: float) -> np.ndarray:
    rows = np.argsort(ranks, kind="stable")[: max(1, round((1 - grade) * len(images)))]
    return _repeated(images[np.sort(rows)], len(images))


def _copies(images: np.ndarray, _: np.ndarray, grade: float) -> np.ndarray:
    return _repeated(images[: max(1, round((1 - grade) * len(images)))], len(images))


def _repeated(images: np.ndarray, count: int) -> np.ndarray:
    """``count`` images: these, over and over."""
    copies: np.ndarray = images[np.arange(count) % len(images)]
    return copies


def _bytes(images: np.ndarray) -> np.ndarray:
    levels: np.ndarray = images.round().clip(0, 255).astype(np.uint8)
    return levels


KINDS: Mapping[str, _Kind] = {
    "blur": _Kind("sigma in percent of the side", (0, 2, 4, 8), _blur),
    "noise": _Kind("standard deviation in grey levels", (0, 8, 24, 64), _noise),
    "shift": _Kind("percent of the side", (0, 4, 8, 16), _shift),
    "lost classes": _Kind("share that is missing, class after class", (0, 0.25, 0.5, 0.75), _lost),
    "copies": _Kind("share of the images that is a copy of another", (0, 0.5, 0.8, 0.95), _copies),
}
"""By name, from the mildest grade to the worst."""
