"""``make matrix``: fast tests and retrainings with the oldest versions that pyproject.toml allows, and with the newest.

Each has an environment of its own below ``build/matrix``, made by uv, which heeds its own variables:
``UV_TORCH_BACKEND=cpu`` takes torch without CUDA.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from ganlib.cli.app import run, say
from ganlib.core.errors import BadInput, GanlibError

ROOT = Path(__file__).resolve().parents[1]
UV = ROOT / ".venv" / "tools" / "bin" / "uv"
FOLDER = ROOT / "build" / "matrix"
FAST = ("-m", "not slow and not services and not faults and not pins", "--numprocesses", "2", "--dist", "loadfile")
RETRAIN = ("tests/services/test_mlproject.py", "tests/services/test_prefect_services.py")
"""MLflow and Prefect start retrainings on their own servers, and DVC versions the data."""
SHOWN = (
    "python",
    "torch",
    "onnx",
    "onnxruntime",
    "mlflow",
    "prefect",
    "dvc",
    "optuna",
    "fastapi",
    "sqlalchemy",
    "numpy",
)
_VERSION = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
_COUNTS = re.compile(r"\d+ (?:passed|failed|skipped|errors?)")
_PROBE = "import platform; print(platform.python_version())"

app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Column:
    """What became of one environment."""

    name: str
    versions: Mapping[str, str]
    fast: str
    retrain: str


@app.command()
def command(
    names: Annotated[list[str] | None, typer.Argument(help="oldest, newest; default: both.")] = None,
    python: Annotated[str, typer.Option(help="Interpreter of the newest, by version or path.")] = sys.executable,
) -> None:
    """Print a table of what was tried, and what the tests said."""
    if unknown := set(names or ()) - {"oldest", "newest"}:
        raise BadInput(f"there is no environment {min(unknown)!r}: oldest and newest are.")
    columns = [_try(name, python if name == "newest" else sys.executable) for name in names or ("oldest", "newest")]
    say(table(columns, date.today()))
    raise typer.Exit(any("failed" in f"{each.fast} {each.retrain}" for each in columns))


def table(columns: Sequence[Column], day: date) -> str:
    """Return the columns as Markdown."""
    rows = [("", *(f"{column.name}, {day}" for column in columns)), ("---",) * (1 + len(columns))]
    rows += [(name, *(column.versions[name] for column in columns)) for name in SHOWN]
    rows += [("fast tests", *(each.fast for each in columns)), ("retrainings", *(each.retrain for each in columns))]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _try(name: str, python: str) -> Column:
    """Build one environment and run the tests in it."""
    say(f"{name}: resolve and install; torch with CUDA is a download of 3 GB", err=True)
    interpreter = build(name, python)
    versions = dict(_VERSION.findall(_uv("pip", "freeze", "--python", str(interpreter))))
    versions = {key.lower(): value for key, value in versions.items()}
    versions["python"] = subprocess.run(
        [interpreter, "-c", _PROBE], capture_output=True, text=True, check=True
    ).stdout.strip()
    say(f"{name}: fast tests, then retrainings", err=True)
    return Column(name, versions, fast=_tests(interpreter, FAST), retrain=_tests(interpreter, RETRAIN))


def build(name: str, python: str) -> Path:
    """Make or renew an environment, and return its interpreter.

    The oldest has the lowest version of what ganlib itself needs; what only its tests need is as new as that allows.
    """
    folder = FOLDER / name
    _uv("venv", "--quiet", "--allow-existing", "--python", python, str(folder))
    interpreter = folder / "bin" / "python"
    limits = []
    if name == "oldest":
        pins = FOLDER / "oldest.txt"
        words = [word for extra in extras() for word in ("--extra", extra)]
        lowest = ["--resolution", "lowest-direct", "--python", str(interpreter), "--output-file", str(pins)]
        _uv("pip", "compile", "--quiet", "--no-header", "--no-annotate", *lowest, *words, "pyproject.toml")
        limits = ["--constraint", str(pins)]
    _uv("pip", "install", "--quiet", "--upgrade", "--python", str(interpreter), *limits, "--editable", ".[dev]")
    return interpreter


def extras() -> list[str]:
    """The extras that dev is made of, besides what is for tests alone."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    ours = next(str(row) for row in table["dev"] if row.startswith("ganlib["))
    return ours.removeprefix("ganlib[").removesuffix("]").split(",")


def _uv(*words: str) -> str:
    """What uv prints."""
    try:
        done = subprocess.run([UV, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BadInput(f"cannot run {UV}: {error.strerror}. `make matrix` installs it.") from error
    if done.returncode:
        raise GanlibError(f"uv {' '.join(words[:2])} failed: {' '.join(done.stderr.split())}")
    return done.stdout


def _tests(interpreter: Path, words: Sequence[str]) -> str:
    """Run pytest, whose output is shown as it comes, and return its counts."""
    path = f"{interpreter.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "VIRTUAL_ENV": str(interpreter.parents[1])}
    lines = []
    with subprocess.Popen(
        [interpreter, "-m", "pytest", *words], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as child:
        for line in child.stdout or ():
            say(line.rstrip(), err=True)
            lines.append(line)
    counts = _COUNTS.findall(lines[-1]) if lines else []
    return ", ".join(counts) or f"failed: pytest ended with {child.returncode}"


if __name__ == "__main__":
    run(app, "python -m tools.matrix")
