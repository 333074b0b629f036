"""What somebody at a terminal sees of commands that take long: every stage by name, from the first moment on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import factories, terminal
from tests.services import project as projects

pytestmark = [pytest.mark.slow, pytest.mark.services]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = projects.make(tmp_path_factory.mktemp("silence") / "project")
    factories.graph(made / "g.onnx")
    return made


def test_every_stage_of_a_first_evaluation_which_measures_the_real_images_too_is_named_on_a_terminal() -> None:
    first = projects.evaluated()
    assert first
    shown = (first / "terminal.txt").read_text()
    for stage in ("draw", "real images", "evaluate", " ... "):
        assert stage in shown


@pytest.mark.parametrize(
    ("words", "stages"),
    [
        # " ... ": what has no bar; the imports of these take long enough on any machine.
        ("train vae", ["train vae", "finish vae", "export vae", " ... "]),
        ("generate --model g.onnx --out out --count 500", ["generate"]),
    ],
)
def test_every_stage_is_named_on_a_terminal(folder: Path, words: str, stages: list[str]) -> None:
    done = terminal.run([sys.executable, "-m", "ganlib", *words.split()], folder, projects.environment(folder))
    assert done.code == 0, done.text
    for stage in stages:
        assert stage in done.text


def test_a_flow_that_is_started_as_a_command_shows_that_it_is_at_work_before_its_imports(folder: Path) -> None:
    """`ganlib retrain` becomes `python -m pipelines retrain`, whose imports take seconds before its first line."""
    program = (
        "import os, sys; sys.argv = ['-m', 'retrain', '--help']; from ganlib.core import progress; "
        "progress.watch = lambda: (print('prefect' in sys.modules, flush=True), os._exit(0)); "
        "from pipelines.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=projects.environment(folder),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr
