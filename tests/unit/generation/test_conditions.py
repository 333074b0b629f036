"""What is asked of a conditional model: by image number, recorded, and refused where it makes no sense."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_bytes
from ganlib.data.mnist.captions import encode as encode_caption
from ganlib.data.spec import DatasetSpec
from ganlib.export.contract import Description
from ganlib.generation.batch.batch import generate
from ganlib.generation.condition_record import ConditionRecord
from ganlib.generation.conditions import ClassLabels, Condition, choose, label_of, recorded, texts
from ganlib.generation.sampling import SamplingRequest
from ganlib.generation.session import OnnxModel
from tests.support import graphs
from tests.support.described import PLAIN, WITH_CAPTION, WITH_CLASS_NAMES, WITH_LABEL, WITH_POOL, described
from tests.support.specs import CAPTIONS, CELLS, ICONS, LETTERS, SHOP


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    path = tmp_path_factory.mktemp("labelled") / "g.onnx"
    graphs.write(path, condition="label", spec=SHOP)
    return OnnxModel(path)


def labels(condition: Condition, seed: int, start: int, stop: int) -> list[int]:
    return [int(label) for label in SamplingRequest(seed, condition).rows(2, start, stop)["label"]]


# Labels


def test_each_image_has_the_label_of_its_number_wherever_the_stretch_begins() -> None:
    assert labels(choose(WITH_LABEL, "balanced"), 0, 61, 73) == [(61 + k) % 10 for k in range(12)]
    assert labels(choose(WITH_CLASS_NAMES, "balanced"), 0, 61, 73) == [(61 + k) % 3 for k in range(12)]
    assert labels(choose(WITH_LABEL, "7"), 0, 60, 70) == [7] * 10
    assert labels(choose(WITH_CLASS_NAMES, "shoe"), 0, 60, 70) == [1] * 10


def test_labels_that_nobody_chose_are_uniform_and_a_function_of_seed_and_number() -> None:
    for model, least in ((WITH_LABEL, 400), (WITH_CLASS_NAMES, 1500)):
        drawn = labels(choose(model), 3, 0, 5000)
        assert min(np.bincount(drawn, minlength=model.contract.spec.num_classes)) > least
        assert labels(choose(model, "uniform"), 3, 4000, 5000) == drawn[4000:]
        assert labels(choose(model), 4, 0, 5000) != drawn


def test_of_uneven_data_labels_that_nobody_chose_are_as_often_as_there() -> None:
    model = described("label", spec=SHOP, shares=(0.9, 0.08, 0.02))
    default = choose(model)
    assert str(default.record) == "labels data"
    drawn = labels(default, 3, 0, 5000)
    np.testing.assert_allclose(np.bincount(drawn) / 5000, (0.9, 0.08, 0.02), atol=0.01)
    assert labels(choose(model, "data"), 3, 4000, 5000) == drawn[4000:]
    assert labels(recorded(model, default.record), 3, 0, 5000) == drawn
    assert min(np.bincount(labels(choose(model, "uniform"), 3, 0, 5000))) > 1500
    assert choose(WITH_CLASS_NAMES, "data").record == choose(WITH_CLASS_NAMES).record, "about even: uniform"


def test_of_uneven_captions_those_that_nobody_chose_are_as_often_as_there() -> None:
    shares = (0.9, *[0.1 / (len(CAPTIONS) - 1)] * (len(CAPTIONS) - 1))
    default = choose(described("caption", spec=ICONS, captions=CAPTIONS, shares=shares))
    assert str(default.record) == "captions data"
    drawn = texts(np.concatenate([values for block in range(20) if (values := default.values(3, block)) is not None]))
    assert 0.85 < drawn.count(CAPTIONS[0]) / len(drawn) < 0.95


def test_the_images_are_those_of_the_labels(labelled: OnnxModel) -> None:
    rows = labelled.request(3, choose(labelled, "balanced")).rows(labelled.noise_dim, 50, 150)
    assert rows["label"].tolist() == [number % 3 for number in range(50, 150)]
    np.testing.assert_array_equal(labelled.images(3, 50, 100, choose(labelled, "balanced")), labelled.run(rows))


def test_a_class_may_be_called_by_its_number_unless_classes_are_called_by_numbers() -> None:
    assert label_of(SHOP, "1") == label_of(SHOP, "shoe") == 1
    sizes = SHOP.model_copy(update={"class_names": ("38", "1", "40")})
    assert label_of(sizes, "1") == 1
    with pytest.raises(BadInput, match="unknown class '0'"):
        label_of(sizes, "0")
    assert choose(WITH_CLASS_NAMES, "1").record == ConditionRecord(kind="labels", class_name="shoe")


def test_the_words_for_all_classes_win_over_classes_of_that_name_which_keep_their_numbers() -> None:
    odd = described("label", spec=SHOP.model_copy(update={"class_names": ("uniform", "balanced")}))
    assert choose(odd, "balanced").record == ConditionRecord(kind="labels", choice="balanced")
    assert labels(choose(odd, "1"), 0, 0, 3) == [1, 1, 1]
    assert labels(recorded(odd, choose(odd, "1").record), 0, 0, 3) == [1, 1, 1]


@pytest.mark.parametrize(
    ("model", "option", "message"),
    [
        (PLAIN, "7", "takes no label: it is unconditional"),
        (WITH_CAPTION, "7", "takes no label, only a caption"),
        (WITH_LABEL, "10", "unknown class '10'"),
        (WITH_LABEL, "-1", "unknown class '-1'"),
        (WITH_LABEL, "seven", "unknown class 'seven'"),
        (WITH_CLASS_NAMES, "Shoes", "unknown class 'Shoes'. Did you mean 'shoe'?"),
        (WITH_CLASS_NAMES, "3", "unknown class '3'"),
        (WITH_CLASS_NAMES, "balance", "Did you mean 'balanced'?"),
        (WITH_LABEL, "nowhere.csv", "cannot read the labels nowhere.csv"),
    ],
)
def test_labels_that_make_no_sense_are_refused(model: Description, option: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        choose(model, option)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_of_a_thousand_classes_the_message_lists_some() -> None:
    many = described("label", spec=SHOP.model_copy(update={"class_names": tuple(f"kind {k:03}" for k in range(1000))}))
    with pytest.raises(BadInput, match=r"Did you mean 'kind 7\d\d'\?.* \.\.\. \(1,003 in all\)\.") as caught:
        choose(many, "kind 7777")
    assert len(str(caught.value)) < 600


# Files of labels


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("label\nhat\nshoe\n", [0, 1]),
        ("shoe\nhat\n", [1, 0]),
        ("1\n0\n", [1, 0]),
        ("Wellington boot, 裏\nhat\n", [2, 0]),
        ('"Wellington boot, 裏"\nhat\n', [2, 0]),
        ('who,Class,weight\r\nann,"Wellington boot, 裏",0.5\r\nben,hat,0.25\r\n', [2, 0]),
        ("\ufefflabel\nhat\nshoe\n", [0, 1]),
    ],
)
def test_a_file_of_labels_is_taken_line_by_line(tmp_path: Path, text: str, expected: list[int]) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    condition = choose(WITH_CLASS_NAMES, str(path))
    assert labels(condition, 0, 0, 2) == expected
    assert condition.record == ConditionRecord(kind="labels", file="labels.csv", sha256=sha256_bytes(path.read_bytes()))
    condition.require(2)
    with pytest.raises(BadInput, match=r"labels of labels\.csv .*: 2 labels for 3 images"):
        condition.require(3)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("label\n1\n12\n", 3),
        ("1\n\n2\n", 2),
        ("1\nx\n", 2),
        ("a,label\nx,1\nx,y\n", 3),
        ("a,label\nx\n", 2),
        ("1,2\n", 1),
        ('1\n"2\n', 2),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(BadInput, match=f"line {line}: unknown class"):
        choose(WITH_LABEL, str(tmp_path / "l.csv"))


def test_a_file_without_a_label_is_refused(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("label\n")
    with pytest.raises(BadInput, match="has no label in it"):
        choose(WITH_LABEL, str(tmp_path / "l.csv"))


def test_where_files_are_out_of_reach_a_path_is_no_label(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("hat\n")
    with pytest.raises(BadInput, match="unknown class"):
        choose(WITH_CLASS_NAMES, str(tmp_path / "l.csv"), files=False)


def test_a_file_with_too_few_labels_is_refused_before_anything_is_made(tmp_path: Path, labelled: OnnxModel) -> None:
    (tmp_path / "l.csv").write_text("hat\n" * 100)
    condition = choose(labelled, str(tmp_path / "l.csv"))
    with pytest.raises(BadInput, match=r"100 labels for 200 images .*Nothing was made"):
        generate(labelled, out=tmp_path / "out", count=200, seed=0, shard_size=50, condition=condition)
    assert not (tmp_path / "out").exists()


# Captions


def said(condition: Condition, seed: int, stop: int) -> list[str]:
    return list(texts(SamplingRequest(seed, condition).rows(2, 0, stop)["caption"]))


def test_any_caption_is_taken_where_no_grammar_reads_it_written_as_those_of_training() -> None:
    assert said(choose(WITH_POOL, None, "  A Heart, très ROUGE! "), 0, 3) == ["a heart, très rouge!"] * 3
    assert said(choose(WITH_CAPTION, None, "Bold  THREE"), 0, 2) == ["bold three"] * 2


def test_captions_that_nobody_gave_are_those_that_the_file_keeps() -> None:
    drawn = said(choose(WITH_POOL), 3, 300)
    assert {text: drawn.count(text) > 60 for text in set(drawn)} == dict.fromkeys(CAPTIONS, True)
    assert said(choose(WITH_POOL), 3, 100) == drawn[:100]
    assert said(choose(WITH_POOL), 4, 300) != drawn


@pytest.mark.parametrize(
    ("model", "caption", "message"),
    [
        (WITH_LABEL, "a seven", "takes no caption, only a label"),
        (PLAIN, "a seven", "takes no caption: it is unconditional"),
        (WITH_CAPTION, "a dog", "names no digit"),
        (WITH_POOL, "x" * 65, "takes 65 bytes of UTF-8 and 64 fit"),
        (WITH_POOL, "裏" * 22, "takes 66 bytes of UTF-8 and 64 fit"),
        (WITH_POOL, " ", "is empty"),
    ],
)
def test_captions_that_make_no_sense_are_refused(model: Description, caption: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        choose(model, None, caption)


def test_a_file_that_keeps_no_captions_needs_one_to_be_given() -> None:
    bare = described("caption", spec=ICONS)
    choose(bare, None, "anything").require(5)
    with pytest.raises(BadInput, match="keeps no captions to draw from"):
        choose(bare).require(5)


# What a measurement takes


def test_codes_tell_class_and_attributes_where_a_measurement_knows_them() -> None:
    numbers = np.array([3, 64, 200])
    assert SamplingRequest(0, choose(WITH_LABEL, "balanced")).codes(numbers).tolist() == [  # type: ignore[union-attr]
        [3, 0, 0, 0], [4, 0, 0, 0], [0, 0, 0, 0],
    ]  # fmt: skip
    bold = SamplingRequest(0, choose(WITH_CAPTION, None, "bold 3")).codes(numbers)
    assert bold is not None
    assert bold.tolist() == [[3, 3, 0, 0]] * 3
    for model in (PLAIN, WITH_POOL):
        assert SamplingRequest(0, choose(model)).codes(numbers) is None


# The record


CONDITIONS = [
    (PLAIN, {}, {"kind": "none"}, "none"),
    (WITH_LABEL, {}, {"kind": "labels", "choice": "uniform"}, "labels uniform"),
    (WITH_CLASS_NAMES, {"labels": "balanced"}, {"kind": "labels", "choice": "balanced"}, "labels balanced"),
    (WITH_LABEL, {"labels": "7"}, {"kind": "labels", "class_name": "7"}, "label 7"),
    (WITH_CLASS_NAMES, {"labels": "hat"}, {"kind": "labels", "class_name": "hat"}, "label hat"),
    (WITH_CAPTION, {}, {"kind": "captions", "choice": "uniform"}, "captions uniform"),
    (WITH_CAPTION, {"caption": "一个粗的五"}, {"kind": "captions", "caption": "一个粗的五"}, "caption '一个粗的五'"),
    (WITH_POOL, {"caption": "it's"}, {"kind": "captions", "caption": "it's"}, 'caption "it\'s"'),
]


@pytest.mark.parametrize(("model", "options", "record", "words"), CONDITIONS)
def test_a_condition_is_kept_read_back_and_told(
    model: Description, options: dict[str, str], record: dict[str, str], words: str
) -> None:
    condition = choose(model, **options)
    assert condition.record.model_dump() == record
    assert str(condition.record) == words
    again = recorded(model, ConditionRecord.model_validate_json(json.dumps(record)))
    assert again.record == condition.record
    np.testing.assert_array_equal(again.values(1, 2), condition.values(1, 2))


@pytest.mark.parametrize("words", [words for _, _, _, words in CONDITIONS])
def test_the_words_that_manifests_had_before_are_read(words: str) -> None:
    assert str(ConditionRecord.model_validate(words)) == words


@given(st.text())
def test_any_caption_survives_as_words(caption: str) -> None:
    record = ConditionRecord(kind="captions", caption=caption)
    assert ConditionRecord.model_validate(str(record)) == record


@pytest.mark.parametrize("words", ["", "labels", "labels odd", "caption", "caption 'a", "caption b", "anything 7"])
def test_words_that_are_none_of_ours_are_refused(words: str) -> None:
    with pytest.raises(ValidationError):
        ConditionRecord.model_validate(words)


def test_a_caption_with_quotes_is_the_same_one_when_a_job_goes_on() -> None:
    caption = "a 'thin' \"seven\"\\ leaning left"
    again = recorded(WITH_CAPTION, ConditionRecord.model_validate(str(choose(WITH_CAPTION, None, caption).record)))
    np.testing.assert_array_equal(again.values(1, 2), [encode_caption(caption)] * 64)


def test_the_manifest_says_what_was_asked_and_another_wish_is_another_job(tmp_path: Path, labelled: OnnxModel) -> None:
    out = tmp_path / "out"
    generate(labelled, out=out, count=10, seed=0, shard_size=5)
    kept = json.loads((out / "manifest.json").read_text())
    assert kept["condition"] == {"kind": "labels", "choice": "uniform"}
    assert DatasetSpec.model_validate(kept["dataset"]) == SHOP
    with pytest.raises(BadInput, match="condition is labels uniform, not label hat"):
        generate(labelled, out=out, count=10, seed=0, shard_size=5, condition=choose(labelled, "hat"))


def test_ten_classes_are_drawn_alike_whatever_they_are_called() -> None:
    assert labels(choose(WITH_LABEL), 5, 0, 100) == labels(choose(described("label", spec=LETTERS)), 5, 0, 100)
    assert ClassLabels.of(LETTERS, "c").values(0, 0).tolist() == [2] * 64
    assert choose(described(spec=CELLS)).record == ConditionRecord()
