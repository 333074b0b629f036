"""The command line as a user meets it: a process, its output and its exit code."""

from __future__ import annotations

import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from ganlib.cli.app import set_environment_defaults
from ganlib.core.files import write_bytes
from ganlib.data.spec import DatasetSpec, ImageShape
from ganlib.data.versioning.record import Summary
from tests import factories
from tests.conftest import ROOT
from tests.support import forks


def ganlib(*arguments: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return forks.run(["ganlib", *map(str, arguments)], cwd, {**os.environ, **environment})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder with the committed params.yaml, no data and an empty registry of its own."""
    return factories.project(tmp_path, factories.empty_database()).root


@pytest.fixture
def dead_server() -> str:
    """A loopback URL where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def curt_server() -> Iterator[tuple[str, list[bool]]]:
    """A loopback URL where every connection is taken and closed at once, and an entry for each."""
    calls: list[bool] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            calls.append(True)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", calls
        server.shutdown()


def refused(done: subprocess.CompletedProcess[str], code: int = 2) -> str:
    """Assert that the command failed as a user expects, and return its line."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("  ")]  # of progress
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_help_names_every_verb() -> None:
    done = subprocess.run([sys.executable, "-m", "ganlib", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    verbs = "data judge train evaluate register promote retrain generate verify repair registry show compare families"
    for verb in f"{verbs} export ab explain".split():
        assert verb in done.stdout


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from ganlib.cli import app; "
        "heavy = ('torch', 'mlflow', 'prefect', 'onnxruntime', 'onnx', 'numpy', 'scipy', 'dvc'); "
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_families_lists_the_zoo_as_json_with_what_was_measured() -> None:
    rows = json.loads(ganlib("families", "--json").stdout)
    assert {"dcgan", "vae"} <= {row["family"] for row in rows}
    assert all({"about", "measured"} <= set(row) for row in rows)


def test_families_says_which_do_not_fit_other_data_and_whose_figures_it_shows(project: Path) -> None:
    assert "does not fit" not in ganlib("families", cwd=project).stdout
    spec = DatasetSpec(name="cells", image=ImageShape(channels=3, height=32, width=32))
    summary = Summary(
        spec=spec, raw={}, files={}, counts={}, classes={}, pixels={}, seed=0, validation_one_in=12, test_one_in=7
    )
    write_bytes(project / "data/prepared/summary.json", summary.model_dump_json().encode())
    shown = ganlib("families", cwd=project).stdout
    assert "the FIDs are MNIST's, not those of cells (3x32x32) here; the others fit" in shown
    assert "cgan does not fit cells: it is told labels, and cells has none." in shown
    assert "dcgan does not fit" not in shown
    rows = {row["family"]: row for row in json.loads(ganlib("families", "cvae", "vae", "--json", cwd=project).stdout)}
    assert rows["vae"]["unfit"] is None
    assert "it is told labels" in rows["cvae"]["unfit"]
    assert "all of these fit it" in ganlib("families", "vae", cwd=project).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "dcgna"], "Did you mean 'dcgan'"),
        (["train", "dcgan", "--budget", "dmo"], "Did you mean 'demo'"),
        (["train", "dcgan", "--set", "train.seeed=1"], "Did you mean 'seed'"),
        (["train", "dcgan", "--set", "families.dcgan.chanels=1"], "Did you mean 'channels'"),
        (["retrain", "--families", "dcgan,vea"], "Did you mean 'vae'"),
        (["generate", "--count", "0", "--out", "images"], "count"),
        (["generate", "--count", "-1", "--out", "images"], "count"),
        (["generate", "--count", "2.5", "--out", "images"], "--count 2.5: not a whole number"),
        (["generate", "--count", "many", "--out", "images"], "--count many: not a whole number"),
        (["generate", "--count", "1e999999999", "--out", "images"], "not a whole number"),
        (["generate", "--start", "nan", "--out", "images"], "--start nan: not a whole number"),
        (["generate", "--start", "-1", "--out", "images"], "start must be at least 0"),
        (["generate", "--format", "web", "--out", "images"], "Did you mean 'webdataset'"),
        (["generate", "--format", "PNG", "--out", "images"], "Did you mean 'png'"),
        (["repair", "images"], "no manifest.json"),
        (["generate", "--model", "models:/nothing@champion", "--out", "images"], "nothing"),
        (["generate", "--model", "nothing.onnx", "--out", "images"], "no such file"),
        (["show", "interpolate", "nothing.onnx", "--out", "images"], "no such file"),
        (["show", "interpolate", "nothing.onnx", "--out", "images", "--frames", "1"], "frames"),
        (["show", "reconstruct", "nothing.onnx", "--out", "images"], "no such file"),
        (["show", "reconstruct", "1", "--out", "images", "--count", "6"], "multiple of four"),
        (["compare", "dcgan", "--budget", "dmo", "--out", "images"], "Did you mean 'demo'"),
        (["compare", "champion", "--train", "--out", "images"], "none of champion is a family"),
        (["compare", "dcgan", "--train", "--record", "--budget", "demo"], "takes runs of budget standard"),
        (["compare", "dcgan", "--record", "--set", "evaluate.seed=1"], "leave those out of --set"),
        (["registry", "show", "99"], "99"),
        (["registry", "download", "models:/mnist-generator@champion", "--out", "m.onnx"], "champion"),
        (["promote", "99"], "99"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two_and_changes_nothing(
    project: Path, arguments: list[str], message: str
) -> None:
    assert message in refused(ganlib(*arguments, cwd=project))
    assert not (project / "images").exists()
    assert not (project / "m.onnx").exists()


def test_no_project_is_said_plainly(tmp_path: Path) -> None:
    assert "no params.yaml" in refused(ganlib("registry", "list", cwd=tmp_path))


def test_training_without_data_says_what_to_run(project: Path) -> None:
    assert "ganlib data version" in refused(ganlib("train", "vae", cwd=project))


@pytest.mark.parametrize(
    "arguments",
    [
        ["registry", "list"],
        ["promote", "1"],
        ["generate", "--out", "images"],
        ["registry", "download", "models:/mnist-generator@champion", "--out", "m.onnx"],
    ],
)
def test_a_registry_that_cannot_be_reached_is_a_temporary_failure_never_an_empty_one(
    project: Path, curt_server: tuple[str, list[bool]], arguments: list[str]
) -> None:
    url, calls = curt_server
    line = refused(ganlib(*arguments, cwd=project, MLFLOW_TRACKING_URI=url), code=75)
    assert url in line
    assert len(calls) == 1, "MLflow's own retries take minutes"
    assert not (project / "images").exists()


def test_json_errors_are_events(project: Path) -> None:
    event = json.loads(ganlib("train", "dcgna", "--json", cwd=project).stderr)
    assert event["event"] == "error"
    assert "dcgan" in event["message"]


def test_an_onnx_file_that_is_not_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"not a graph")
    assert "bad.onnx" in refused(ganlib("generate", "--model", "bad.onnx", "--out", "images", cwd=tmp_path))
    assert not (tmp_path / "images").exists()


def test_an_empty_ledger_has_no_history_no_problems_and_nothing_to_roll_back_to(project: Path) -> None:
    assert ganlib("registry", "history", cwd=project).stdout == "nothing was decided yet\n"
    assert json.loads(ganlib("registry", "verify", "--json", cwd=project).stdout)["ok"] is True
    reign = json.loads(ganlib("registry", "who-was-champion", "--at", "2026-01-31", "--json", cwd=project).stdout)
    assert reign == {"at": "2026-01-31T00:00:00.000Z", "champion": None, "since": None}
    assert "no earlier champion" in refused(ganlib("rollback", cwd=project))


def test_a_time_that_is_none_is_refused(project: Path) -> None:
    assert "is no time" in refused(ganlib("registry", "who-was-champion", "--at", "noon", cwd=project))


@pytest.mark.parametrize("command", [["rollback"], ["registry", "history"], ["registry", "verify"]])
def test_an_unreachable_registry_is_never_an_empty_ledger(project: Path, dead_server: str, command: list[str]) -> None:
    line = refused(ganlib(*command, cwd=project, MLFLOW_TRACKING_URI=dead_server), 75)
    assert dead_server in line


def test_a_folder_is_made_extended_damaged_and_repaired_with_no_project_around(tmp_path: Path) -> None:
    factories.graph(tmp_path / "g.onnx")
    words = ["generate", "--model", "g.onnx", "--format", "npz", "--shard-size", "100", "--json"]
    first = json.loads(ganlib(*words, "--count", "2e2", "--grid", "--out", "a", cwd=tmp_path).stdout)
    second = json.loads(ganlib(*words, "--count", "50", "--start", "2e2", "--out", "b", cwd=tmp_path).stdout)
    assert (first["count"], first["start"], first["file_format"]) == (200, 0, "npz")
    assert (second["count"], second["start"]) == (50, 200)
    with Image.open(tmp_path / "a-grid.png", formats=["PNG"]) as sheet:
        assert sheet.width == sheet.height == 10 * 58 + 2

    shard = tmp_path / "a" / "shard-00001.npz"
    before = shard.read_bytes()
    shard.write_bytes(before[:1000])
    found = ganlib("verify", "a", cwd=tmp_path)
    assert (found.returncode, found.stdout) == (1, "truncated: shard-00001.npz\n")
    assert "made again: shard-00001.npz" in ganlib("repair", "a", cwd=tmp_path).stdout
    assert shard.read_bytes() == before
    assert ganlib("verify", "a", cwd=tmp_path).returncode == 0


def test_openmp_waits_as_the_user_says_or_else_a_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    set_environment_defaults()
    assert os.environ["GOMP_SPINCOUNT"] == "1000"
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    set_environment_defaults()
    assert os.environ["GOMP_SPINCOUNT"] == "7"
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    set_environment_defaults()
    assert "GOMP_SPINCOUNT" not in os.environ
