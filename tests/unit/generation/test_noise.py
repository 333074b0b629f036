"""Noise that depends on (seed, i) alone."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganlib.core.errors import BadInput
from ganlib.generation.noise import BLOCK, noise_block, require_seed

seeds = st.integers(0, 2**64 - 1)
blocks = st.integers(0, 2**40)


@given(seeds, st.lists(blocks, min_size=2, max_size=4), st.integers(1, 40))
def test_a_block_is_the_same_whatever_was_drawn_before_it(seed: int, order: list[int], width: int) -> None:
    there = [noise_block(seed, block, width) for block in order]
    back = [noise_block(seed, block, width) for block in reversed(order)]
    for one, other in zip(there, reversed(back), strict=True):
        np.testing.assert_array_equal(one, other)


@given(seeds, seeds, blocks, blocks)
def test_other_seeds_and_other_blocks_give_other_noise(seed: int, seed2: int, block: int, block2: int) -> None:
    if (seed, block) != (seed2, block2):
        assert not np.any(noise_block(seed, block, 8) == noise_block(seed2, block2, 8))


@pytest.mark.parametrize("seed", [0, 2**53, 2**63 - 1, 2**63, 2**64 - 2])
def test_neighbouring_seeds_differ_however_large_they_are(seed: int) -> None:
    assert not np.any(noise_block(seed, 0, 8) == noise_block(seed + 1, 0, 8))


def test_neighbouring_blocks_and_seeds_are_uncorrelated_standard_normals() -> None:
    noise = np.concatenate([noise_block(seed, block, 64) for seed in range(8) for block in range(64)])
    assert noise.dtype == np.float32
    n = noise.size  # 2,097,152: the standard error of the mean is 0.0007
    assert abs(noise.mean()) < 4 / n**0.5
    assert abs(noise.var() - 1) < 4 * (2 / n) ** 0.5
    correlations = np.corrcoef(noise[: 8 * BLOCK]) - np.eye(8 * BLOCK)
    assert np.abs(correlations).max() < 5.5 / 64**0.5  # of 130,816 pairs of rows of 64
    assert len(np.unique(noise, axis=0)) == len(noise)


def test_the_noise_is_what_it_was_when_the_algorithm_got_its_name() -> None:
    """If this fails, every seed means other images: name a new version of the algorithm."""
    digest = hashlib.sha256(b"".join(noise_block(2**63 + 5, block, 64).tobytes() for block in (0, 7, 2**33)))
    assert digest.hexdigest() == "432d7e4b528facbfd665737bc392710a54bd12a5afcb498082ea689308a91e12"


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_outside_64_bits_is_refused(seed: int) -> None:
    with pytest.raises(BadInput, match="seed"):
        require_seed(seed)
