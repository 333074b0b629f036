"""A generator that returns training images is caught, also where the test split has the same images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ganlib.config import EvaluateConfig, GateConfig
from ganlib.data.splits import Split, load_split
from ganlib.evaluation.bootstrap import Interval
from ganlib.evaluation.judge.judge import Judge, JudgeOutput
from ganlib.evaluation.metrics import metrics
from ganlib.evaluation.neighbours import beyond, nearest
from ganlib.evaluation.reference import Reference, load_reference, summarise
from ganlib.evaluation.sample import NEAR, TWIN, RealImages, Sample
from ganlib.registry.gate import decide
from tests import factories
from tests.unit.registry.test_gate import version

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
    assert reference.real.near == NEAR
    assert reference.judge_accuracy is not None
    assert reference.judge_accuracy > 0.99


def test_the_nearest_beyond_a_distance() -> None:
    others = np.array([[0.0, 0.0], [0.01, 0.0], [3.0, 4.0], [30.0, 40.0]])
    points = np.array([[0.0, 0.0], [3.0, 4.0]])
    distance, other = beyond(points, others, 0.1)
    np.testing.assert_allclose(distance, [5.0, 4.992], rtol=1e-3)
    np.testing.assert_array_equal(other, [2, 1])
    distance, other = beyond(points[:1], others[:2], 0.1)
    assert (distance, other) == (0.1, -1)


def split_of(n: int) -> tuple[RealImages, np.ndarray]:
    """``n`` images of five features as `ganlib data version` splits them, and 1,000 fresh ones."""
    test, training = n // 7, (n - n // 7) * 11 // 12
    drawn = np.random.default_rng(n).normal(size=(test + training + 1000, 5)).astype(np.float32)
    fresh, held, train = np.split(drawn, [1000, 1000 + test])
    near, none = nearest(held, train), np.zeros((training, 0))
    real = RealImages(held, train, none, np.zeros(test, np.int64), near.distance, near.back)
    return real.calibrated(), fresh


def share(real: RealImages, features: np.ndarray) -> Interval:
    seen = JudgeOutput(features, np.zeros((len(features), 0)))
    made = Sample(seen, real, np.ones(len(real.test)), EvaluateConfig(bootstrap=50))
    return summarise({"copies": metrics()["copies"].compute(made)}, 0.95)["copies"]


def refused(copied: Interval) -> bool:
    good = factories.evaluation()
    measured = good.model_copy(update={"figures": good.figures | {"copies": copied}})
    return decide(version(1, measured), None, GateConfig()).word() == "refused: memorisation"


@pytest.mark.parametrize("n", [300, 500, 50_000])
def test_a_generator_of_half_its_training_set_is_refused_and_one_of_fresh_images_is_not(n: int) -> None:
    real, fresh = split_of(n)
    half = real.train[: len(real.train) // 2]
    drawn = half[np.random.default_rng(0).integers(0, len(half), len(fresh))]
    noise = np.random.default_rng(1).normal(0, 0.02, drawn.shape).astype(np.float32)
    assert share(real, drawn).value == 1
    assert share(real, drawn + noise).value > 0.95
    assert refused(share(real, drawn + noise))
    assert refused(share(real, np.concatenate([fresh[:900], drawn[:100]])))
    assert not refused(share(real, fresh))


def test_few_test_images_do_not_make_copies_of_real_images() -> None:
    real, fresh = split_of(300)
    assert real.near < NEAR
    assert refused(share(replace(real, near=NEAR), fresh)), "as it was before"
