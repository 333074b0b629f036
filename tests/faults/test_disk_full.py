"""A disk without space, wherever it is met, is told as that, with its place; the next command goes on."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from ganlib.core.errors import BadInput, NoSpace
from ganlib.core.project import Project
from ganlib.data.versioning import dvc
from ganlib.registry.registry import Registry, Version
from ganlib.tracking.store import MlflowStore, connect
from tests import factories

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def fill(disk: Path, *, but: int = 0) -> Path:
    """Leave ``but`` bytes free."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream:
        with pytest.raises(OSError, match="No space left"):
            while stream.write(bytes(4096)) == 4096:
                pass
            stream.write(bytes(4096))
        stream.truncate(filler.stat().st_size // 4096 * 4096 - but)
    return filler


@pytest.fixture
def disk(small_disk: Path) -> Iterator[Path]:
    """The small disk; MLflow would keep a database on it open for ever."""
    yield small_disk
    for uri in [uri for uri in SqlAlchemyStore._engine_map if str(small_disk) in uri]:  # noqa: SLF001  (MLflow keeps an engine for ever)
        SqlAlchemyStore._engine_map.pop(uri).dispose()  # noqa: SLF001  (as above)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """With one version."""
    store: MlflowStore = connect(factories.project(tmp_path / "project", factories.empty_database()))
    factories.graph(tmp_path / "g.onnx")
    factories.registered(store, tmp_path / "g.onnx")
    yield Registry(store, "mnist-generator")
    tempfile.tempdir = None


def test_a_full_temporary_folder_is_told_by_name_where_models_are_read_and_logged(
    registry: Registry, small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version: Version = registry.get(1)
    monkeypatch.setenv("TMPDIR", str(small_disk))
    tempfile.tempdir = None
    filler = fill(small_disk, but=8192)  # enough for Python to take it
    for attempt in (
        lambda: registry.download(version, tmp_path / "got.onnx"),
        lambda: factories.registered(registry.store, tmp_path / "g.onnx"),
    ):
        with pytest.raises(NoSpace, match=f"no space at {small_disk}") as told:
            attempt()
        assert told.value.exit_code == 2
        assert told.value.__cause__ is not None
        assert "\n" not in str(told.value)
    filler.unlink()
    assert registry.download(version, tmp_path / "got.onnx").is_file()


def test_a_full_disk_under_mlflows_artifacts_is_told(registry: Registry, small_disk: Path, tmp_path: Path) -> None:
    mlruns = registry.store.project.root / "mlruns"
    mlruns.rename(tmp_path / "before")
    mlruns.symlink_to(small_disk)
    fill(small_disk)
    with pytest.raises(NoSpace, match=r"no space at .*(mlruns|disk)"):
        factories.registered(registry.store, tmp_path / "g.onnx")


def test_a_disk_too_small_for_mlflows_database_is_told_and_leaves_nothing_half_made(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=600k", str(disk)], check=True)
    project: Project = factories.project(disk / "project")
    with pytest.raises(NoSpace, match=r"no space at .*database or disk is full"):
        connect(project)
    subprocess.run(["mount", "-o", "remount,size=32m", str(disk)], check=True)
    assert connect(project).client.search_experiments()


def test_a_disk_that_fills_up_under_mlflows_database_is_told(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
    store = connect(factories.project(disk / "project"))
    filler = fill(disk)
    with pytest.raises(NoSpace, match="no space at"):
        for number in range(200):
            store.experiment(f"{number} {'x' * 200}")
    filler.unlink()
    store.experiment("again")


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("ERROR: failed to push: [Errno 28] No space left on device: '/x'", NoSpace),
        ("ERROR: unexpected error - [Errno 122] Disk quota exceeded", NoSpace),
        ("ERROR: failed to push data to the cloud - Unable to locate credentials", BadInput),
        ("ERROR: unexpected error - Forbidden: An error occurred (403) when calling HeadObject", BadInput),
    ],
)
def test_what_dvc_says_of_a_disk_or_of_credentials_is_no_outage(said: str, kind: type, tmp_path: Path) -> None:
    told = dvc.failure(("push",), 1, said, tmp_path)
    assert type(told) is kind
    assert "\n" not in str(told)
