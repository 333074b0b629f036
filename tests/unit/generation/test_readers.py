"""The lines of docs/formats.md: each reader that it names finds the pixels, and what was asked of each image."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from glob import glob
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from ganlib.generation import formats
from ganlib.generation.batch.batch import generate
from ganlib.generation.conditions import choose, texts
from ganlib.generation.session import OnnxModel
from tests.conftest import ROOT
from tests.support import graphs
from tests.support.specs import CAPTIONS, ICONS, SHOP

COUNT, SHARD, SEED = 20, 8, 5
OUT = Path("out/million")
MODULES = "PIL.Image", "datasets", "polars", "pyarrow.parquet", "torch.utils.data", "webdataset", "zarr"
_ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \| `([^|]+)` \|", re.MULTILINE)
LINES = {(form, reader): line for form, reader, line in _ROW.findall((ROOT / "docs/formats.md").read_text())}

Rows = Iterable[tuple[int, Any, Any]]
"""Number, pixels and label or caption of each image."""


class Kind(NamedTuple):
    """What a reader is tried with."""

    model: OnnxModel
    asked: str
    """Whether labels or captions."""

    @property
    def spelling(self) -> str:
        """What WebDataset calls them."""
        return {"label": "cls", "caption": "txt"}[self.asked]


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    folder = tmp_path_factory.mktemp("kinds")
    graphs.write(folder / "grey.onnx", 1, "label")
    graphs.write(folder / "colour.onnx", 2, "caption", ICONS, CAPTIONS)
    return {
        "grey": Kind(OnnxModel(folder / "grey.onnx"), "label"),
        "colour": Kind(OnnxModel(folder / "colour.onnx"), "caption"),
    }


@pytest.fixture(scope="module", autouse=True)
def _no_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hugging Face keeps a copy of what it reads in its cache, and reports what is read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test reads what it has made itself, and not what Hugging Face's cache has of another's files."""
    monkeypatch.chdir(tmp_path)
    with suppress(ImportError):
        monkeypatch.setattr(importlib.import_module("datasets.config"), "HF_DATASETS_CACHE", tmp_path / "cache")


def planes(pixels: Any) -> np.ndarray:
    """[channels, height, width] of a picture, or of an array [height, width] or [height, width, channels]."""
    array = np.asarray(pixels)
    return array[None] if array.ndim == 2 else np.moveaxis(array, 2, 0)


def text(value: Any) -> Any:
    """A caption out of a column of byte strings, or of rows of bytes; labels as they are."""
    data = value.tobytes() if isinstance(value, np.ndarray) and value.ndim else value
    return data.rstrip(b"\0").decode() if isinstance(data, bytes) else data


def pillow(images: Iterable[Any], kind: Kind) -> Rows:
    for image in images:
        asked = image.text[f"ganlib:{kind.asked}"]
        yield int(image.text["ganlib:index"]), planes(image), int(asked) if kind.asked == "label" else asked


def pictures(rows: Any, kind: Kind) -> Rows:
    return ((row["index"], planes(row["image"]), row[kind.asked]) for row in rows)


def raw(rows: Iterable[Any], kind: Kind) -> Rows:
    dims = kind.model.spec.image.dims
    return ((row["index"], np.frombuffer(row["image"], np.uint8).reshape(dims), row[kind.asked]) for row in rows)


def samples(rows: Iterable[Any], kind: Kind) -> Rows:
    return ((row["json"]["index"], planes(row["png"]), row[kind.spelling]) for row in rows)


def arrays(shards: Iterable[Any], kind: Kind) -> Rows:
    for shard in shards:
        yield from zip(shard["index"][:], shard["image"][:], map(text, shard[kind.asked][:]), strict=True)


def batches(loader: Iterable[Any], kind: Kind) -> Rows:
    for batch in loader:
        yield from zip(batch["index"], batch["image"], batch[kind.asked], strict=True)


def pairs(loaders: Iterable[Iterable[Any]], kind: Kind) -> Rows:
    found = [pair for loader in loaders for images, asked in loader for pair in zip(images, asked, strict=True)]
    return ((index, image, text(asked)) for index, (image, asked) in enumerate(found))


def dictionaries(shards: Iterable[Any], kind: Kind) -> Rows:
    found = [row for shard in shards for row in shard]
    return ((index, np.array(row["image"]), text(row[kind.asked])) for index, row in enumerate(found))


LOOKS: dict[tuple[str, str], tuple[str, Callable[[Any, Kind], Rows]]] = {
    ("png", "Pillow"): ("both", pillow),
    ("png", "Hugging Face"): ("both", pictures),
    ("png", "torch"): ("both", batches),
    ("npy", "numpy"): ("both", arrays),
    ("npz", "numpy"): ("both", arrays),
    ("npz", "torch"): ("both", pairs),
    ("npz", "Hugging Face"): ("both", dictionaries),
    ("parquet", "pyarrow"): ("both", lambda table, kind: raw(table.to_pylist(), kind)),
    ("parquet", "Polars"): ("both", lambda table, kind: raw(table.to_dicts(), kind)),
    ("parquet", "Hugging Face"): ("both", raw),
    ("webdataset", "WebDataset, grey"): ("grey", samples),
    ("webdataset", "WebDataset, colour"): ("colour", samples),
    ("webdataset", "Hugging Face"): ("both", samples),
    ("zarr", "zarr"): ("both", arrays),
}
"""By format and reader: images of which kind it is for, and where it has what in what its line gives."""


def run(line: str) -> Any:
    """What a line gives that reads all of a job; of one that reads a file, a list of what it gives for each."""
    for module in MODULES:
        if f"{module}." in line:
            pytest.importorskip(module, reason=f"no {module}: make install")
    names = {module.partition(".")[0] for module in MODULES if f"{module}." in line}
    scope = {"np": np, "glob": glob, **{name: importlib.import_module(name) for name in names}}
    if "path" not in line:
        return eval(line, scope)  # noqa: S307  (the page's own)
    paths = sorted(OUT.rglob("*.png")) or [path for path in sorted(OUT.glob("shard-*")) if path.suffix != ".sha256"]
    return [eval(line, scope | {"path": path}) for path in paths]  # noqa: S307


def test_each_reader_that_the_page_names_is_tried() -> None:
    assert LINES.keys() == LOOKS.keys()
    assert {form for form, _ in LINES} == set(formats.names())


@pytest.mark.parametrize(
    ("form", "reader", "name"),
    [(*row, name) for row, (which, _) in LOOKS.items() for name in ("grey", "colour") if which in (name, "both")],
)
def test_the_page_s_line_finds_pixels_and_what_was_asked(
    kinds: dict[str, Kind], form: str, reader: str, name: str
) -> None:
    kind = kinds[name]
    generate(kind.model, out=OUT, count=COUNT, seed=SEED, shard_size=SHARD, file_format=form)
    line = LINES[form, reader].replace('"label"', f'"{kind.asked}"')
    found = sorted(LOOKS[form, reader][1](run(line), kind), key=lambda row: int(row[0]))
    assert [int(index) for index, _, _ in found] == list(range(COUNT))
    np.testing.assert_array_equal(np.stack([image for _, image, _ in found]), kind.model.images(SEED, 0, COUNT))
    rows = kind.model.request(SEED, choose(kind.model)).rows(kind.model.noise_dim, 0, COUNT)[kind.asked]
    assert [asked for _, _, asked in found] == (rows.tolist() if kind.asked == "label" else texts(rows))


def test_hugging_face_reads_the_formats_whose_pattern_is_in_the_card() -> None:
    loaded = {form for (form, _), line in LINES.items() if "load_dataset" in line}
    assert loaded == {form for form in formats.names() if formats.load(form).data_files}


@pytest.mark.parametrize("count", [1, COUNT])
@pytest.mark.parametrize("words", [("out/million",), ("imagefolder", None, "out/million")])
def test_hugging_face_takes_no_shard_for_a_class(tmp_path: Path, count: int, words: tuple[str, ...]) -> None:
    datasets = pytest.importorskip("datasets", reason="no datasets: make install")
    graphs.write(tmp_path / "plain.onnx", 3, None, SHOP)
    generate(OnnxModel(tmp_path / "plain.onnx"), out=OUT, count=count, seed=SEED, shard_size=SHARD)
    rows = datasets.load_dataset(*words, split="train")
    assert rows.column_names == ["image", "index"]
    assert sorted(rows["index"]) == list(range(count))


def test_hugging_face_finds_the_names_of_classes(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="no datasets: make install")
    graphs.write(tmp_path / "named.onnx", 3, "label", SHOP)
    generate(OnnxModel(tmp_path / "named.onnx"), out=OUT, count=COUNT, seed=SEED, shard_size=SHARD)
    rows = datasets.load_dataset("out/million", split="train")
    assert rows["label"][:] == [int(image.text["ganlib:label"]) for image in rows["image"]]
    assert rows["class"][:] == [SHOP.class_names[label] for label in rows["label"]]


@pytest.mark.parametrize("form", ["png", "parquet", "webdataset"])
def test_hugging_face_gives_no_batch_for_another_of_the_same_name(
    kinds: dict[str, Kind], tmp_path: Path, form: str
) -> None:
    datasets = pytest.importorskip("datasets", reason="no datasets: make install")
    for count in (3, 4):
        place = tmp_path / str(count) / "batch"
        generate(kinds["grey"].model, out=place, count=count, seed=SEED, shard_size=2, file_format=form)
        assert len(datasets.load_dataset(str(place), split="train")) == count


def test_metadata_name_each_file_and_what_was_asked_of_it(kinds: dict[str, Kind]) -> None:
    generate(kinds["grey"].model, out=OUT, count=COUNT, seed=SEED, shard_size=SHARD, start=2**40)
    rows = [json.loads(line) for file in sorted(OUT.glob("*/metadata.jsonl")) for line in file.read_text().splitlines()]
    assert [list(row) for row in rows] == [["file_name", "index", "label"]] * COUNT
    assert [(row["file_name"], row["index"]) for row in rows] == [(f"{n}.png", n) for n in range(2**40, 2**40 + COUNT)]
