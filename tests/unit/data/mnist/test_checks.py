"""Splits that nobody should train on are refused with a reason."""

from __future__ import annotations

import numpy as np
import pytest

from ganlib.core.errors import BadInput
from ganlib.data.mnist.checks import check
from ganlib.data.splits import Split
from tests.unit.data.builders import digits


def test_fair_dark_backed_digits_pass() -> None:
    check("train", digits(100))


def test_absent_digits_are_named() -> None:
    images, labels, _ = digits(100)
    labels = np.where((labels == 3) | (labels == 8), 1, labels)
    with pytest.raises(BadInput, match="train split: no image of digit 3, 8 among 100"):
        check("train", Split(images, labels))


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(BadInput, match="no image of digit 0"):
        check("validation", Split(np.zeros((0, 1, 28, 28), np.uint8), np.zeros(0, np.int64)))


def test_a_digit_that_dominates_is_named_with_its_share() -> None:
    images, labels, _ = digits(200)
    labels[np.flatnonzero(labels > 3)[::2][:50]] = 1
    with pytest.raises(BadInput, match=r"digit 1 is 35\.0% of 200 images; between 2% and 30%"):
        check("train", Split(images, labels))


def test_a_digit_that_hardly_occurs_is_named_with_its_share() -> None:
    images, labels, _ = digits(1000)
    rare = np.flatnonzero(labels == 5)[10:]
    labels[rare] = np.arange(len(rare)) % 5
    with pytest.raises(BadInput, match=r"digit 5 is 1\.0% of 1,000 images"):
        check("train", Split(images, labels))


@pytest.mark.parametrize("level", [0, 255])
def test_an_image_of_one_grey_level_is_named_by_its_index(level: int) -> None:
    images, labels, _ = digits(100)
    images[[17, 40]] = level
    with pytest.raises(BadInput, match=rf"2 of 100 images are of one grey level only, first image 17 \(all {level}\)"):
        check("train", Split(images, labels))


def test_dark_digits_on_a_light_ground_are_refused() -> None:
    images, labels, _ = digits(100)
    with pytest.raises(BadInput, match="mean grey level 255; digits must be light on a dark background"):
        check("test", Split(255 - images, labels))
