"""explain, diff and prune over two real versions, real images and a real artifact store."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganlib.abtest import experiment as ab
from ganlib.config import Params, load
from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_file
from ganlib.core.project import Project
from ganlib.generation.pictures.side_by_side import BETWEEN, HEAD
from ganlib.generation.session import OnnxModel
from ganlib.jobs.images.generate import generate
from ganlib.jobs.images.request import GenerateRequest
from ganlib.jobs.measuring.diff import diff
from ganlib.jobs.promotion.explain import Explanation, explain
from ganlib.jobs.promotion.promote import promote
from ganlib.jobs.promotion.prune import prune
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.registry import CHALLENGER, Registry
from ganlib.tracking.store import Absent, connect
from tests import factories

NAME = "mnist-generator"


@pytest.fixture(scope="module")
def made(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Version 1 is champion and has made the images in ``images``; version 2 is better and challenger."""
    project = factories.project(tmp_path_factory.mktemp("made") / "project", empty_database)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store = connect(project)
        factories.graph(project.root / "1.onnx")
        factories.variant(project.root / "1.onnx", project.root / "2.onnx", "another")
        for number, fid in ((1, 20), (2, 10)):
            factories.registered(store, project.root / f"{number}.onnx", fid)
            if number == 1:
                assert promote(project, load(project.params_file), "1").promoted
        generate(
            project,
            load(project.params_file),
            "champion",
            GenerateRequest(out=str(project.root / "images"), count=3, seed=5),
        )
        yield project


@pytest.fixture
def params(made: Project) -> Params:
    return load(made.params_file)


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


def test_two_versions_are_compared_figure_by_figure_and_image_by_image(
    made: Project, params: Params, tmp_path: Path
) -> None:
    done = diff(made, params, "1", "2", out=tmp_path / "grid.png", seed=3)
    fid = next(each for each in done.metrics if each.name == "fid")
    assert (fid.a, fid.b, fid.change) == (20, 10, -10)
    assert fid.paired
    assert fid.low and fid.high and -11 < fid.low < -10 < fid.high < -9  # noqa: PT018
    precision = next(each for each in done.metrics if each.name == "precision")
    assert (precision.change, precision.low, precision.high, precision.paired) == (0, 0, 0, False)
    names = {each.name for each in done.metrics}
    assert {"kid", "recall", "density", "coverage", "diversity", "copies", "bytes", "latency_ms"} <= names
    assert done.incomparable == ()
    assert done.params == {}
    assert done.a.bytes == (made.root / "1.onnx").stat().st_size
    assert done.a.images_per_second > 0
    sheet = np.asarray(Image.open(io.BytesIO((tmp_path / "grid.png").read_bytes())))
    one = 8 * 58 + 2
    assert sheet.shape == (HEAD + one, 2 * one + BETWEEN)
    left, right = sheet[HEAD:, :one], sheet[HEAD:, one + BETWEEN :]
    first = OnnxModel(made.root / "1.onnx").images(3, 0, 1)[0, 0].repeat(2, 0).repeat(2, 1)
    assert (left[2:58, 2:58] == first).all()
    assert (left == right).all(), "the same weights, the same noise"
    assert "fid" in done.summary()


def test_figures_of_other_data_are_called_incomparable(made: Project, params: Params) -> None:
    registry = Registry(connect(made), NAME)
    kept = registry.tags(2)["evidence"]
    registry.record_evaluation(2, factories.evaluation(5, seed=9), made.root / "2.onnx")
    try:
        done = diff(made, params, "1", "2")
    finally:
        registry.tag(2, {"evidence": kept})
    assert done.incomparable == ("seed",)
    assert "not comparable: other seed" in done.summary()


def test_prune_removes_only_what_nothing_refers_to_and_frees_what_it_said(made: Project, params: Params) -> None:
    store, project = connect(made), made
    registry = Registry(store, NAME)
    reasons = {3: "A/B", 4: "sibling", 5: "sibling", 6: "waits", 7: "manifest", 8: "nothing", 9: "challenger"}
    for number in reasons:
        if number in (7, 8):
            factories.variant(made.root / "1.onnx", made.root / f"{number}.onnx", str(number))
            factories.registered(store, made.root / f"{number}.onnx", 50)
        else:
            factories.bare_version(store, number, 50)
    registry.tag(4, {"sibling_of": "5"})
    registry.tag(6, {"approve": "Ada"})
    generate(project, params, "7", GenerateRequest(out=str(project.root / "more"), count=1))
    ab.start(project, params, "2", "3", share_a=0.5)
    (project.root / "mlruns" / "left-behind").mkdir()
    (project.root / "mlruns" / "left-behind" / "half.bin").write_bytes(bytes(1000))
    stored = [
        path for path in (project.root / "mlruns").rglob("model.onnx") if sha256_file(path) == registry.get(8).sha256
    ]
    assert len(stored) == 1

    dry = prune(project, params, keep=0, dry_run=True)
    kept = {each.version: each.kept for each in dry.versions}
    assert {number for number, why in kept.items() if not why} == {8}
    assert kept[1][:2] == ("alias champion", "champion in the ledger")
    assert kept[2] == ("in an A/B test",)
    assert kept[3] == ("in an A/B test",)
    assert kept[4] == kept[5] == ("has siblings",)
    assert kept[6] == ("waits for a person",)
    assert kept[7] == (f"made the images in {project.root / 'more'}",)
    assert [(orphan.path.name, orphan.files, orphan.bytes) for orphan in dry.orphans] == [("left-behind", 1, 1000)]
    assert registry.get(8).version == 8

    before = sum(path.stat().st_size for path in (project.root / "mlruns").rglob("*") if path.is_file())
    done = prune(project, params, keep=0)
    assert done.freed == dry.freed > 1000
    assert (
        before - sum(path.stat().st_size for path in (project.root / "mlruns").rglob("*") if path.is_file())
        == done.freed
    )
    assert not stored[0].exists()
    with pytest.raises(Absent):
        registry.get(8)
    assert [each.version for each in registry.versions()] == [9, 7, 6, 5, 4, 3, 2, 1]
    assert (project.root / "mlruns" / "left-behind" / "half.bin").exists(), "orphans are reported, not removed"
    assert prune(project, params, keep=0).freed == 0
    assert registry.download(registry.get(7), project.root / "again.onnx").is_file()
