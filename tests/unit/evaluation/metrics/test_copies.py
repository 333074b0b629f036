"""A generator that returns training images is caught, also where the test split has the same images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ganlib.config import EvaluateConfig
from ganlib.data.splits import Split, load_split
from ganlib.evaluation.judge.judge import Judge
from ganlib.evaluation.neighbours import beyond
from ganlib.evaluation.reference import Reference, load_reference
from ganlib.evaluation.sample import TWIN

SMALL = EvaluateConfig(samples=1000, bootstrap=50, kid_subsets=4, kid_subset_size=200)


@pytest.fixture(scope="module")
def train(prepared: Path) -> Split:
    """Every fiftieth training image."""
    images, labels, _ = load_split(prepared, "train")
    return Split(images[::50], labels[::50])


@pytest.fixture(scope="module")
def fresh(prepared: Path) -> np.ndarray:
    """Real images that are in no split."""
    return load_split(prepared, "validation").images[::5]


def measured_against(test: Split, train: Split, judge: Judge, folder: Path) -> Reference:
    for name, part in (("train", train), ("test", test)):
        for kind, array in zip(("images", "labels"), part, strict=False):
            np.save(folder / f"{name}-{kind}.npy", array)
    return load_reference(folder, "md5", judge, SMALL, cache=folder / "cache")


def copies(images: np.ndarray, reference: Reference, judge: Judge) -> float:
    return float(reference.resampled(judge.features(images))["copies"][0])


def saved_anew(images: np.ndarray) -> np.ndarray:
    """Grey levels off by one, as a lossy file has them."""
    noise = np.random.default_rng(0).integers(-1, 2, images.shape)
    return (images.astype(int) + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("again", [lambda images: images, saved_anew], ids=["exact", "saved anew"])
@pytest.mark.parametrize("twins", [0, 400, 500])
def test_training_images_are_copies_whatever_the_test_split_shares_with_them(
    prepared: Path, train: Split, fresh: np.ndarray, judge: Judge, tmp_path: Path, twins: int, again
) -> None:  # type: ignore[no-untyped-def]
    own = load_split(prepared, "test")
    test = Split(
        np.concatenate([again(train.images[:twins]), own.images[::20][twins:]]),
        np.concatenate([train.labels[:twins], own.labels[::20][twins:]]),
    )
    found = measured_against(test, train, judge, tmp_path)
    assert copies(train.images[:1000], found, judge) > 0.99
    assert copies(saved_anew(train.images[:1000]), found, judge) > 0.95
    assert copies(fresh, found, judge) < 0.02


def test_no_image_of_mnist_is_another_saved_anew_so_that_its_figures_are_as_ever(reference: Reference) -> None:
    assert reference.real.back.min() > TWIN * reference.real.variance**0.5
    assert reference.real.apart() is reference.real
    assert reference.known > 0.99


def test_the_nearest_beyond_a_distance() -> None:
    others = np.array([[0.0, 0.0], [0.01, 0.0], [3.0, 4.0], [30.0, 40.0]])
    points = np.array([[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(beyond(points, others, 0.1), [5.0, 4.992], rtol=1e-3)
    np.testing.assert_array_equal(beyond(points[:1], others[:2], 0.1), [0.1])
