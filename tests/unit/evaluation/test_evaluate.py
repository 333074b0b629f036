"""The judge and whole evaluations, on real MNIST."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ganlib.config import EvaluateConfig
from ganlib.data.splits import load_split
from ganlib.errors import BadInput, Corrupt
from ganlib.evaluation import evaluate
from ganlib.evaluation.judge import Judge, judge_path, judge_sha256, load_judge

QUICK = EvaluateConfig(samples=2000, bootstrap=50, kid_subsets=10, kid_subset_size=500)


@pytest.fixture(scope="module")
def prepared(checkout: Path) -> Path:
    """Real MNIST; `make test` prepares it first."""
    return checkout / "data" / "prepared"


@pytest.fixture(scope="module")
def judge() -> Judge:
    return load_judge()


@pytest.fixture(scope="module")
def reference(prepared: Path, judge: Judge, tmp_path_factory: pytest.TempPathFactory) -> evaluate.Reference:
    return evaluate.load_reference(prepared, "md5", judge, QUICK, cache=tmp_path_factory.mktemp("cache"))


def test_the_judge_is_right_on_994_of_1000_test_images(prepared: Path, judge: Judge) -> None:
    test = load_split(prepared, "test")
    accuracy = (judge.judge(test.images).probabilities.argmax(1) == test.labels).mean()
    assert accuracy >= 0.994
    assert accuracy == pytest.approx(float(judge.facts["test_accuracy"]), abs=5e-4)


def test_the_committed_judge_is_small_and_named_by_its_hash() -> None:
    assert judge_path().stat().st_size < 2 << 20
    assert judge_path().name == f"judge-{judge_sha256()}.safetensors"


def test_one_flipped_byte_in_the_judge_is_refused(tmp_path: Path) -> None:
    data = bytearray(judge_path().read_bytes())
    data[-100] ^= 1
    bad = tmp_path / judge_path().name
    bad.write_bytes(data)
    with pytest.raises(Corrupt) as caught:
        load_judge(bad)
    assert caught.value.expected == judge_sha256()
    assert caught.value.actual in str(caught.value)


def test_what_the_judge_says_of_an_image_does_not_depend_on_its_batch(prepared: Path, judge: Judge) -> None:
    images = load_split(prepared, "test").images[:100]
    one, other = judge.judge(images, batch=100), judge.judge(images, batch=7)
    assert np.allclose(one.features, other.features, atol=1e-4)


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 28, 28), np.float32), np.zeros((2, 27, 28), np.uint8), np.zeros((2, 3, 28, 28), np.uint8)],
)
def test_the_judge_refuses_other_types_and_shapes(judge: Judge, images: np.ndarray) -> None:
    with pytest.raises(BadInput, match="uint8 images"):
        judge.judge(images)


def test_real_images_score_at_the_floor_and_noise_far_above(
    prepared: Path, judge: Judge, reference: evaluate.Reference
) -> None:
    real = evaluate.evaluate_images(load_split(prepared, "train").images[:2000], reference, judge, QUICK)
    noise = np.random.default_rng(0).integers(0, 256, (2000, 1, 28, 28), dtype=np.uint8)
    bad = evaluate.evaluate_images(noise, reference, judge, QUICK)
    assert real.fid_over_floor < 2
    assert real.fid.low < real.floors.fid.high
    assert bad.fid.low > 20 * real.fid.high
    assert bad.kid.low > real.kid.high
    assert abs(sum(real.digits) - 1) < 1e-9
    assert all(0.07 < share < 0.14 for share in real.digits)


def test_a_collapsed_generator_shows_in_the_histogram(
    prepared: Path, judge: Judge, reference: evaluate.Reference
) -> None:
    train = load_split(prepared, "train")
    sevens = train.images[train.labels == 7][:2000]
    assert evaluate.evaluate_images(sevens, reference, judge, QUICK).digits[7] > 0.97


def test_the_same_images_give_the_same_evaluation(
    prepared: Path, judge: Judge, reference: evaluate.Reference
) -> None:
    images = load_split(prepared, "validation").images[:2000]
    one, other = (evaluate.evaluate_images(images, reference, judge, QUICK) for _ in range(2))
    assert one == other
    assert evaluate.Evaluation.model_validate_json(one.model_dump_json()) == one


def test_floors_are_kept_and_belong_to_one_configuration(
    prepared: Path, judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evaluate.load_reference(prepared, "md5", judge, QUICK, cache=tmp_path)
    monkeypatch.setattr(evaluate, "_distances", lambda *a: pytest.fail("floors were computed again"))
    assert evaluate.load_reference(prepared, "md5", judge, QUICK, cache=tmp_path).floors == first.floors
    with pytest.raises(pytest.fail.Exception):
        evaluate.load_reference(prepared, "md5", judge, QUICK.model_copy(update={"seed": 1}), cache=tmp_path)


def test_too_few_images_are_refused(judge: Judge, reference: evaluate.Reference) -> None:
    with pytest.raises(BadInput, match="64 were given"):
        evaluate.evaluate_images(np.zeros((64, 1, 28, 28), np.uint8), reference, judge, QUICK)
