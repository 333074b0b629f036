"""Drift of real images: what is of one set is not said to drift, and what is of another is."""

from __future__ import annotations

import numpy as np
import pytest

from ganlib.core.errors import BadInput
from ganlib.evaluation import data_drift as module
from ganlib.evaluation.data_drift import data_drift


def features(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Skewed, as a judge's are."""
    return np.random.default_rng(seed).gamma(2, 1, (n, 8)) + shift


def test_images_of_the_same_set_do_not_drift_and_of_another_one_do() -> None:
    old = features(200, 0)
    same, other = data_drift(features(30, 1), old), data_drift(features(30, 2, 0.8), old)
    assert not same.is_drift
    assert same.low < same.kid < same.high
    assert other.is_drift
    assert other.kid > other.high > other.low
    assert str(other).startswith(f"KID {other.kid:.3g} of 30 new images to the training images, outside what chance")
    assert data_drift(features(30, 2, 0.8), old) == other


def test_false_alarms_are_as_rare_as_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a rate of one in ten, which 100 pairs of sets can show: of 10 expected, 19 or more would be 3 in 1,000."""
    monkeypatch.setattr(module, "FALSE_ALARMS", 0.1)
    monkeypatch.setattr(module, "DRAWS", 99)
    alarms = sum(data_drift(features(20, 2 * k), features(40, 2 * k + 1)).is_drift for k in range(100))
    assert 2 <= alarms <= 18


def test_of_large_sets_a_part_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_NEW", 25)
    monkeypatch.setattr(module, "MOST_OLD", 60)
    assert data_drift(features(500, 1), features(900, 2)).images == 25


def test_few_images_say_nothing() -> None:
    with pytest.raises(BadInput, match="20 images of each set at least, not 19 and 40"):
        data_drift(features(19, 0), features(40, 1))
