"""Which split each image of a source goes to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ganlib.config import DataConfig
from ganlib.core.errors import BadInput
from ganlib.data import near, twins
from ganlib.data.draw import held_out
from ganlib.data.mnist.dataset import MNIST
from ganlib.data.raw import RawData
from ganlib.data.splits import SPLITS
from ganlib.data.versioning.record import Twins

TRAIN, VALIDATION, TEST = range(3)
"""Places in ``SPLITS``."""
LEFT_OUT = 3
_VALIDATION_STREAM, _TEST_STREAM = 0, 1  # of the draws
_LARGE_GROUP = 0.01  # of the images: more that are alike would make a draw of single groups a lottery
_LARGE_GROUP_LEAST = 10


class Division(NamedTuple):
    """Where every image goes."""

    side: np.ndarray
    """uint8 [n]: a place in ``SPLITS``, or :data:`LEFT_OUT`."""
    twins: Twins | None


def divide(raw: RawData, config: DataConfig) -> Division:
    """Draw the splits. A source without a test split gives up one in ``test_one_in`` images for it first.

    Images that are the same or nearly so are on one side: draws are among groups of them, each class in proportion.
    A test split of the source's own stays as it is, and what is like it is left out of training and validation.
    MNIST is divided as it was published, whatever in it is alike. Groups of more than a hundredth of all images stay
    in training.

    Raises:
        BadInput: a split or a class's share of the training split is empty.
    """
    first = twins.firsts(raw)
    group = first if raw.spec == MNIST else near.groups(raw, first)
    own = raw.in_test if raw.in_test is not None else np.zeros(len(first), bool)
    like_test = np.zeros(len(first), bool)
    like_test[group[own]] = True
    pool = ~own & ~like_test[group]
    left_out = int((~own & ~pool).sum())
    if own.any() and not pool.any():
        raise BadInput(f"all {left_out:,} training images are in the test split, too: one of the two must be another.")
    side = np.full(len(first), LEFT_OUT, np.uint8)
    side[own] = TEST
    if raw.in_test is None:
        in_test = _draw_groups(pool, group, raw.labels, config.test_one_in, config.seed, _TEST_STREAM)
        side[in_test] = TEST
        pool &= ~in_test
    in_test = _draw_groups(pool, group, raw.labels, config.validation_one_in, config.seed, _VALIDATION_STREAM)
    side[in_test] = VALIDATION
    side[pool & ~in_test] = TRAIN
    _require_whole(raw, side, left_out)
    return Division(side, twins.count(first, group, raw.labels, left_out))


def _draw_groups(
    pool: np.ndarray, group: np.ndarray, labels: np.ndarray, one_in: int, seed: int, stream: int
) -> np.ndarray:
    """bool [n]: of ``pool``, whole groups, one in ``one_in`` of those that are not large."""
    sizes = np.bincount(group[pool], minlength=len(group))
    largest = max(_LARGE_GROUP_LEAST, int(_LARGE_GROUP * pool.sum()))
    leaders = np.flatnonzero(pool & (group == np.arange(len(group))) & (sizes <= largest))
    in_draw = np.zeros(len(group), bool)
    if len(leaders):
        in_draw[leaders] = held_out(labels[leaders], one_in, seed, stream)
    rows: np.ndarray = pool & in_draw[group]
    return rows


def _require_whole(raw: RawData, side: np.ndarray, left_out: int) -> None:
    why = f" {left_out:,} training images were left out: the test split has the same." if left_out else ""
    for place, name in enumerate(SPLITS):
        if not (side == place).any():
            raise BadInput(f"{name} split: none of {len(side):,} images is left for it; add images that differ.{why}")
    absent = np.setdiff1d(np.arange(raw.spec.num_classes), raw.labels[side == TRAIN])
    if len(absent):
        raise BadInput(f"train split: no image of class {raw.spec.class_names[absent[0]]!r}.{why}")


def classes_without(raw: RawData, side: np.ndarray) -> dict[str, list[str]]:
    """Return for validation and test the classes of which they have no image, where there are any."""
    names: dict[str, list[str]] = {}
    for place in (VALIDATION, TEST):
        absent = np.setdiff1d(np.arange(raw.spec.num_classes), raw.labels[side == place])
        if len(absent):
            names[SPLITS[place]] = [raw.spec.class_names[label] for label in absent]
    return names
