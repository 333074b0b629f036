"""Whole evaluations of real, broken and collapsed images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganlib.core.errors import BadInput
from ganlib.data.splits import load_split
from ganlib.evaluation import table
from ganlib.evaluation.evaluate import Evaluation, Reference, score_images
from ganlib.evaluation.judge.judge import Judge, JudgeOutput
from ganlib.evaluation.metrics import metrics
from ganlib.evaluation.reference import load_reference
from ganlib.evaluation.sample import Sample
from tests.reports import Listener
from tests.unit.evaluation.conftest import QUICK

SMEAR, GREY, SHIFT = "smeared", "noisy", "shifted by a pixel"


def scored(*arguments: Any, **more: Any) -> Evaluation:
    return score_images(*arguments, **more)[0]


@pytest.fixture(scope="module")
def real(train: np.ndarray, reference: Reference, judge: Judge) -> Evaluation:
    """Of real images that have no part in the floors' draw but by chance."""
    return scored(train, reference, judge, QUICK)


@pytest.fixture(scope="module")
def repeated(train: np.ndarray, reference: Reference, judge: Judge) -> Evaluation:
    """Of a generator that has fifty images."""
    return scored(np.repeat(train[:50], 40, axis=0), reference, judge, QUICK)


def spoilt(images: np.ndarray, how: str) -> np.ndarray:
    """``images``, a little worse: a person still sees digits."""
    if how == SMEAR:
        return sum(np.roll(images, step, axis=3) // 3 for step in (-1, 0, 1)).astype(np.uint8)
    if how == SHIFT:
        return np.roll(images, 1, axis=3)
    noise = np.random.default_rng(0).normal(0, 20, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


def test_real_images_score_at_the_floor(real: Evaluation) -> None:
    assert real.fid_over_floor < 1.5
    assert real.fid.low < real.floor_fid.high
    assert real.kid.low < real.floor_kid.high
    assert sum(real.class_shares) == pytest.approx(1)
    assert all(0.07 < share < 0.14 for share in real.class_shares)
    assert real.confidence > 0.98


def test_noise_scores_far_above(real: Evaluation, reference: Reference, judge: Judge) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2000, 1, 28, 28), dtype=np.uint8)
    bad = scored(noise, reference, judge, QUICK)
    assert bad.fid.low > 50 * real.fid.high
    assert bad.kid.low > 50 * real.kid.high


@pytest.mark.parametrize("how", [SMEAR, GREY, SHIFT])
def test_small_flaws_score_beyond_the_intervals(
    train: np.ndarray, real: Evaluation, reference: Reference, judge: Judge, how: str
) -> None:
    found = scored(spoilt(train, how), reference, judge, QUICK)
    assert found.fid.low > real.fid.high
    assert found.kid.value > real.kid.value


def test_a_collapsed_generator_shows_in_the_histogram_and_in_the_distances(
    prepared: Path, real: Evaluation, reference: Reference, judge: Judge
) -> None:
    split = load_split(prepared, "train")
    found = scored(split.images[split.labels == 7][:2000], reference, judge, QUICK)
    assert found.class_shares[7] > 0.97
    assert found.fid.low > 10 * real.fid.high


def test_a_generator_that_repeats_itself_shows_in_the_fid(real: Evaluation, repeated: Evaluation) -> None:
    assert repeated.fid.low > 2 * real.fid.high


def test_the_same_images_give_the_same_evaluation_that_survives_json_and_progress_ends_with_its_figures(
    train: np.ndarray, real: Evaluation, reference: Reference, judge: Judge
) -> None:
    told: list[tuple[int, int, object]] = []
    found = scored(
        train,
        reference,
        judge,
        QUICK,
        report=Listener(lambda stage, done, total, figures: told.append((done, total, figures))),
    )
    assert told[0][:2] == (100, 2000)
    assert told[-1] == (2000, 2000, {"fid": found.fid.value, "kid": found.kid.value})
    assert found == real
    assert Evaluation.model_validate_json(real.model_dump_json()) == real


def test_an_evaluation_says_what_it_depends_on(real: Evaluation, judge: Judge) -> None:
    assert (real.n, real.seed, real.level) == (QUICK.samples, QUICK.seed, QUICK.confidence)
    assert (real.judge_sha256, real.data_version) == (judge.sha256, "md5")


def test_the_summary_gives_figures_beside_floors_and_shares(real: Evaluation) -> None:
    lines = real.summary().splitlines()
    assert len(lines) == 5
    assert f"FID {real.fid} = {real.fid_over_floor:.1f} x the real-data floor {real.floor_fid}" == lines[0]
    assert lines[2] == real.rule
    assert f"1: {100 * real.class_shares[1]:.1f}%" in lines[3]
    assert "2,000 images, seed 20260, 95% intervals" in lines[4]


def test_metrics_are_flat_and_finite(real: Evaluation) -> None:
    flat = real.metrics()
    assert flat["fid"] == real.fid.value
    assert flat["floor_kid_high"] == real.floor_kid.high
    assert flat["class_3_share"] == real.class_shares[3]
    assert np.isfinite(list(flat.values())).all()


@pytest.mark.parametrize("count", [64, 1999, 2001])
def test_another_number_of_images_is_refused(judge: Judge, reference: Reference, count: int) -> None:
    with pytest.raises(BadInput, match=f"{count:,} were given"):
        scored(np.zeros((count, 1, 28, 28), np.uint8), reference, judge, QUICK)


def test_images_of_a_broken_generator_are_refused(judge: Judge, reference: Reference) -> None:
    with pytest.raises(BadInput, match="NaN or infinity"):
        scored(np.full((2000, 1, 28, 28), np.nan, np.float32), reference, judge, QUICK)


def test_floors_of_another_configuration_are_refused(train: np.ndarray, judge: Judge, reference: Reference) -> None:
    with pytest.raises(BadInput, match="floors do not belong"):
        scored(train, reference, judge, QUICK.model_copy(update={"seed": 1}))


def test_real_images_are_faithful_covering_balanced_and_varied_but_training_images_are_copies(real: Evaluation) -> None:
    for name in ("precision", "recall", "density", "coverage", "diversity", "score"):
        found, floor = real.figures[name], real.floors[name]
        assert abs(found.value - floor.value) < 0.1 * floor.value, name
        assert found.low <= found.value <= found.high
    assert real.figures["score"].value > 9.5
    assert real.figures["class_distance"].value < 0.05
    assert real.figures["class_excess"].value < 1.2
    assert real.figures["copies"].value == 1  # `train` is of the training split: every one of them is a copy
    assert real.figures["nearest"].value == 0
    assert real.floors["copies"].value == 0
    assert real.floors["nearest"].value > 1
    assert set(real.figures) == set(real.floors) == set(metrics())


def test_training_images_darkened_a_little_are_near_copies_and_other_real_ones_are_not(
    prepared: Path, train: np.ndarray, reference: Reference, judge: Judge
) -> None:
    def share(images: np.ndarray) -> float:
        seen = judge.features(images)
        return float(Sample(seen, reference.real, reference.ball, reference.config).copied.mean())

    assert share((train[:500] * 0.9).astype(np.uint8)) > 0.8
    assert share(load_split(prepared, "validation").images[:1000]) < 0.01


def test_collapse_shows_in_recall_coverage_diversity_and_balance(real: Evaluation, repeated: Evaluation) -> None:
    found = repeated.figures
    assert found["recall"].high < 0.5 * real.figures["recall"].low
    assert found["coverage"].high < 0.5 * real.figures["coverage"].low
    assert found["diversity"].value < real.figures["diversity"].value
    assert found["class_distance"].low > real.figures["class_distance"].high
    assert found["precision"].value > 0.8  # each of them is a real image


def test_a_judge_without_classes_gives_the_figures_that_need_none(
    train: np.ndarray, prepared: Path, judge: Judge, tmp_path: Path
) -> None:
    class Blind:
        """The same judge, who does not tell classes."""

        sha256, class_names = "b" * 64, ()

        def features(self, images: np.ndarray, **more: Any) -> JudgeOutput:
            seen = judge.features(images, **more).features
            return JudgeOutput(seen, np.empty((len(seen), 0), np.float32))

    for name, step in (("train", 25), ("test", 10)):
        for part in ("images", "labels"):
            np.save(tmp_path / f"{name}-{part}.npy", np.load(prepared / f"{name}-{part}.npy")[::step])
    blind: Any = Blind()
    bare = load_reference(tmp_path, "md5", blind, QUICK, cache=tmp_path / "cache")
    found = scored(train, bare, blind, QUICK)
    assert not [name for name in found.figures if metrics()[name].of_classes]
    assert {"fid", "kid", "precision", "diversity", "copies"} <= set(found.figures)
    assert (found.class_shares, found.confidence, found.judge_agreement) == ((), None, None)
    assert found.fid_over_floor < 1.5
    assert "no classes" in found.summary()
    assert table.text(found)


def test_the_table_shows_every_figure_beside_the_floor(real: Evaluation) -> None:
    shown = table.text(real)
    for line in table.lines(real):
        assert line.name in shown
        assert line.value in shown
    assert str(real.floor_fid) in shown
    assert "2,000 images, seed 20260" in shown
