"""A project's first command is killed at random moments: MLflow's database is never ruined by that.

    python -m benchmarks.first_seconds    # 50 SIGKILLs, every second one beside a plain MLflow client (GANLIB_KILLS)

A test of the suite runs the same with six.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support import forks

SEED = 15
_COMMAND = ("ganlib", "registry", "list", "--json")
_PLAIN = "import mlflow; mlflow.MlflowClient('sqlite:///mlflow.db').search_experiments()"


def ruined(
    folder: Path, *, kills: int, seed: int = SEED, say: Callable[[str], object] = lambda line: None
) -> tuple[int, int]:
    """Kill ``kills`` first commands, each in a project of its own, and run the same command again.

    The moments fall evenly into the time from the first sign of the state folder to the end of such a command. Beside
    every second one, a plain MLflow client that knows nothing of our lock makes the same database.

    Returns:
        How many kills hit a command at work, and after how many the next command failed.
    """
    draw = random.Random(seed)  # noqa: S311  (moments, not secrets)
    whole = _begin(_project(folder / "whole"))
    began = _at_work(whole, folder / "whole")
    assert whole.wait() == 0
    span = time.monotonic() - began
    hits = failures = 0
    for number in range(kills):
        root = _project(folder / str(number))
        plain = (
            subprocess.Popen([sys.executable, "-c", _PLAIN], cwd=root, stderr=subprocess.PIPE) if number % 2 else None
        )
        first = _begin(root)
        _at_work(first, root)
        time.sleep(moment := span * (number + draw.random()) / kills)
        first.send_signal(signal.SIGKILL)
        hits += first.wait() == -signal.SIGKILL
        if plain:
            plain.communicate()
        again = forks.run(_COMMAND, root, os.environ)
        failures += again.returncode != 0
        said = f" {again.stderr.strip()[-500:]}" if again.returncode else ""
        beside = f", beside a client that ended with {plain.returncode}" if plain else ""
        say(f"kill {number + 1} after {moment:.2f} s{beside}: the next command ends with {again.returncode}{said}")
        shutil.rmtree(root)
    return hits, failures


def _project(root: Path) -> Path:
    root.mkdir(parents=True)
    shutil.copy(Path(__file__).resolve().parents[1] / "params.yaml", root)
    return root


def _begin(root: Path) -> forks.Command:
    return forks.Command(_COMMAND, root, os.environ)


def _at_work(process: forks.Command, root: Path) -> float:
    """Wait until the command has made the state folder, or has ended; when that was."""
    while process.poll() is None and not (root / ".ganlib").exists():
        time.sleep(0.005)
    return time.monotonic()


def main() -> None:
    """The figures of the issue."""
    kills = int(os.environ.get("GANLIB_KILLS", "50"))
    with tempfile.TemporaryDirectory() as folder:
        hits, failures = ruined(Path(folder), kills=kills, say=lambda line: print(line, flush=True))
    print(f"{hits} of {kills} SIGKILLs hit a first command at work: {failures} ruined its database")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
