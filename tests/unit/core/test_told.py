"""What a run of the tests says at its start and its end."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.told import again, forecast

_TESTS = """
import pytest

@pytest.mark.parametrize("n", range(3))
def test_skipped(n):
    pytest.skip("no flying car: apt-get install flying-car")

def test_other():
    pytest.importorskip("no_such_module", reason="no such module: make install")

@pytest.mark.parametrize("what", ["it's"])
def test_bad(what):
    assert False

@pytest.fixture
def broken():
    raise ValueError

def test_error(broken):
    pass
"""


@pytest.mark.parametrize("processes", [[], ["--numprocesses", "2"]], ids=["one process", "xdist"])
def test_skips_are_told_by_reason_and_failures_with_the_command_that_runs_them(
    tmp_path: Path, processes: list[str]
) -> None:
    (tmp_path / "tests").mkdir()
    plugins = "".join(f" -p no:{name}" for name in ("cacheprovider", "schemathesis", "zarr", "hydra_pytest"))
    (tmp_path / "pytest.ini").write_text(f"[pytest]\ntestpaths = tests\naddopts = -q{plugins}\n")
    hooks = "from tests.told import pytest_sessionstart, pytest_terminal_summary\n"
    (tmp_path / "conftest.py").write_text(hooks)
    (tmp_path / "tests" / "test_it.py").write_text(_TESTS)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--import-mode=importlib", *processes],
        cwd=tmp_path, env={**environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    said = done.stdout.splitlines()
    assert said[0].startswith("All tests take about")
    assert "3 skipped: no flying car: apt-get install flying-car" in said
    assert "1 skipped: no such module: make install" in said
    alone = [line for line in said if line.startswith(".venv/bin/python -m pytest ")]
    assert sorted(alone) == [again("tests/test_it.py::test_bad[it's]"), again("tests/test_it.py::test_error")]


def test_the_forecast_grows_with_what_else_the_machine_does() -> None:
    assert forecast(0.3, 2) == "All tests take about 30 minutes on two quiet cores; here are 2, with a load of 0.3 now."
    assert forecast(6.0, 2).endswith("with a load of 6.0 now: expect about 90.")
    assert "expect" not in forecast(2.0, 16)


def test_each_reason_for_a_skip_says_how_to_have_the_test_run() -> None:
    reasons = []
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and re.search(r"(^|\.)(skip|skipif|importorskip)$", ast.unparse(node.func)):
                given = [word.value for word in node.keywords if word.arg == "reason"]
                given = given or (node.args[:1] if ast.unparse(node.func).endswith("skip") else [])
                reasons.append((path.name, ast.unparse(given[0]) if given else ""))
    assert reasons
    assert [each for each in reasons if ": " not in each[1]] == []
