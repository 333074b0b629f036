"""`ganlib registry download --card`: a folder that others' tools read, whose snippet runs without ganlib."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganlib.config import load
from ganlib.core import extras
from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_file
from ganlib.core.project import Project
from ganlib.data.spec import DatasetSpec
from ganlib.jobs.promotion.download import download_with_card
from ganlib.jobs.promotion.promote import promote
from ganlib.registry.registry import Registry
from ganlib.tracking.store import connect
from tests import factories
from tests.support import graphs
from tests.support.specs import CAPTIONS, ICONS, SHOP

pytest.importorskip("cyclonedx", reason="no extra cards: make install")

NAME = "mnist-generator"
ODD = DatasetSpec(name="odd", image=SHOP.image, class_names=("a|b", "c\nd"))


@pytest.fixture(scope="module")
def project(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Version 1 is champion and plain; 2 takes labels, and 3 captions."""
    project = factories.project(tmp_path_factory.mktemp("cards") / "project", empty_database)
    store = connect(project)
    kinds: list[dict[str, Any]] = [
        {},
        {"condition": "label", "spec": ODD},
        {"condition": "caption", "spec": ICONS, "captions": CAPTIONS},
    ]
    for number, of_graph in enumerate(kinds, 1):
        graphs.write(project.root / f"{number}.onnx", **of_graph)
        factories.registered(store, project.root / f"{number}.onnx")
        if number == 1:
            assert promote(project, load(project.params_file), "1").promoted
    return project


@pytest.fixture(scope="module")
def folder(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The champion with its card."""
    folder = tmp_path_factory.mktemp("card") / "champion"
    params = load(project.params_file, ["registry.licence=CC-BY-4.0"])
    done = download_with_card(project, params, "champion", folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(done.files)
    assert set(done.files) == {"README.md", "bom.cdx.json", "model.onnx"}
    assert (sha256_file(folder / "model.onnx"), done.version) == (done.sha256, 1)
    return folder


def run_snippet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The images that the card's own lines draw."""
    (code,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert "ganlib" not in code
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102  (as a reader would paste it)
    return names["images"]


@pytest.mark.parametrize(
    ("number", "shape"),
    [("1", (16, 1, 28, 28)), ("2", (16, 3, 32, 32)), ("3", (16, 3, 16, 16))],
    ids=["plain", "label", "caption"],
)
def test_the_card_s_own_lines_draw_images_with_plain_onnxruntime(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: str, shape: tuple[int, ...]
) -> None:
    (tmp_path / "README.md").write_text("of an earlier download")
    done = download_with_card(project, load(project.params_file), number, tmp_path)
    images = run_snippet(done.path, monkeypatch)
    assert (images.shape, images.dtype) == (shape, np.uint8)
    assert len(np.unique(images, axis=0)) > 1
    if number == "2":
        assert "\n| classes | a/b, c d |\n" in (tmp_path / "README.md").read_text(encoding="utf-8"), "no broken table"


def test_hugging_face_s_library_reads_the_header_and_all_figures(project: Project, folder: Path) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="no huggingface_hub: make install")
    card = hub.ModelCard.load(folder / "README.md")
    found = Registry(connect(project), NAME).get(1)
    assert found.evaluation
    assert (card.data.license, card.data.pipeline_tag) == ("cc-by-4.0", "unconditional-image-generation")
    results = {each.metric_type: each for each in card.data.eval_results}
    assert results.keys() == found.evaluation.figures.keys()
    fid = results["fid"]
    assert (fid.metric_value, fid.metric_args["low"], fid.metric_args["n"]) == (10.0, 9.5, 10_000)
    assert fid.dataset_revision == found.evaluation.data_version
    assert "judge" in fid.metric_name, "an FID of another judge is no rival"
    for words in (
        found.sha256, found.data_version, "| FID | 10 [9.5, 10.5] | 0.5 [0.4, 0.6] | lower |", "10,000 images",
        "**passed**, against no champion", "| graph | CC-BY-4.0 |", "Yann LeCun", "near copies of training images",
        "sha256 of `train-images-idx3-ubyte` | " + "a" * 64, f"| trained by run | {found.run_id} |",
    ):  # fmt: skip
        assert str(words) in card.content, words


def test_the_bill_of_materials_is_by_cyclonedx_s_schema_and_names_model_data_and_packages(
    project: Project, folder: Path
) -> None:
    pytest.importorskip("jsonschema", reason="no jsonschema: make install")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = (folder / "bom.cdx.json").read_text(encoding="utf-8")
    schema = JsonStrictValidator(SchemaVersion.V1_6)
    assert schema.validate_str(text) is None
    assert schema.validate_str(text.replace('"modelCard"', '"modelcard"')), "it looks at that part, too"
    bom = json.loads(text)
    model = bom["metadata"]["component"]
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", NAME, "1")
    assert model["hashes"] == [{"alg": "SHA-256", "content": sha256_file(project.root / "1.onnx")}]
    assert model["licenses"] == [{"license": {"id": "CC-BY-4.0"}}]
    parts = {part["name"]: part for part in bom["components"]}
    assert parts.keys() == {"mnist", "judge", "onnxruntime", "numpy"}
    assert parts["mnist"]["version"] == "d" * 32 + ".dir"
    assert parts["mnist"]["components"][0]["hashes"][0]["content"] == "a" * 64
    (needs,) = (each["dependsOn"] for each in bom["dependencies"] if each["ref"] == model["bom-ref"])
    assert set(needs) == {part["bom-ref"] for part in parts.values()}
    figures = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    fid = {each["slice"]: each for each in figures if each["type"] == "fid"}
    assert fid["10000 real images"]["value"] == "0.5"
    assert fid["10000 generated images"]["confidenceInterval"] == {"lowerBound": "9.5", "upperBound": "10.5"}


def test_a_folder_of_something_else_and_a_missing_extra_are_told_and_nothing_is_written(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params, out = load(project.params_file), tmp_path / "out"
    out.mkdir()
    (out / "letter.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"holds something else \(letter.txt\): nothing was changed"):
        download_with_card(project, params, "1", out)
    assert [path.name for path in out.iterdir()] == ["letter.txt"]

    def absent(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(extras, "import_module", absent)
    with pytest.raises(BadInput, match=r"pip install 'ganlib\[cards\]' \(No module named 'cyclonedx'\)"):
        download_with_card(project, params, "1", tmp_path / "other")
    assert not (tmp_path / "other").exists()
