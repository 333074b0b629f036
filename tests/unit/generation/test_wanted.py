"""What is asked of a conditional model: by image number, recorded, and refused where it makes no sense."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganlib.config import ExportConfig
from ganlib.core.errors import BadInput
from ganlib.export.contract import Contract, TensorType
from ganlib.export.onnx import export
from ganlib.generation.batch.batch import generate
from ganlib.generation.session import OnnxModel
from ganlib.generation.wanted import wanted

NOISE = TensorType(dtype="float32", dims=(None, 2))
PLAIN = Contract(inputs={"noise": NOISE})
LABELLED = Contract(inputs={"noise": NOISE, "label": TensorType(dtype="int64", dims=(None,))})


class Painter(nn.Module):
    """All of an image is as bright as its label says; a little noise is in the first pixel."""

    def forward(self, noise: Tensor, label: Tensor) -> Tensor:
        images = (label.float() / 5 - 1).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)
        return torch.cat([images[:, :, :1] + noise[:, :1, None, None].tanh() * 0.01, images[:, :, 1:]], dim=2)


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    path = tmp_path_factory.mktemp("painter") / "g.onnx"
    export(Painter(), 2, path, ExportConfig(parity_batches=(1, 2, 7)), {}, condition="label")
    return OnnxModel(path)


def digits(images: np.ndarray) -> list[int]:
    return [round(float(value) / 25.5) for value in images[:, 0, 20, 20]]


def test_each_image_has_the_label_of_its_number_wherever_the_stretch_begins(painter: OnnxModel) -> None:
    assert digits(painter.images(0, 61, 12, wanted(LABELLED, "balanced"))) == [(61 + k) % 10 for k in range(12)]
    assert digits(painter.images(0, 0, 5, wanted(LABELLED, "7"))) == [7] * 5


def test_labels_that_nobody_chose_are_uniform_and_a_function_of_seed_and_number(painter: OnnxModel) -> None:
    asked = wanted(LABELLED)
    codes = asked.codes(3, 5000)
    other = asked.codes(4, 5000)
    assert codes is not None
    assert other is not None
    labels = codes[:, 0]
    assert np.bincount(labels, minlength=10).min() > 400
    assert digits(painter.images(3, 0, 200)) == labels[:200].tolist() == digits(painter.images(3, 0, 200, asked))
    assert not np.array_equal(codes, other)


def test_a_file_of_labels_is_taken_line_by_line(tmp_path: Path, painter: OnnxModel) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("label\n3\n1\n4\n")
    asked = wanted(LABELLED, str(path))
    assert digits(painter.images(0, 0, 3, asked)) == [3, 1, 4]
    with pytest.raises(BadInput, match=r"labels\.csv .*: 3 labels for 4 images"):
        painter.images(0, 0, 4, asked)


@pytest.mark.parametrize(
    ("contract", "labels", "message"),
    [
        (PLAIN, "7", "takes no label: it is unconditional"),
        (LABELLED, "10", "'10' is not a digit from 0 to 9"),
        (LABELLED, "-1", "'-1' is not a digit"),
        (LABELLED, "seven", "'seven' is not a digit"),
        (LABELLED, "nowhere.csv", "cannot read the labels nowhere.csv"),
    ],
)
def test_what_makes_no_sense_is_refused(contract: Contract, labels: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        wanted(contract, labels)


def test_a_caption_for_a_model_of_labels_is_refused() -> None:
    with pytest.raises(BadInput, match="takes no caption, only a label"):
        wanted(LABELLED, None, "a seven")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("label\n1\n12\n", 3),
        ("1\n\n2\n", 2),
        ("1\nx\n", 2),
        ("a,label\nx,1\nx,y\n", 3),
        ("a,label\nx\n", 2),
        ("1,2\n", 1),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(BadInput, match=f"line {line}:"):
        wanted(LABELLED, str(tmp_path / "l.csv"))


def test_a_file_with_more_columns_has_its_labels_in_the_one_that_says_so(tmp_path: Path, painter: OnnxModel) -> None:
    (tmp_path / "l.csv").write_text("who,Label,weight\r\nann,3,0.5\r\nben,1,0.25\r\n")
    assert digits(painter.images(0, 0, 2, wanted(LABELLED, str(tmp_path / "l.csv")))) == [3, 1]


def test_a_file_with_too_few_labels_is_refused_before_anything_is_made(tmp_path: Path, painter: OnnxModel) -> None:
    (tmp_path / "l.csv").write_text("1\n" * 100)
    with pytest.raises(BadInput, match=r"100 labels for 200 images .*Nothing was made"):
        generate(
            painter, out=tmp_path / "out", count=200, seed=0, shard_size=50,
            wanted=wanted(LABELLED, str(tmp_path / "l.csv")),
        )  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_the_manifest_says_what_was_asked_and_another_wish_is_another_job(tmp_path: Path, painter: OnnxModel) -> None:
    out = tmp_path / "out"
    generate(painter, out=out, count=10, seed=0, shard_size=5)
    assert json.loads((out / "manifest.json").read_text())["condition"] == "labels uniform"
    with pytest.raises(BadInput, match="condition is labels uniform, not label 3"):
        generate(painter, out=out, count=10, seed=0, shard_size=5, wanted=wanted(LABELLED, "3"))
