"""Is an image what was asked for?"""

from __future__ import annotations

import numpy as np
import pytest

from ganlib.data.mnist.attributes import Scale, measure
from ganlib.data.splits import Split
from ganlib.evaluation.agreement import agreement, share


def bars(count: int, seed: int = 0) -> Split:
    """Upright bars of 3 to 9 pixels; classes go round."""
    random = np.random.default_rng(seed)
    images = np.zeros((count, 28, 28), np.uint8)
    for image, width in zip(images, random.integers(3, 10, count), strict=True):
        image[4:24, 14 - width // 2 : 14 - width // 2 + width] = 255
    return Split(images[:, None], np.arange(count) % 10)


def test_a_share_has_wilsons_interval() -> None:
    found = share(np.array([True] * 90 + [False] * 10), 0.95)
    assert found.value == 0.9
    assert (found.low, found.high) == pytest.approx((0.8256, 0.9448), abs=1e-4)  # Wilson 1927
    assert share(np.ones(100, bool), 0.95).high == 1.0


def test_terciles_are_counted_where_they_were_asked_for_and_only_there() -> None:
    train, drawn = bars(900), bars(300, seed=1)
    terciles = 1 + Scale.fit(measure(train.images[:, 0]), train.labels).terciles(
        measure(drawn.images[:, 0]), drawn.labels
    )
    asked = np.zeros((300, 4), np.int64)
    asked[:, 0] = drawn.labels
    asked[:100, 1] = terciles[:100, 0]
    found = agreement(drawn.images, drawn.labels, asked, train, 0.95)
    assert set(found) == {"class", "thickness"}
    assert found["class"].value == found["thickness"].value == 1.0
    asked[:50, 1] = terciles[:50, 0] % 3 + 1
    assert agreement(drawn.images, drawn.labels, asked, train, 0.95)["thickness"].value == 0.5


def test_without_terciles_only_the_class_is_judged() -> None:
    drawn = bars(20)
    asked = np.pad(drawn.labels[:, None].astype(np.int64), ((0, 0), (0, 3)))
    wrong = (drawn.labels + 1) % 10
    found = agreement(drawn.images, np.where(drawn.labels < 5, drawn.labels, wrong), asked, drawn, 0.95)
    assert {name: interval.value for name, interval in found.items()} == {"class": 0.5}
