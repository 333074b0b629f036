"""A project that was moved or copied keeps its models, and a copy never touches the original."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.registry.prune import prune
from ganlib.registry.registry import CHALLENGER, Registry
from ganlib.registry.resolve import resolve_version
from ganlib.tracking import place
from ganlib.tracking.store import MlflowStore, connect
from tests import factories


@pytest.fixture
def made(tmp_path: Path, empty_database: Path) -> Project:
    """A project with two registered versions, in a folder whose name a URI spells otherwise."""
    project = factories.project(tmp_path / "a project (1)", empty_database)
    store = connect(project)
    for seed in (0, 1):
        factories.graph(tmp_path / "g.onnx", seed)
        factories.registered(store, tmp_path / "g.onnx")
    return project


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def names(project: Project, folder: Path) -> list[str]:
    """Everything in the project's database that speaks of ``folder``, but for what it records of itself."""
    with closing(sqlite3.connect(project.root / "mlflow.db")) as connection:
        return [line for line in connection.iterdump() if folder.as_uri() in line or f"{folder}/" in line]


def loads(project: Project, tmp_path: Path) -> bool:
    registry = Registry(connect(project), "mnist-generator")
    return registry.download(resolve_version(registry, CHALLENGER), tmp_path / "got.onnx").is_file()


def test_the_champion_of_a_moved_project_loads_and_new_runs_are_written_here(
    made: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    moved = Project(made.root.rename(tmp_path / "elsewhere ü"))
    with caplog.at_level(logging.WARNING, "ganlib"):
        assert loads(moved, tmp_path)
    assert len([line for line in caplog.messages if f"moved or copied from {made.root}" in line]) == 1
    assert not names(moved, made.root)
    factories.finished_run(connect(moved))
    assert not made.root.exists()
    caplog.clear()
    assert loads(moved, tmp_path)
    assert not caplog.messages, "told once"


def test_a_copy_reads_its_own_and_prune_there_leaves_the_original_byte_for_byte(made: Project, tmp_path: Path) -> None:
    copy = Project(Path(shutil.copytree(made.root, tmp_path / "copy")))
    before = digest(made.root)
    registry = Registry(connect(copy), "mnist-generator")
    done = prune(registry, uses={}, test_versions=(), keep=0, state=copy.state, dry_run=False)
    assert [each.version for each in done.versions if not each.kept] == [1]
    factories.finished_run(connect(copy))
    assert loads(copy, tmp_path)
    assert digest(made.root) == before
    assert loads(made, tmp_path)


def test_a_copy_without_artifacts_does_not_fall_back_to_the_originals(made: Project, tmp_path: Path) -> None:
    copy = Project(Path(shutil.copytree(made.root, tmp_path / "copy", ignore=shutil.ignore_patterns("mlruns"))))
    with pytest.raises(BadInput, match=r"gone|holds no model\.onnx"):
        loads(copy, tmp_path)


def test_a_copy_leaves_the_originals_running_server_alone(made: Project, tmp_path: Path) -> None:
    entry = {"url": "http://127.0.0.1:9", "pid": os.getpid(), "started": psutil.Process().create_time()}
    made.state.mkdir(exist_ok=True)
    (made.state / "services.json").write_text(json.dumps({"mlflow": entry | {"root": str(made.root)}}))
    copy = Project(Path(shutil.copytree(made.root, tmp_path / "copy")))
    assert connect(copy).uri == copy.database


def test_a_database_from_before_the_folder_was_written_down_is_recognised_by_its_artifacts(
    made: Project, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(made.root / "mlflow.db")) as connection:
        connection.execute("DELETE FROM experiment_tags WHERE key = ?", (place.ROOT_TAG,))
        connection.commit()
    copy = Project(Path(shutil.copytree(made.root, tmp_path / "copy")))
    assert loads(copy, tmp_path)
    assert not names(copy, made.root)
    moved = Project(made.root.rename(tmp_path / "moved"))
    assert loads(moved, tmp_path)


def test_a_place_that_a_person_chose_stays(store: MlflowStore, tmp_path: Path) -> None:
    """Outside the project, or in a folder of another name that begins alike."""
    chosen = [(tmp_path / "archive" / "mlruns").as_uri(), f"{store.project.root.as_uri()}-2/mlruns", "s3://bucket/runs"]
    made = [store.client.create_experiment(f"chosen {n}", artifact_location=uri) for n, uri in enumerate(chosen)]
    moved = Project(store.project.root.rename(tmp_path / "moved"))
    client = connect(moved).client
    assert [client.get_experiment(each).artifact_location for each in made] == chosen


def test_a_project_seen_by_another_name_is_not_moved(made: Project, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(made.root)
    before = names(made, made.root)
    connect(Project(tmp_path / "link"))
    assert names(made, made.root) == before
