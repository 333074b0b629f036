"""The committed judge: its file, its accuracy, what it accepts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ganlib.core.errors import BadInput, Corrupt
from ganlib.data.splits import Split, load_split
from ganlib.evaluation.judge.mnist.judge import MnistJudge, judge_path, judge_sha256, load_judge
from ganlib.evaluation.judge.mnist.net import FEATURES, JudgeNet, fold
from ganlib.evaluation.judge.mnist.train import MnistRecipe, fit, measure, store, train_mnist, warp


def test_the_judge_is_right_on_994_of_1000_test_images(prepared: Path, judge: MnistJudge) -> None:
    test = load_split(prepared, "test")
    accuracy = (judge.features(test.images).probabilities.argmax(1) == test.labels).mean()
    assert accuracy >= 0.994
    assert accuracy == pytest.approx(float(judge.facts["test_accuracy"]), abs=2e-4)


def test_the_committed_judge_is_one_small_file_named_by_its_hash() -> None:
    assert judge_path().stat().st_size < 2 << 20
    assert load_judge().sha256 == judge_sha256()
    assert judge_path().name == f"judge-{judge_sha256()}.safetensors"


def test_the_committed_judge_says_how_it_was_made(judge: MnistJudge) -> None:
    assert set(judge.facts) == {
        "architecture", "seed", "epochs", "data_version", "validation_accuracy", "test_accuracy",
    }  # fmt: skip


@pytest.mark.parametrize("place", [0, 700, -100])
def test_one_flipped_byte_in_the_judge_is_refused(tmp_path: Path, place: int) -> None:
    data = bytearray(judge_path().read_bytes())
    data[place] ^= 1
    bad = tmp_path / judge_path().name
    bad.write_bytes(data)
    with pytest.raises(Corrupt, match="git checkout") as caught:
        load_judge(bad)
    assert caught.value.expected == judge_sha256()
    assert caught.value.actual in str(caught.value)


def test_a_judge_that_is_missing_or_has_no_hash_in_its_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        load_judge(tmp_path / f"judge-{'0' * 64}.safetensors")
    with pytest.raises(BadInput, match="is not a judge"):
        load_judge(tmp_path / "judge.safetensors")


def test_a_judge_of_another_architecture_is_refused(tmp_path: Path) -> None:
    path = store(JudgeNet(folded=True), tmp_path, {"architecture": "0"})
    with pytest.raises(BadInput, match="architecture 0"):
        load_judge(path).features(np.zeros((1, 1, 28, 28), np.uint8))


def test_what_the_judge_says_of_an_image_does_not_depend_on_its_batch(judge: MnistJudge, train: np.ndarray) -> None:
    one, other = judge.features(train[:100], batch=100), judge.features(train[:100], batch=7)
    assert np.allclose(one.features, other.features, rtol=1e-4, atol=1e-4)
    assert np.allclose(one.probabilities, other.probabilities, atol=1e-5)


def test_the_same_images_give_the_same_bits(judge: MnistJudge, train: np.ndarray) -> None:
    one, other = load_judge().features(train[:600]), judge.features(train[:600])
    assert np.array_equal(one.features, other.features)


def test_features_stay_finite_far_from_any_digit(judge: MnistJudge) -> None:
    draw = np.random.default_rng(0)
    images = np.concatenate([
        np.zeros((1, 1, 28, 28), np.uint8), np.full((1, 1, 28, 28), 255, np.uint8),
        draw.integers(0, 256, (50, 1, 28, 28), dtype=np.uint8),
        255 * draw.integers(0, 2, (50, 1, 28, 28), dtype=np.uint8),
    ])  # fmt: skip
    said = judge.features(images)
    assert said.features.shape == (102, FEATURES)
    assert (said.features >= 0).all()
    assert said.features.max() < 1000
    assert np.allclose(said.probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 1, 28, 28), np.float32), np.zeros((2, 1, 27, 28), np.uint8), np.zeros((2, 3, 28, 28), np.uint8),
        np.zeros((2, 28, 28), np.uint8), np.zeros((0, 1, 28, 28), np.uint8),
    ],
)  # fmt: skip
def test_the_judge_refuses_other_types_and_shapes(judge: MnistJudge, images: np.ndarray) -> None:
    with pytest.raises(BadInput, match="uint8 images"):
        judge.features(images)


def test_images_that_are_not_numbers_are_said_to_be_broken(judge: MnistJudge) -> None:
    with pytest.raises(BadInput, match="NaN or infinity"):
        judge.features(np.full((2, 1, 28, 28), np.nan, np.float32))


def test_folding_batch_normalisation_changes_nothing() -> None:
    torch.manual_seed(0)
    net = JudgeNet(folded=False)
    images = torch.randint(0, 256, (64, 1, 28, 28), dtype=torch.uint8)
    net(images)  # moves the running statistics away from 0 and 1
    folded = fold(net)
    with torch.no_grad():
        assert torch.allclose(net(images), folded(images), atol=1e-4)
        assert torch.allclose(net.features(images), folded.features(images), atol=1e-4)


def test_the_net_is_small_enough_to_judge_ten_thousand_images_in_seconds() -> None:
    assert sum(parameter.numel() for parameter in JudgeNet(folded=True).parameters()) < 500_000


def test_warping_moves_strokes_and_keeps_the_background(train: np.ndarray) -> None:
    torch.manual_seed(0)
    images = torch.from_numpy(train[:64].astype(np.float32))
    warped = warp(images)
    assert warped.shape == images.shape
    assert warped.min() >= 0
    assert warped.max() <= 255.01  # interpolated
    assert (warped != images).flatten(1).any(dim=1).all()
    assert warped.sum().item() == pytest.approx(images.sum().item(), rel=0.05)
    assert not warp(torch.zeros(4, 1, 28, 28)).any()


def test_training_learns(train: np.ndarray, prepared: Path) -> None:
    labels = load_split(prepared, "train").labels
    split = Split(train[:1024], labels[:: len(labels) // 2000][:1024])
    net = fold(fit(split, MnistRecipe(epochs=2, batch_size=64, learning_rate=0.004, seed=3)))
    assert measure(net, split) > 0.6


def test_training_is_a_function_of_its_seed_and_the_new_judge_replaces_the_old(
    train: np.ndarray, tmp_path: Path
) -> None:
    for name in ("train", "validation", "test"):
        np.save(tmp_path / f"{name}-images.npy", train[:256, 0])
        np.save(tmp_path / f"{name}-labels.npy", np.arange(256, dtype=np.uint8) % 10)
    out = tmp_path / "weights"
    configs = [MnistRecipe(epochs=1, batch_size=128, seed=seed) for seed in (0, 0, 1)]
    first, same, other = (train_mnist(tmp_path, out, config, "md5.dir") for config in configs)
    assert first == same != other
    assert list(out.iterdir()) == [other]
    judge = load_judge(other)
    assert judge.facts["data_version"] == "md5.dir"
    assert judge.facts["seed"] == "1"
    assert judge.features(train[:10]).features.shape == (10, FEATURES)
