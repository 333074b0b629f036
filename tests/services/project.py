"""A project of its own for tests that write: the checkout's code and data, small budgets, free ports, empty stores."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import requests
import yaml

from ganlib.core.files import sha256_file, write_json
from ganlib.data.splits import SPLITS, load_split
from ganlib.data.versioning.record import Pixels, Summary
from tests import factories, terminal
from tests.conftest import ROOT
from tests.services.conftest import free_port
from tests.support import forks
from tests.support.once import once

CODE = ("dvc.yaml", "dvc.lock", "MLproject", "python_env.yaml", "constraints.txt", "pyproject.toml", ".dvc/config")


def make(folder: Path) -> Path:
    """Copy what a project needs to ``folder``; figures are of 1,000 images there, and trainings of ten steps.

    What real images score, and the tables of an empty MLflow and an empty Prefect, are there already.
    """
    bare(folder)
    if (database := factories.empty_database()) and (made := evaluated()):
        shutil.copy(database, folder)
        shutil.copytree(made / ".ganlib", folder / ".ganlib")
        shutil.copytree(empty_prefect(), folder / ".ganlib" / "prefect")
    return folder


def evaluated() -> Path | None:
    """Return a project in which a first model was evaluated: real images had to be measured for it, for a minute.

    ``terminal.txt`` is what somebody at a terminal saw meanwhile. None outside of pytest.
    """

    def make(made: Path) -> None:
        bare(made)
        factories.graph(made / "g.onnx")
        shown = terminal.run([sys.executable, "-m", "ganlib", "evaluate", "g.onnx"], made, environment(made))
        assert shown.code == 0, shown.text
        (made / "terminal.txt").write_text(shown.text)

    return once("evaluated", make)


def empty_prefect() -> Path:
    """Return a folder for Prefect with its database's tables, and nothing in them."""

    def make(made: Path) -> None:
        made.mkdir()
        words = ("prefect", "server", "database", "upgrade", "-y")
        done = run(ROOT, *words, timeout=1800, PREFECT_HOME=str(made))
        assert done.returncode == 0, done.stderr

    made = once("prefect", make)
    assert made
    return made


def bare(folder: Path) -> Path:
    """The same without what costs time to make: for tests that evaluate nothing. Its data are a tenth of MNIST."""
    if made := once("project", _copy):
        shutil.copytree(made, folder, dirs_exist_ok=True)
    else:
        _copy(folder)
    params: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["budgets"]["smoke"] = {"steps": 10, "seconds": 60}
    params["train"]["budget"] = "smoke"
    params["families"]["ae"]["components"] = 3  # codes of ten steps are too alike for more
    params["families"]["vqgan"] |= {
        "width": 32,
        "layers": 1,
        "heads": 2,
    }  # drawing from its prior takes most of the time
    params["evaluate"] |= {"samples": 1000, "bootstrap": 50, "kid_subsets": 5, "kid_subset_size": 200}
    # Ten steps make one digit at most, and hardly vary it.
    params["gate"]["limits"] |= dict.fromkeys(("class_excess", "class_distance", "diversity", "copies"))
    params["services"] |= {"mlflow_port": free_port(), "prefect_port": free_port(), "reconcile_seconds": 2}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


def _copy(folder: Path) -> None:
    """The checkout's code and data version, but for its splits: the first tenth of each."""
    for name in (*CODE, "params.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in ("ganlib", "pipelines", "data/raw"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.pyc.*"))
    whole, prepared = ROOT / "data" / "prepared", folder / "data" / "prepared"
    prepared.mkdir()
    for path in whole.glob("*.npy"):
        array = np.load(path)
        np.save(prepared / path.name, array[: len(array) // 10])
    parts = {name: load_split(prepared, name) for name in SPLITS}
    summary = Summary.model_validate_json((whole / "summary.json").read_text()).model_copy(
        update={
            "files": {path.name: sha256_file(path) for path in sorted(prepared.iterdir())},
            "counts": {name: len(part.labels) for name, part in parts.items()},
            "classes": {name: tuple(np.bincount(part.labels).tolist()) for name, part in parts.items()},
            "pixels": {
                name: Pixels(mean=float(part.images.mean()), std=float(part.images.std()))
                for name, part in parts.items()
            },
        }
    )
    write_json(prepared / "summary.json", summary.model_dump(mode="json", exclude=summary.untold()))
    local = folder / ".dvc" / "config.local"
    local.write_text("[core]\n    no_scm = true\n")
    done = run(folder, "dvc", "commit", "--force", "prepare")
    assert done.returncode == 0, done.stderr
    local.unlink()
    shutil.rmtree(folder / ".dvc" / "tmp")


def environment(folder: Path) -> dict[str, str]:
    """The environment of commands in that project: its own code, its own state."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}


def run(folder: Path, *arguments: str, timeout: float = 900, **more: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m ARGUMENTS`` in the project, in a fork, which is the same and starts at once."""
    return forks.run(arguments, folder, {**environment(folder), **more}, timeout)


def run_own(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m ARGUMENTS`` by the project's own copy of the code, where what it keeps there matters."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def run_code(folder: Path, code: str, **more: str) -> str:
    """Run ``python -c CODE`` in the project, in a fork; what it prints."""
    done = run(folder, "tests.support.code", code, timeout=300, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def prefect_server(serve: Callable[..., None], folder: Path, **more: str) -> str:
    """Start Prefect's server as `make up` does, alone, for the project in ``folder``; its URL."""
    port = str(free_port())
    url = f"http://127.0.0.1:{port}"
    home = folder / ".ganlib" / "prefect"
    if not home.exists():
        shutil.copytree(empty_prefect(), home)
    settings = {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": port,
        "PREFECT_API_URL": f"{url}/api",
    }
    command = [sys.executable, "-m", "pipelines", "prefect_server"]
    serve(command, f"{url}/api/health", folder, PYTHONPATH=str(folder), **settings, **more)
    return url


def ask_prefect(url: str, verb: str, path: str, body: Any = None, auth: tuple[str, str] | None = None) -> Any:
    """Send what Prefect's page sends, and return what the answer holds."""
    answer = prefect_answer(url, verb, path, json=body, auth=auth)
    assert answer.ok, answer.text
    return answer.json() if answer.content else None


def prefect_answer(url: str, verb: str, path: str, **request: Any) -> requests.Response:
    """Send a request to Prefect's API. Its SQLite database answers 503 while locked, and its client tries again."""
    deadline = time.monotonic() + 120
    while True:
        answer = requests.request(verb, f"{url}/api/{path}", timeout=60, **request)
        if answer.status_code != 503 or time.monotonic() > deadline:
            return answer
