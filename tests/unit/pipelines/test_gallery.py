"""`make up` builds the gallery when the champion is another, and only then."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganlib import config
from ganlib.config import GateConfig, Params
from ganlib.core.project import Project
from ganlib.registry.promote import promote
from ganlib.registry.registry import Registry
from ganlib.tracking.store import MlflowStore
from pipelines.gallery import GalleryWatch, build
from tests import factories
from tests.conftest import ROOT


@pytest.fixture
def params(monkeypatch: pytest.MonkeyPatch) -> Params:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return config.load(ROOT / "params.yaml", ["services.gallery=out/site"])


def test_it_is_built_once_for_each_champion(
    store: MlflowStore, params: Params, caplog: pytest.LogCaptureFixture
) -> None:
    registry, folders = Registry(store, params.registry.model), list[Path]()

    def run(project: Project, folder: Path) -> str:
        folders.append(folder)
        return "ganlib: no space" if len(folders) == 2 else ""

    watch = GalleryWatch(store.project, params, run)
    watch.look()
    assert not folders, "nobody is champion"
    for number, fid in ((1, 20), (2, 10)):
        factories.bare_version(store, number, fid)
        assert promote(registry, registry.get(number), policy=GateConfig(), state=store.project.state).promoted
        watch.look()
        watch.look()
    assert folders == [store.project.root / "out" / "site"] * 2
    assert "not built: ganlib: no space" in caplog.text


def test_without_a_folder_nothing_is_asked_or_built(store: MlflowStore) -> None:
    params = config.load(ROOT / "params.yaml")
    assert params.services.gallery is None
    GalleryWatch(Project(Path("/nowhere")), params, lambda project, folder: folder.as_posix()).look()


def test_why_it_could_not_be_built_is_one_line(store: MlflowStore) -> None:
    (store.project.root / "out").mkdir()
    (store.project.root / "out" / "mine").write_text("mine")
    assert "something else than a gallery: mine" in build(store.project, store.project.root / "out")
