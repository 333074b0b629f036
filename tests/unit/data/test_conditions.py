"""Captions that are given are written as those of training were, whatever the user types."""

from __future__ import annotations

import numpy as np
import pytest

from ganlib.core.errors import BadInput
from ganlib.data import text
from ganlib.data.conditions import class_shares, draw, encode, evenly, pool
from tests.support.specs import SHOP


def test_a_given_caption_is_normalised_as_training_captions_are() -> None:
    wanted = encode("red square")
    for caption in ("Red  SQUARE", " red\tsquare\n", "\uff52\uff45\uff44 square"):
        np.testing.assert_array_equal(encode(caption), wanted)
    assert (wanted.shape, wanted.dtype, text.from_bytes(wanted)) == ((text.CAPTION_LEN,), np.int64, "red square")


def test_a_caption_of_nothing_or_of_too_much_is_refused() -> None:
    for caption in ("", " \n", "\0"):
        with pytest.raises(BadInput, match="is empty"):
            encode(caption)
    with pytest.raises(BadInput, match="takes 9 bytes of UTF-8 and 8 fit"):
        encode("x" * 9, 8)


def test_the_pool_is_the_distinct_captions_sorted_and_of_many_evenly_spaced_ones() -> None:
    rows = np.stack([text.to_bytes(f"thing {place:03d}") for place in range(400)] * 2)
    assert pool(rows) == (tuple(f"thing {place:03d}" for place in range(0, 400, 2)), ())
    few = np.stack([text.to_bytes(caption) for caption in ("a", "b", "a", "a", "", "a")])
    assert pool(few) == (("a", "b"), (0.8, 0.2))
    assert evenly(["a", "b"], 3) == ["a", "b"]


def test_classes_are_uneven_from_twice_an_even_share_on_or_from_half_of_one() -> None:
    def of(*counts: int) -> tuple[float, ...]:
        return class_shares(np.repeat(np.arange(len(counts)), counts), len(counts))

    assert of(100, 100, 100) == of(190, 60, 55) == ()
    assert of(100, 150, 50) == (1 / 3, 1 / 2, 1 / 6)
    assert of(200, 55, 45) == (200 / 300, 55 / 300, 45 / 300)
    assert of(6742, 5923, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949) == (), "MNIST"


def test_labels_are_drawn_by_the_shares() -> None:
    drawn = draw("label", SHOP, np.random.default_rng(0), 10_000, shares=(0.7, 0.3, 0.0))
    assert drawn.dtype == np.int64
    np.testing.assert_allclose(np.bincount(drawn, minlength=3) / 10_000, (0.7, 0.3, 0), atol=0.02)
