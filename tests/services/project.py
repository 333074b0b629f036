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

import requests
import yaml

from ganlib.core.locks import held
from tests import factories
from tests.conftest import ROOT, SHARED
from tests.services.conftest import free_port

CODE = ("dvc.yaml", "dvc.lock", "MLproject", "python_env.yaml", "constraints.txt", "pyproject.toml", ".dvc/config")


def make(folder: Path) -> Path:
    """Copy what a project needs to ``folder``; figures are of 1,000 images there, and trainings of ten steps.

    What real images score, and the tables of an empty MLflow and an empty Prefect, are there already.
    """
    bare(folder)
    if shared := os.environ.get(SHARED):
        made = _made_once(Path(shared))
        shutil.copy(made / "mlflow.db", folder)
        shutil.copytree(made / ".ganlib", folder / ".ganlib")
    return folder


def _made_once(shared: Path) -> Path:
    """A project with nothing in it but what costs time and depends on nothing that a test changes."""
    with held(shared / "lock", what="test session that prepares a project", patience=3600):
        folder = shared / "project"
        if not folder.exists():
            made = bare(shared / "half")
            factories.graph(made / "g.onnx")
            for words in (
                ("ganlib", "evaluate", "g.onnx"),
                ("ganlib", "registry", "list"),
                ("prefect", "server", "database", "upgrade", "-y"),
            ):
                done = run(made, *words, timeout=1800, PREFECT_HOME=str(made / ".ganlib" / "prefect"))
                assert done.returncode == 0, done.stderr
            made.rename(folder)
    return folder


def bare(folder: Path) -> Path:
    """The same without what costs time to make: for tests that evaluate nothing."""
    for name in CODE:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in ("ganlib", "pipelines"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.pyc.*"))
    shutil.copytree(ROOT / "data", folder / "data")
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


def environment(folder: Path) -> dict[str, str]:
    """The environment of commands in that project: its own code, its own state."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}


def run(folder: Path, *arguments: str, timeout: float = 900, **more: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m ARGUMENTS`` in the project."""
    return _python(folder, "-m", *arguments, timeout=timeout, **more)


def run_code(folder: Path, code: str, **more: str) -> str:
    """Run ``python -c CODE`` in the project; what it prints."""
    done = _python(folder, "-c", code, timeout=300, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _python(folder: Path, *words: str, timeout: float, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**environment(folder), **more},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def prefect_server(serve: Callable[..., None], folder: Path, **more: str) -> str:
    """Start Prefect's server as `make up` does, alone, for the project in ``folder``; its URL."""
    port = str(free_port())
    url = f"http://127.0.0.1:{port}"
    settings = {
        "PREFECT_HOME": str(folder / ".ganlib" / "prefect"),
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": port,
        "PREFECT_API_URL": f"{url}/api",
    }
    command = [sys.executable, "-m", "pipelines", "prefect_server"]
    serve(command, f"{url}/api/health", folder, PYTHONPATH=str(folder), **settings, **more)
    return url


def ask_prefect(url: str, verb: str, path: str, body: Any = None, auth: tuple[str, str] | None = None) -> Any:
    """Send what Prefect's page sends. Its SQLite database answers 503 while locked, and its client tries again."""
    deadline = time.monotonic() + 120
    while True:
        answer = requests.request(verb, f"{url}/api/{path}", json=body, auth=auth, timeout=60)
        if answer.status_code != 503 or time.monotonic() > deadline:
            assert answer.ok, answer.text
            return answer.json() if answer.content else None
