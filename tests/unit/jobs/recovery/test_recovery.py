"""A backup: what is in it and what is not; and a fresh clone that it is restored into, whole or not at all."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ganlib.cli import app
from ganlib.config import load
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.generation.batch.manifest import Manifest
from ganlib.jobs.images.generate import generate
from ganlib.jobs.images.request import GenerateRequest
from ganlib.jobs.recovery.archive import Archive
from ganlib.jobs.recovery.backup import backup
from ganlib.jobs.recovery.restore import restore
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.registry import Registry
from ganlib.tracking import snapshot
from ganlib.tracking.store import MlflowStore, connect
from tests import factories

NAME, SECRET = "mnist-generator", "Ozymandias"
INBOX = ["data/lineage.json", "data/merged/icons/cat/1.png"]
"""What retrainings made of images in an inbox."""


@pytest.fixture(scope="module")
def folder(made: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of ``made``."""
    path = tmp_path_factory.mktemp("backup") / "b"
    (made.run_folder("1") / "checkpoint.pt").parent.mkdir(parents=True)
    (made.run_folder("1") / "checkpoint.pt").write_bytes(b"state")
    for name in INBOX:
        (made.root / name).parent.mkdir(parents=True, exist_ok=True)
        (made.root / name).write_text(name)
    backup(made, path)
    return path


@pytest.fixture
def clone(tmp_path: Path) -> Project:
    """A clone elsewhere, before its first command."""
    return factories.project(tmp_path / "another place")


def contents(root: Path) -> dict[str, bytes]:
    names = (path for path in sorted(root.rglob("*")) if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(root)): path.read_bytes() for path in names}


def images(project: Project, number: int, out: Path) -> Manifest:
    request = GenerateRequest(out=str(out), count=3, seed=5)
    return generate(project, load(project.params_file), str(number), request).manifest


def test_every_version_resolves_and_makes_the_same_bytes_and_the_ledger_is_whole(
    made: Project, folder: Path, clone: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clone.root)
    done = CliRunner().invoke(app, ["restore", str(folder), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert (result["versions"], result["data_version"]) == (2, None)
    ours, theirs = Registry(connect(clone), NAME), Registry(connect(made), NAME)
    assert ours.aliases() == theirs.aliases() == {"champion": 1, "challenger": 2}
    for number in (1, 2):
        ours_made, theirs_made = (
            images(each, number, tmp_path / f"{each.root.name}-{number}") for each in (clone, made)
        )
        assert theirs_made.digest
        assert ours_made.model_sha256 == theirs_made.model_sha256
        assert ours_made.digest == theirs_made.digest
    assert Ledger(ours.store, NAME).read().lines == Ledger(theirs.store, NAME).read().lines
    verified = CliRunner().invoke(app, ["registry", "verify"], catch_exceptions=False)
    assert verified.exit_code == 0, verified.output
    assert (clone.run_folder("1") / "checkpoint.pt").read_bytes() == b"state"
    assert [(clone.root / name).read_text() for name in INBOX] == INBOX
    assert str(made.root).encode() not in b"".join(
        row[0].encode() for row in sqlite3.connect(clone.root / "mlflow.db").execute("SELECT artifact_uri FROM runs")
    )


def test_a_project_with_a_registry_is_refused_and_stays_as_it_is(
    made: Project, folder: Path, clone: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore(clone, folder)
    before = contents(clone.root)
    monkeypatch.chdir(clone.root)
    monkeypatch.setattr("sys.argv", ["ganlib", "restore", str(folder)])
    with pytest.raises(BadInput, match=r"has a registry already .* restore into a fresh clone\. Nothing was changed\."):
        restore(clone, folder)
    assert contents(clone.root) == before


def test_a_registry_that_nobody_has_used_is_replaced(folder: Path, clone: Project, empty_database: Path) -> None:
    shutil.copy(empty_database, clone.root / "mlflow.db")
    connect(clone)
    assert restore(clone, folder).versions == 2
    assert len(Registry(connect(clone), NAME).versions()) == 2


def swap(folder: Path, name: str) -> None:
    path = Archive(folder).path(Archive(folder).manifest().files[name])
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def remove(folder: Path, name: str) -> None:
    Archive(folder).path(Archive(folder).manifest().files[name]).unlink()


@pytest.mark.parametrize("harm", [swap, remove])
def test_a_damaged_file_is_named_before_anything_is_written(
    folder: Path, clone: Project, tmp_path: Path, harm: Callable[[Path, str], None]
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    name = next(name for name in Archive(copy).manifest().files if name.endswith("model.onnx"))
    harm(copy, name)
    before = contents(clone.root)
    with pytest.raises(BadInput, match=rf"{name} in the backup .* is damaged: .* Nothing was restored"):
        restore(clone, copy)
    assert contents(clone.root) == before
    assert [path.name for path in clone.root.iterdir()] == ["params.yaml"], "not even a folder"


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/passwd", ".git/hooks/post-checkout", "mlruns/../../outside", "ganlib/core/x.py"]
)
def test_a_manifest_that_leads_out_of_a_backups_places_is_refused(
    folder: Path, clone: Project, tmp_path: Path, name: str
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"][name] = manifest["files"]["params.yaml"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BadInput, match="no place that a backup has"):
        restore(clone, copy)
    assert [path.name for path in clone.root.iterdir()] == ["params.yaml"]


def test_a_backup_that_was_not_finished_or_is_none_is_told(clone: Project, folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "manifest.json").unlink()
    with pytest.raises(BadInput, match="was not finished"):
        restore(clone, copy)
    with pytest.raises(BadInput, match="holds no backup"):
        restore(clone, tmp_path)


def test_a_database_of_another_mlflow_is_told_before_anything_is_written(
    made: Project, clone: Project, tmp_path: Path
) -> None:
    copy = Project(Path(shutil.copytree(made.root, tmp_path / "newer")))
    backup(copy, tmp_path / "b")
    archive = Archive(tmp_path / "b")
    manifest = archive.manifest()
    with closing(sqlite3.connect(archive.path(manifest.files["mlflow.db"]))) as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        database.commit()
    files = manifest.files | {"mlflow.db": archive.add(archive.path(manifest.files["mlflow.db"]))}
    archive.commit(manifest.model_copy(update={"files": files}))
    with pytest.raises(BadInput, match="database of the backup is of another MLflow"):
        restore(clone, tmp_path / "b")
    assert not (clone.root / "mlflow.db").exists()
    assert not (clone.root / "mlruns").exists()


@pytest.mark.parametrize(
    ("variable", "cure"),
    [
        ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_URI is set.*unset it"),
        ("GANLIB_SERVICES_MLFLOW", "services.mlflow is set.*export GANLIB_SERVICES_MLFLOW=null"),
    ],
)
def test_another_store_that_commands_would_use_is_told(
    folder: Path, clone: Project, monkeypatch: pytest.MonkeyPatch, variable: str, cure: str
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with pytest.raises(BadInput, match=cure):
        restore(clone, folder)
    assert not (clone.root / "mlflow.db").exists()


def stored(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def test_the_command_says_what_it_copied_and_a_second_one_copies_only_what_is_new(
    made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made.root)
    done = CliRunner().invoke(app, ["backup", str(tmp_path / "b"), "--json"], catch_exceptions=False)
    result = json.loads(done.stdout)
    assert (done.exit_code, result["versions"], result["gaps"]) == (0, 2, [])
    assert '"stage": "copy files"' in done.stderr, "progress"
    manifest = Archive(tmp_path / "b").manifest()
    assert {"mlflow.db", "params.yaml"} <= manifest.files.keys()
    assert sum(name.endswith("/model.onnx") for name in manifest.files) == 2

    before = {path: path.stat().st_mtime_ns for path in stored(tmp_path / "b" / "objects")}
    (made.state / "ab").mkdir(parents=True)
    (made.state / "ab" / "outcomes.jsonl").write_text("{}\n")
    victim = Archive(tmp_path / "b").path(manifest.files["params.yaml"])
    victim.write_bytes(b"damaged")
    backup(made, tmp_path / "b")
    after = {path: path.stat().st_mtime_ns for path in stored(tmp_path / "b" / "objects")}
    news = {path for path in after if before.get(path) != after[path]}
    manifest = Archive(tmp_path / "b").manifest()
    expected = {
        Archive(tmp_path / "b").path(manifest.files[name]) for name in (".ganlib/ab/outcomes.jsonl", "params.yaml")
    }
    assert news - {Archive(tmp_path / "b").path(manifest.files["mlflow.db"])} == expected, (
        "what is new, and what was damaged"
    )
    assert {path.name for path in (tmp_path / "b").iterdir()} == {"lock", "manifest.json", "objects"}


def test_no_secret_of_any_kind_is_in_it(made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "MLFLOW_TRACKING_PASSWORD",
        "AWS_SECRET_ACCESS_KEY",
        "GANLIB_WEBHOOK_SECRET",
        "PREFECT_API_AUTH_STRING",
    ):
        monkeypatch.setenv(name, SECRET)
    for name in ("prefect-auth", "keys/signing.pem", "prefect/prefect.db", "logs/mlflow.log"):
        (made.state / name).parent.mkdir(parents=True, exist_ok=True)
        (made.state / name).write_text(SECRET)
    text = made.params_file.read_text()
    made.params_file.write_text(text.replace("webhook: null", f"webhook: https://ada:{SECRET}@example.org/hook"))
    with closing(sqlite3.connect(made.root / "mlflow.db")) as database:
        database.execute(
            "INSERT INTO webhooks (webhook_id, name, url, status, secret, creation_timestamp, last_updated_timestamp)"
            " VALUES ('w', 'w', 'https://example.org/' || :secret, 'ACTIVE', :secret, 0, 0)",
            {"secret": SECRET},
        )
        database.commit()
        database.execute("INSERT INTO experiment_tags VALUES ('deleted', ?, 0)", (SECRET,))
        database.commit()
        database.execute("DELETE FROM experiment_tags WHERE key = 'deleted'")
        database.commit()
    try:
        assert SECRET.encode() in (made.root / "mlflow.db").read_bytes()
        backup(made, tmp_path / "b")
        found = [path for path in stored(tmp_path / "b") if SECRET.encode() in path.read_bytes()]
        assert found == []
        assert Archive(tmp_path / "b").manifest().files["params.yaml"], "it is there, without the password"
    finally:
        made.params_file.write_text(text)


def test_a_graph_that_is_gone_here_is_told_and_the_rest_is_backed_up(
    made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(made, tmp_path / "b")
    (graph,) = [
        made.root / name
        for name, file in Archive(tmp_path / "b").manifest().files.items()
        if name.endswith("model.onnx")
        and file.sha256 == connect(made).client.get_model_version("mnist-generator", "2").tags["sha256"]
    ]
    graph.rename(tmp_path / "aside.onnx")
    monkeypatch.chdir(made.root)
    try:
        done = CliRunner().invoke(app, ["backup", str(tmp_path / "b")], catch_exceptions=False)
    finally:
        (tmp_path / "aside.onnx").rename(graph)
    assert done.exit_code == 1
    assert (
        f"not in it: the graph of version 2 of mnist-generator: {graph.relative_to(made.root)} is gone" in done.stdout
    )
    assert "whole versions: 1" in done.stdout


@pytest.mark.parametrize(("name", "words"), [("b.tar", "a backup is a folder"), ("photos", "is no backup")])
def test_what_cannot_be_a_backup_is_refused_and_left_as_it_is(
    made: Project, tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"cat")
    with pytest.raises(BadInput, match=words):
        backup(made, tmp_path / name)
    assert [path.name for path in stored(tmp_path)] == ["cat.png"]


def test_a_server_of_others_gives_no_database(made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = MlflowStore(made, "http://mlflow.example:5000", connect(made).client)
    monkeypatch.setattr(snapshot, "connect", lambda _: server)
    with pytest.raises(BadInput, match="MLFLOW_TRACKING_URI=postgresql"):
        backup(made, tmp_path / "b")
