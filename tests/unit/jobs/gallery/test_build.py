"""A gallery is built as a whole, in the place of the one before, and never over anything else."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from ganlib.cli import app
from ganlib.config import Params
from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_file
from ganlib.core.project import Project
from ganlib.generation.session import OnnxModel
from ganlib.jobs.gallery import build
from ganlib.jobs.gallery.build import gallery
from ganlib.registry.registry import Registry
from ganlib.tracking.store import connect
from tests import factories
from tests.support.galleries import MARKUP, PLAIN


class Links(HTMLParser):
    """What a page leads to or loads, and the text on it."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.text = ""
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.targets += [value or "" for name, value in attrs if name in ("href", "src")]
        assert not [name for name, _ in attrs if name == "style" or name.startswith("on")], "which the policy forbids"

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out") / "gallery"


def test_it_shows_versions_decisions_curves_and_lineage_and_every_link_leads_somewhere(
    project: Project, params: Params, web: Path, out: Path
) -> None:
    result = gallery(project, params, out, onnxruntime_web=web)
    assert (result.model, result.champion, result.versions, result.draws) == (PLAIN, 1, 2, True)
    pages = {path.relative_to(out).as_posix(): Links(path) for path in out.rglob("*.html")}
    assert pages.keys() == {"index.html", "draw.html", "cards/1.html", "cards/2.html"}
    for name, page in pages.items():
        inner = [each.partition("#")[0] for each in page.targets if not each.startswith("data:")]
        assert all((out / name).parent.joinpath(each).is_file() for each in inner), name
    index = pages["index.html"].text
    for words in (
        "Champion: version 1",
        str(factories.evaluation(20).fid),
        "passed",
        "refused",
        "version 2 against version 1",
        "champion",
    ):
        assert words in " ".join(index.split()), words
    assert index.index("version 1") < index.index("version 2"), "the better one first"
    assert len(re.findall("<polyline", (out / "index.html").read_text())) == 2 + 2, "FIDs together, losses apart"
    assert "my term" in pages["cards/1.html"].text
    model = OnnxModel(project.root / "1.onnx")
    with Image.open(out / "sheets" / "1.png") as sheet:
        first = sheet.convert("L").crop((2, 2, 58, 58)).resize((28, 28), Image.Resampling.NEAREST)
        assert first.tobytes() == model.images(0, 0, 1)[0].tobytes()
        assert f"{model.sha256}-0-0-59" in sheet.info["XML:com.adobe.xmp"]
    assert sha256_file(out / "static" / f"{model.sha256}.onnx") == model.sha256 == result.champion_sha256


def test_one_that_was_made_before_is_replaced_and_nothing_else_ever_is(
    project: Project, params: Params, web: Path, out: Path
) -> None:
    gallery(project, params, out, onnxruntime_web=web)
    (out / "index.html").write_text("old")
    killed = out.with_name(".gallery.new") / "cards"  # what a build that was killed left
    killed.mkdir(parents=True)
    gallery(project, params, out, model=MARKUP, onnxruntime_web=web)
    assert (out / "index.html").read_text() != "old"
    assert not (out / "cards" / "2.html").exists()
    stranger = out / "sheets" / "my photo.jpg"
    stranger.write_text("mine")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(BadInput, match=r"something else than a gallery: sheets/my photo.jpg. Nothing was changed"):
        gallery(project, params, out, onnxruntime_web=web)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert [path.name for path in out.parent.iterdir()] == ["gallery"], "nothing is left beside it"
    stranger.unlink()


def test_a_folder_of_something_else_or_a_file_is_refused_by_the_command(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / build.FILE).write_text("{")
    build.require_gallery(tmp_path / "empty")
    for name in ("notes", "file", "link", "broken"):
        with pytest.raises(BadInput, match="Nothing was changed"):
            build.require_gallery(tmp_path / name)
    done = CliRunner().invoke(app, ["gallery", "--out", str(tmp_path / "notes")])
    assert isinstance(done.exception, BadInput)
    assert done.exception.exit_code == 2
    assert [path.name for path in (tmp_path / "notes").iterdir()] == ["a.txt"]


def test_names_from_the_registry_are_text(project: Project, params: Params, web: Path, tmp_path: Path) -> None:
    store = connect(project)
    store.client.set_model_version_tag(MARKUP, "1", "family", "<script>alert(1)</script>")
    result = gallery(project, params, tmp_path / "out", model=MARKUP, onnxruntime_web=web)
    assert result.model == MARKUP
    assert (tmp_path / "out" / "sheets" / "1.png").is_file()
    for path in (tmp_path / "out").rglob("*.html"):
        source, page = path.read_text(encoding="utf-8"), Links(path)
        assert MARKUP in page.text
        assert "<b>" not in source
        assert "<script>" not in source, "and no script stands in a page"
    assert "<script>alert(1)</script>" in Links(tmp_path / "out" / "index.html").text


def test_without_a_network_it_has_no_page_that_draws_and_says_so(
    project: Project, params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # where no npm is
    monkeypatch.setattr(Project, "state", tmp_path / "state")
    result = gallery(project, params, tmp_path / "out")
    assert not result.draws
    assert "npm is not installed" in result.summary()
    assert "--onnxruntime-web" in result.summary()
    assert not (tmp_path / "out" / "draw.html").exists()
    assert "draw.html" not in (tmp_path / "out" / "index.html").read_text()
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*")) < 1e6


def test_a_version_whose_graph_is_gone_is_shown_without_images(
    empty_database: Path, params: Params, web: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)  # which keeps the credentials of tests before
    project = factories.project(tmp_path / "project", empty_database)
    store = connect(project)
    with pytest.raises(BadInput, match="nothing is registered"):
        gallery(project, params, tmp_path / "out", onnxruntime_web=web)
    assert not (tmp_path / "out").exists()
    factories.bare_version(store, 1, 10.0)
    result = gallery(project, params, tmp_path / "out", onnxruntime_web=web)
    assert (result.versions, result.champion, result.draws) == (1, None, False)
    assert "has no 'champion'" in result.note
    assert not (tmp_path / "out" / "sheets").exists()
    assert "version 1" in Links(tmp_path / "out" / "index.html").text
    about = json.loads((tmp_path / "out" / build.FILE).read_bytes())
    assert about["champion"] is None
    assert Registry(store, PLAIN).versions()
