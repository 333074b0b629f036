"""The test split as reference: floors, and the cache they are kept in."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ganlib.config import EvaluateConfig
from ganlib.core.errors import BadInput
from ganlib.evaluation.judge.mnist.judge import MnistJudge
from ganlib.evaluation.reference import Reference, load_reference


class Counting(MnistJudge):
    """The judge, counting what it is asked."""

    def __init__(self, judge: MnistJudge) -> None:
        super().__init__(judge.sha256, judge.weights)
        self.asked = 0

    def features(self, images: np.ndarray, **options):  # type: ignore[no-untyped-def]
        self.asked += len(images)
        return super().features(images, **options)


SMALL = EvaluateConfig(samples=1000, bootstrap=50, kid_subsets=4, kid_subset_size=200)


@pytest.fixture(scope="module")
def small(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every twentieth test image and every fiftieth training image, as prepared splits."""
    folder = tmp_path_factory.mktemp("small")
    for name, step in (("train", 50), ("test", 20)):
        for part in ("images", "labels"):
            np.save(folder / f"{name}-{part}.npy", np.load(prepared / f"{name}-{part}.npy")[::step])
    return folder


@pytest.fixture(scope="module")
def filled(small: Path, judge: MnistJudge, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Reference]:
    """A cache with one entry, and what it is of."""
    cache = tmp_path_factory.mktemp("filled")
    return cache, load_reference(small, "md5", judge, SMALL, cache=cache)


@pytest.fixture
def cache(filled: tuple[Path, Reference], tmp_path: Path) -> Path:
    """A copy of that cache, to be damaged."""
    return shutil.copytree(filled[0], tmp_path / "cache")


def test_floors_are_small_and_their_intervals_hold_them(reference: Reference) -> None:
    fid, kid = reference.floors["fid"], reference.floors["kid"]
    assert 0 <= fid.low < fid.value < fid.high
    assert kid.low < kid.value < kid.high
    spread = float(np.trace(reference.real.moments.covariance))
    assert fid.value < 0.02 * spread
    assert kid.low < 0.01


def test_what_was_kept_is_used_and_is_the_same(
    small: Path, judge: MnistJudge, cache: Path, filled: tuple[Path, Reference]
) -> None:
    counting = Counting(judge)
    again = load_reference(small, "md5", counting, SMALL, cache=cache)
    assert counting.asked == 0
    assert again.floors == filled[1].floors
    assert np.array_equal(again.real.test, filled[1].real.test)


def test_what_was_kept_belongs_to_one_data_version(small: Path, judge: MnistJudge, cache: Path) -> None:
    counting = Counting(judge)
    load_reference(small, "other", counting, SMALL, cache=cache)
    assert counting.asked == 1600


@pytest.mark.parametrize("change", [{"seed": 1}, {"confidence": 0.9}, {"neighbours": 3}])
def test_floors_belong_to_one_configuration_but_real_images_are_judged_once(
    small: Path, judge: MnistJudge, cache: Path, filled: tuple[Path, Reference], change: dict[str, float]
) -> None:
    counting = Counting(judge)
    found = load_reference(small, "md5", counting, SMALL.model_copy(update=change), cache=cache)
    assert counting.asked == 0
    assert found.floors != filled[1].floors


@pytest.mark.parametrize(("name", "asked"), [("real", 1600), ("floors", 0)])
@pytest.mark.parametrize("suffix", [".json", ".npz"])
@pytest.mark.parametrize("damage", ["flipped", "torn", "gone"])
def test_a_damaged_cache_is_made_again(
    small: Path, judge: MnistJudge, cache: Path, filled: tuple[Path, Reference], name: str, asked: int,
    suffix: str, damage: str,
) -> None:  # fmt: skip
    path = next(cache.glob(f"{name}-*{suffix}"))
    data = bytearray(path.read_bytes())
    data[-3] ^= 64
    {
        "flipped": lambda: path.write_bytes(data),
        "torn": lambda: path.write_bytes(data[: len(data) // 2]),
        "gone": path.unlink,
    }[damage]()
    counting = Counting(judge)
    again = load_reference(small, "md5", counting, SMALL, cache=cache)
    assert counting.asked == asked
    assert again.floors == filled[1].floors


def test_a_train_split_smaller_than_the_samples_is_refused(small: Path, judge: MnistJudge, tmp_path: Path) -> None:
    config = SMALL.model_copy(update={"samples": 5000})
    with pytest.raises(BadInput, match=r"evaluate\.samples=1100"):
        load_reference(small, "md5", judge, config, cache=tmp_path)
