"""Clipped density and coverage, by hand and against the code of their authors."""

from __future__ import annotations

import numpy as np
import pytest

from ganlib.config import EvaluateConfig
from ganlib.evaluation.judge.judge import JudgeOutput
from ganlib.evaluation.metrics import clipped_coverage, clipped_density, coverage
from ganlib.evaluation.neighbours import radii
from ganlib.evaluation.sample import RealImages, Sample
from tests.unit.evaluation.conftest import skewed

LINE = np.array([[0.0], [1.0], [3.0], [7.0]])  # to the next one: 1, 1, 2, 4; the median is 1.5


def sample(test: np.ndarray, features: np.ndarray, k: int) -> Sample:
    """``features`` beside the real ones ``test``."""
    far, none = np.ones(len(test)), np.zeros((len(features), 0))
    real = RealImages(test, test, none, np.zeros(len(test), np.int64), far, far)
    return Sample(JudgeOutput(features, none), real, radii(test, k), EvaluateConfig(bootstrap=50, neighbours=k))


def both(test: np.ndarray, features: np.ndarray, k: int) -> tuple[float, float]:
    made = sample(test, features, k)
    return clipped_density.compute(made)[0], clipped_coverage.compute(made)[0]


@pytest.mark.parametrize(
    ("images", "value"),
    [
        (
            (0.5, 20, 30, 40),
            0.25 / 0.5,
        ),  # 0.5 is in the balls of 0 and 1, and counts once; so do 0 and 1 of the real ones
        ((0.5, 5, 30, 40), 0.25 / 0.5),  # 5 is in the ball of 7 before it is cut to the median
        ((0.5, 0.6, 0.7, 40), 1),  # more than real ones have
    ],
)
def test_clipped_density_by_hand(images: tuple[float, ...], value: float) -> None:
    assert both(LINE, np.array(images)[:, None], 1)[0] == pytest.approx(value)


def test_what_images_like_the_real_ones_fill_by_hand() -> None:
    # E[1 - (1 - p)^m], p of Beta(1, 3); then E[min(B, 2)] / 2, p of Beta(2, 2): 3 images leave a ball empty with 0.2
    # and put one into it with 0.3
    assert clipped_coverage.expected(4, 2, 1) == pytest.approx([0, 1 / 4, 2 / 5])
    assert clipped_coverage.expected(4, 3, 2) == pytest.approx([0, 0, 0.5, 0.65])


@pytest.mark.parametrize(("images", "value"), [((60, 70, 80), 0), ((0.5, 60, 70), 3 / 4), ((0.5, 2.9, 8), 1)])
def test_clipped_coverage_by_hand(images: tuple[float, ...], value: float) -> None:
    """Of five balls 0, 2 and 5 have an image; 1, 2 and 3 real ones reach 1/5, 1/3 and 3/7 of them."""
    assert both(np.append(LINE, [[20.0]], axis=0), np.array(images)[:, None], 1)[1] == pytest.approx(value)


@pytest.mark.parametrize(
    ("real", "fake", "shift", "k", "theirs"),
    [
        (1100, 1300, 0.0, 5, (0.9491820396797773, 0.9907763259031515)),
        (1100, 1300, 0.3, 5, (0.25896275670031327, 0.31206764027671025)),
        (200, 90, 0.1, 3, (0.7465963987703118, 0.7142857142857143)),
        (1100, 1300, 5.0, 5, (0.0, 0.0)),
    ],
)
def test_they_are_those_of_the_authors_code(
    real: int, fake: int, shift: float, k: int, theirs: tuple[float, float]
) -> None:
    """What nicolassalvy/ClippedDensityCoverage, commit 9920dae, gives for the same features."""
    assert both(skewed(real, 32, 1), skewed(fake, 32, 2, shift), k) == pytest.approx(theirs, rel=1e-9)


def test_they_are_the_share_of_good_images_where_one_outlier_covers_much_by_the_plain_form() -> None:
    real, good = skewed(500, 8, 1), skewed(500, 8, 2)
    bad = np.where(np.arange(500)[:, None] % 2, good, 50)
    assert both(real, good, 5) == pytest.approx((1, 1), abs=0.05)
    assert both(real, bad, 5) == pytest.approx((0.5, 0.5), abs=0.05)
    assert coverage.compute(sample(real, bad, 5))[0] > 0.8
