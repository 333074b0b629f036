"""Judges that are trained for a data version: a classifier where there are labels, an encoder where there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_file
from ganlib.data.spec import SIDES, DatasetSpec, ImageShape
from ganlib.evaluation.judge.card import CARD, JudgeCard, JudgeSettings, graph_path, read_card
from ganlib.evaluation.judge.classifier import balanced_order, warp
from ganlib.evaluation.judge.degradations import KINDS, DegradationCurve, degraded
from ganlib.evaluation.judge.encoder import cluster, clusters_for
from ganlib.evaluation.judge.onnx_judge import OnnxJudge, open_judge
from ganlib.evaluation.judge.own import train_own
from ganlib.evaluation.judge.own_net import FEATURES, body, fold, see, to_onnx
from ganlib.evaluation.judge.schedule import steps_for
from tests.shapes import SHAPES, UNLABELLED, drawn, prepare

SETTINGS = JudgeSettings(recipe=1, seed=0, steps=0, opset=20)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, JudgeCard]:
    """The folder of a judge of 300 labelled images, and its card."""
    folder = tmp_path_factory.mktemp("labelled")
    return folder / "judge", train_own(prepare(folder / "data", SHAPES, 300), folder / "judge", SHAPES, "md5", SETTINGS)


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, JudgeCard]:
    """The same of 200 images without labels."""
    folder = tmp_path_factory.mktemp("unlabelled")
    data = prepare(folder / "data", UNLABELLED, 200)
    return folder / "judge", train_own(data, folder / "judge", UNLABELLED, "md5", SETTINGS)


def test_a_classifier_of_three_hundred_images_knows_new_ones(labelled: tuple[Path, JudgeCard]) -> None:
    folder, card = labelled
    judge, new = open_judge(graph_path(folder, card.sha256), SHAPES), drawn(200, seed=77)
    said = judge.features(new.images)
    assert (said.probabilities.argmax(axis=1) == new.labels).mean() > 0.85
    assert said.features.shape == (200, FEATURES)
    assert (said.features >= 0).all()
    assert card.accuracy["test"] > 0.85
    assert card.balanced_accuracy is not None
    assert card.balanced_accuracy > 0.85


@pytest.mark.parametrize("which", ["labelled", "unlabelled"])
def test_fid_by_a_trained_judge_grows_with_what_is_wrong(which: str, request: pytest.FixtureRequest) -> None:
    folder, card = request.getfixturevalue(which)
    for kind, row in card.table.items():
        assert row.fids[-1] > 1.2 * row.fids[0], (kind, row.fids)
    assert card == read_card(folder)
    assert "blur" in card.text()


def test_the_files_are_named_by_what_they_hold(labelled: tuple[Path, JudgeCard]) -> None:
    folder, card = labelled
    assert {path.name for path in folder.iterdir()} == {CARD, f"judge-{card.sha256}.onnx"}
    assert sha256_file(graph_path(folder, card.sha256)) == card.sha256
    judge = open_judge(graph_path(folder, card.sha256), SHAPES)
    assert DatasetSpec.model_validate_json(judge.metadata["dataset"]) == SHAPES


def test_an_encoder_has_no_classes_and_serves_any_opener(unlabelled: tuple[Path, JudgeCard]) -> None:
    folder, card = unlabelled
    judge = open_judge(graph_path(folder, card.sha256), UNLABELLED)
    assert (card.kind, card.accuracy, judge.class_names) == ("encoder", {}, ())
    judge.require_sight(drawn(20).images)


def test_a_judge_of_one_data_set_is_refused_for_another_of_the_same_shape(labelled: tuple[Path, JudgeCard]) -> None:
    folder, card = labelled
    other = SHAPES.model_copy(update={"name": "moods", "class_names": ("glad", "sad", "so-so")})
    with pytest.raises(BadInput, match=r"trained for shapes, .* not those of moods.*ganlib judge train"):
        open_judge(graph_path(folder, card.sha256), other)


@pytest.mark.parametrize("spec", [SHAPES, UNLABELLED])
def test_the_same_data_and_seed_give_the_same_bytes_whatever_the_threads(spec: DatasetSpec, tmp_path: Path) -> None:
    data, settings = prepare(tmp_path / "data", spec, 100), SETTINGS.model_copy(update={"steps": 8})
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        torch.manual_seed(5)
        one = train_own(data, tmp_path / "one", spec, "md5", settings)
        assert torch.get_num_threads() == 2
        torch.set_num_threads(1)
        other = train_own(data, tmp_path / "other", spec, "md5", settings)
    finally:
        torch.set_num_threads(before)
    assert one == other
    assert (tmp_path / "one" / CARD).read_bytes() == (tmp_path / "other" / CARD).read_bytes()
    seeded = settings.model_copy(update={"seed": 1})
    assert train_own(data, tmp_path / "seeded", spec, "md5", seeded).sha256 != one.sha256


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("channels", [1, 3])
def test_onnxruntime_says_what_torch_says_for_every_shape(side: int, channels: int) -> None:
    spec = DatasetSpec(name="any", image=ImageShape(channels=channels, height=side, width=side), class_names=("a", "b"))
    torch.manual_seed(0)
    layers, head = body(spec.image), torch.nn.Linear(FEATURES, 2)
    images = np.random.default_rng(0).integers(0, 256, (9, *spec.image.dims), dtype=np.uint8)
    layers(torch.from_numpy(images).float() / 255)  # moves the running statistics away from 0 and 1
    with torch.no_grad():
        plain = layers.eval()(torch.from_numpy(images).float() / 255)
    folded = fold(layers)
    said = OnnxJudge(to_onnx(folded, head, spec.image, 20, {}), spec, "judge").features(images)
    assert torch.allclose(see(folded, images), plain, atol=1e-4)
    assert np.allclose(said.features, plain.numpy(), atol=1e-4)
    assert np.allclose(said.probabilities, head(plain).softmax(dim=1).detach().numpy(), atol=1e-4)


def test_a_rare_class_is_seen_by_the_root_of_its_share() -> None:
    torch.manual_seed(0)
    labels = np.array([0] * 10_000 + [1] * 40)
    order = balanced_order(labels, 6400).numpy()
    assert order.shape == (6400,)
    assert (labels[order] == 1).mean() == pytest.approx(1 / (1 + np.sqrt(250)), abs=1e-3)
    common = order[labels[order] == 0]
    assert len(set(common)) == len(common), "no image comes again before all have come"
    assert set(order[labels[order] == 1]) == set(range(10_000, 10_040))


def test_clusters_keep_together_what_looks_alike() -> None:
    torch.manual_seed(0)
    levels = np.repeat([0, 80, 160, 240], 25).astype(np.uint8)
    images = levels[:, None, None, None] + np.random.default_rng(0).integers(0, 9, (100, 1, 32, 32), dtype=np.uint8)
    found = cluster(images, 8).numpy()
    assert len(set(found)) > 3
    for place in set(found):
        assert len(set(levels[found == place])) == 1
    assert [clusters_for(images) for images in (30, 150, 1_000, 50_000)] == [2, 7, 50, 50]


def test_warping_moves_and_keeps_a_plain_background() -> None:
    torch.manual_seed(0)
    images = torch.from_numpy(drawn(16).images).float() / 255
    warped = warp(images)
    assert warped.shape == images.shape
    assert (warped != images).flatten(1).any(dim=1).all()
    assert torch.allclose(warp(torch.full((4, 3, 32, 32), 0.9)), torch.full((4, 3, 32, 32), 0.9), atol=1e-5)


def test_more_images_are_trained_on_longer_and_each_is_seen_less_often() -> None:
    counts = (200, 5_000, 60_000)
    steps = [steps_for(count) for count in counts]
    assert steps == sorted(steps)
    seen = [64 * each / count for each, count in zip(steps, counts, strict=True)]
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_degradation_of_grade_nothing_changes_nothing_and_others_keep_form(kind: str) -> None:
    images, ranks = drawn(40).images, np.arange(40)
    first, *others = KINDS[kind].grades
    assert np.array_equal(degraded(images, ranks, kind, first), images)
    for grade in others:
        changed = degraded(images, ranks, kind, grade)
        assert (changed.shape, changed.dtype) == (images.shape, np.uint8)
        assert not np.array_equal(changed, images)
        assert np.array_equal(degraded(images, ranks, kind, grade), changed)


def test_lost_classes_are_those_of_the_highest_ranks_and_copies_repeat_what_is_left() -> None:
    images = np.arange(8, dtype=np.uint8).reshape(8, 1, 1, 1) * np.ones((1, 1, 4, 4), np.uint8)
    kept = degraded(images, np.array([3, 0, 1, 2, 3, 0, 1, 2]), "lost classes", 0.5)[:, 0, 0, 0]
    assert set(kept) == {1, 2, 5, 6}
    assert len(np.unique(degraded(images, np.arange(8), "copies", 0.5)[:, 0, 0, 0])) == 4


def test_a_table_that_does_not_grow_is_warned_of() -> None:
    rows = {
        "blur": DegradationCurve(unit="", grades=(0, 1), fids=(2, 3)),
        "noise": DegradationCurve(unit="", grades=(0, 1), fids=(2, 2)),
    }
    card = JudgeCard(
        sha256="0" * 64, name="j", kind="file", dataset="d", data_version="v", accuracy={}, images=9, table=rows
    )
    (warning,) = card.warnings
    assert "does not grow with noise from 0 to 1" in warning
    assert warning in card.text()
