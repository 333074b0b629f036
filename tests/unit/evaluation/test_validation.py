"""Validation while training: real images pass, collapsed ones are named."""

from __future__ import annotations

import numpy as np
import pytest

from ganlib.evaluation.judge.mnist.judge import load_judge
from ganlib.evaluation.validation import Validation, ValidationFigures


def found(**changes: object) -> ValidationFigures:
    return ValidationFigures(fid=1.0, most_frequent="3", class_excess=1.0, largest_share=0.1, diversity=0.9).model_copy(
        update=changes
    )


@pytest.fixture(scope="module")
def strokes() -> np.ndarray:
    """Images of bars, uint8 [200, 1, 28, 28]."""
    random = np.random.default_rng(0)
    images = np.zeros((200, 28, 28), np.uint8)
    for image in images:
        x, y, width, height = random.integers(2, 16, 2).tolist() + random.integers(2, 12, 2).tolist()
        image[y : y + height, x : x + width] = 255
    return images[:, None]


def test_the_real_images_are_at_no_distance_and_as_diverse_as_themselves(strokes: np.ndarray) -> None:
    same = Validation(load_judge(), strokes).of(strokes)
    assert same.fid == pytest.approx(0, abs=1e-6)
    assert same.diversity == pytest.approx(1)
    assert 0 < same.largest_share <= 1
    assert same.class_excess <= 1 + 1e-6


def test_one_image_over_and_over_is_a_collapse(strokes: np.ndarray) -> None:
    one = Validation(load_judge(), strokes).of(np.repeat(strokes[:1], 50, axis=0))
    assert one.fid > 1
    assert one.diversity == pytest.approx(0, abs=1e-6)
    assert "mode collapse" in (one.collapsed() or "")


def test_collapse_is_named_by_what_shows_it() -> None:
    assert found().collapsed() is None
    assert "51% of the samples are of class 3" in (found(class_excess=5.1, largest_share=0.51).collapsed() or "")
    assert found(most_frequent=None, class_excess=0.0, largest_share=0.0).collapsed() is None
    assert "10% of the variety" in (found(diversity=0.1).collapsed() or "")
