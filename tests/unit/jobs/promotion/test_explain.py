"""An image is walked back to where it came from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from ganlib.config import Params
from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_file
from ganlib.core.project import Project
from ganlib.jobs.images.generate import generate
from ganlib.jobs.images.request import GenerateRequest
from ganlib.jobs.promotion.explain import Explanation, explain
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.registry import CHALLENGER, Registry
from ganlib.tracking.store import connect
from tests import factories

NAME = "mnist-generator"


def found(explanation: Explanation) -> dict[str, dict[str, object]]:
    return {link.what: dict(link.found) for link in explanation.links}


def test_an_image_is_walked_back_to_its_sources_and_to_who_promoted_its_model(made: Project, params: Params) -> None:
    image = made.root / "images" / "shard-00000" / "00000002.png"
    done = explain(made, params, str(image))
    facts = found(done)
    assert [link.what for link in done.links] == [
        *("image", "manifest", "model", "version", "run", "source", "data", "checksums", "promotion"),
    ]
    assert done.consistent
    assert facts["image"]["index"] == "2"
    assert facts["manifest"]["version"] == 1
    assert facts["model"]["sha256"] == facts["image"]["model_sha256"] == sha256_file(made.root / "1.onnx")
    assert facts["version"]["version"] == 1
    run = Registry(connect(made), NAME).get(1).run_id
    assert facts["run"]["id"] == run
    assert facts["source"]["commit"] == "c" * 40
    assert facts["data"]["dvc md5"] == factories.data_version().md5
    assert facts["checksums"]["train-images-idx3-ubyte"] == "a" * 64
    (entry,) = Ledger(connect(made), NAME).read().entries()
    assert facts["promotion"]["who"] == entry.who
    assert str(run) in done.summary()


def test_without_manifest_or_project_what_the_image_says_is_told_and_the_gaps_are_named(
    made: Project, params: Params, tmp_path: Path
) -> None:
    alone = Path(shutil.copy(made.root / "images" / "shard-00000" / "00000000.png", tmp_path / "alone.png"))
    done = explain(made, params, str(alone))
    assert found(done)["version"]["version"] == 1
    assert next(link.note for link in done.links if link.what == "manifest").startswith("no manifest.json")
    bare = explain(None, None, str(alone))
    assert [link.what for link in bare.links] == ["image", "manifest", "model", "version"]
    Image.new("L", (4, 4)).save(tmp_path / "plain.png")
    with pytest.raises(BadInput, match="does not say which model made it"):
        explain(made, params, str(tmp_path / "plain.png"))
    (tmp_path / "broken.png").write_bytes(alone.read_bytes()[:60])
    with pytest.raises(BadInput, match="no whole PNG"):
        explain(made, params, str(tmp_path / "broken.png"))


def test_an_image_that_was_put_into_anothers_folder_is_noticed(made: Project, params: Params, tmp_path: Path) -> None:
    generate(made, params, "2", GenerateRequest(out=str(tmp_path / "other"), count=1))
    stranger = shutil.copy(tmp_path / "other" / "shard-00000" / "00000000.png", made.root / "images" / "stranger.png")
    try:
        done = explain(made, params, str(stranger))
    finally:
        Path(stranger).unlink()
    assert not done.consistent
    assert "the image says that model" in done.summary()
    assert found(done)["version"]["version"] == 2, "the image itself is believed: its bytes are what is asked about"


def test_a_model_that_was_never_registered_is_explained_as_far_as_it_goes(
    made: Project, params: Params, tmp_path: Path
) -> None:
    factories.variant(made.root / "1.onnx", tmp_path / "mine.onnx", "mine")
    done = explain(made, params, str(tmp_path / "mine.onnx"))
    assert next(link.note for link in done.links if link.what == "version").startswith("no version")
    assert explain(made, params, CHALLENGER).links[-1].note == "it was never champion"
