"""Images and captions that belong together."""

from __future__ import annotations

import math

import pytest
import torch

from ganlib.nets.text import spread
from ganlib.objectives.matching import matching_loss, neighbours


def test_vectors_that_tell_nothing_lose_the_entropy_of_a_guess() -> None:
    same = torch.ones(4, 8)
    captions = torch.arange(4).unsqueeze(1)
    assert matching_loss(same, same, captions).item() == pytest.approx(math.log(4), rel=1e-5)


def test_pairs_that_point_the_same_way_lose_next_to_nothing_and_crossed_ones_much() -> None:
    vectors, captions = spread(torch.eye(4)), torch.arange(4).unsqueeze(1)
    assert matching_loss(vectors, vectors, captions).item() < 1e-3
    assert matching_loss(vectors, vectors.roll(1, 0), captions).item() > 5


def test_images_with_the_same_caption_are_all_right() -> None:
    vectors = spread(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
    captions = torch.tensor([[7], [7], [9], [9]])
    assert matching_loss(vectors, vectors, captions).item() == pytest.approx(math.log(2), rel=1e-3)
    swapped = vectors[[1, 0, 3, 2]]
    assert matching_loss(vectors, swapped, captions).item() == pytest.approx(math.log(2), rel=1e-3)


def test_a_neighbour_is_another_one_of_the_same_group() -> None:
    assert neighbours(torch.arange(8), 4).tolist() == [1, 2, 3, 0, 5, 6, 7, 4]
    assert neighbours(torch.arange(6), 4).tolist() == [1, 2, 3, 4, 5, 0]
