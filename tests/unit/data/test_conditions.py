"""Captions that are given are written as those of training were, whatever the user types."""

from __future__ import annotations

import numpy as np
import pytest

from ganlib.core.errors import BadInput
from ganlib.data import text
from ganlib.data.conditions import encode, evenly, pool


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
    assert pool(rows) == tuple(f"thing {place:03d}" for place in range(0, 400, 2))
    assert evenly(["a", "b"], 3) == ["a", "b"]
