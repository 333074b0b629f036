"""Draws are stratified, exact in number, and for ever the same."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ganlib.core.files import sha256_bytes
from ganlib.data.draw import held_out

LABELS = arrays.arrays(np.uint8, st.integers(1, 400), elements=st.integers(0, 9))


@given(LABELS, st.integers(2, 20), st.integers(0, 2**64 - 1))
def test_the_number_is_exact_and_each_class_gives_its_share(labels: np.ndarray, one_in: int, seed: int) -> None:
    chosen = held_out(labels, one_in, seed, 0)
    counts = np.bincount(labels)
    assert chosen.sum() == counts[counts > 1].sum() // one_in
    for label, count in enumerate(counts):
        share = chosen[labels == label].sum()
        assert count // one_in <= share <= -(-count // one_in)
        assert not count or share < count, "a class is never left without an image"


@given(LABELS, st.integers(2, 20))
def test_the_same_seed_draws_the_same(labels: np.ndarray, one_in: int) -> None:
    np.testing.assert_array_equal(held_out(labels, one_in, 7, 1), held_out(labels, one_in, 7, 1))


def test_other_seeds_and_streams_draw_others() -> None:
    labels = np.arange(1000, dtype=np.uint8) % 10
    draws = [held_out(labels, 5, seed, stream) for seed in (0, 1) for stream in (0, 1)]
    assert len({draw.tobytes() for draw in draws}) == 4


def test_a_draw_is_the_one_that_published_data_versions_were_made_with() -> None:
    draw = held_out(np.arange(1000, dtype=np.uint8) % 10, 12, 0, 0)
    assert sha256_bytes(np.packbits(draw).tobytes())[:16] == "a00eadb7a6ec2564"


def test_mnist_gives_5000_of_60000() -> None:
    counts = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
    labels = np.repeat(np.arange(10, dtype=np.uint8), counts)
    assert held_out(labels, 12, 0, 0).sum() == 5000
