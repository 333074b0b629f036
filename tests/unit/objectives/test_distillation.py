"""How far a student's images are from its teacher's."""

from __future__ import annotations

import pytest
import torch

from ganlib.objectives.distillation import feature_distance, pixel_distance


def test_pixels_are_held_against_each_other_one_by_one() -> None:
    images, targets = torch.tensor([[0.0, 1.0], [-1.0, 0.5]]), torch.tensor([[0.5, 1.0], [1.0, 0.0]])
    assert pixel_distance(images, targets).item() == pytest.approx((0.5 + 0 + 2 + 0.5) / 4)


def test_features_are_held_against_what_there_is_of_them_level_by_level() -> None:
    theirs = [torch.tensor([2.0, -2.0]), torch.tensor([100.0, 300.0])]
    ours = [torch.tensor([2.0, -1.0]), torch.tensor([50.0, 300.0])]
    assert feature_distance(ours, theirs).item() == pytest.approx(((0.5 / 2) + (25 / 200)) / 2)
    tenfold = [[10 * each for each in levels] for levels in (ours, theirs)]
    assert feature_distance(*tenfold).item() == pytest.approx(feature_distance(ours, theirs).item())


def test_equal_features_are_no_distance_even_where_there_are_none() -> None:
    assert feature_distance([torch.zeros(3)], [torch.zeros(3)]).item() == 0


def test_what_was_drawn_in_half_precision_is_held_against_in_full() -> None:
    half = torch.tensor([1.0, 2.0], dtype=torch.bfloat16)
    assert pixel_distance(half, torch.tensor([1.0, 2.0])).dtype == torch.float32
