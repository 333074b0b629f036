"""What is imported when: nothing heavy before it is used. Looked up in processes of their own, and no clock is read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import project as projects

HEAVY = {
    "torch", "numpy", "scipy", "pandas", "mlflow", "onnx", "onnxruntime", "onnxscript", "prefect", "dvc", "optuna",
    "fastapi", "sqlalchemy", "matplotlib", "sklearn", "PIL", "pyarrow", "requests", "pydantic", "yaml",
}  # fmt: skip
NOT_BEFORE_THE_FIRST_STEP = {"prefect", "onnx", "onnxruntime", "onnxscript", "dvc", "optuna", "matplotlib", "sklearn"}


def imported(program: str, cwd: Path) -> set[str]:
    """Top-level modules that a Python process has imported by the time that it calls ``told()``."""
    prelude = (
        "import atexit, json, os, sys\ndef told(*_):\n    print(json.dumps(sorted(sys.modules))); sys.stdout.flush()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", prelude + program],
        cwd=cwd, env=projects.environment(cwd), capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return {name.split(".")[0] for name in json.loads(done.stdout)}


def test_importing_the_package_imports_nothing_else(checkout: Path) -> None:
    bare, with_it = imported("told()", checkout), imported("import ganlib; told()", checkout)
    assert with_it - bare == {"ganlib"}


def test_the_command_line_knows_its_verbs_without_anything_heavy(checkout: Path) -> None:
    assert not HEAVY & imported("import ganlib.cli; told()", checkout)


def test_the_families_are_listed_without_importing_what_they_are_made_of(checkout: Path) -> None:
    program = """
from contextlib import redirect_stdout
from ganlib.cli import app
with redirect_stdout(sys.stderr):
    app(["families"], standalone_mode=False)
told()
"""
    found = imported(program, checkout)
    assert not {"torch", "mlflow", "onnxruntime"} & found


def test_the_flows_are_there_without_what_their_tasks_import(checkout: Path) -> None:
    found = imported("import pipelines.serve; told()", checkout)
    assert not {"torch", "mlflow", "onnx", "onnxruntime", "scipy", "dvc", "rfc3987_syntax"} & found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dcgan", "vae"])
def test_a_training_takes_its_first_step_without_what_it_does_not_need_yet(name: str, tmp_path: Path) -> None:
    folder = projects.make(tmp_path / "project")
    program = f"""
from torch.optim.optimizer import register_optimizer_step_post_hook
register_optimizer_step_post_hook(lambda *_: (told(), os._exit(0)))
from ganlib.cli import main
sys.argv = ["ganlib", "train", "{name}", "--device", "cpu"]
main()
"""
    found = imported(program, folder)
    assert {"torch", "mlflow"} <= found  # it was a real one
    assert not NOT_BEFORE_THE_FIRST_STEP & found
