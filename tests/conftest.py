"""Shared by all tests: no test reads or writes the developer's own stores."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganlib.cli.app import settle_environment
from tests.told import pytest_sessionstart, pytest_terminal_summary

__all__ = ["ROOT", "SHARED", "pytest_sessionstart", "pytest_terminal_summary"]

settle_environment()
OWN = (
    *("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "GANLIB_ROOT"),
    *("PREFECT_API_URL", "PREFECT_HOME", "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"),
)
"""Variables that lead to the developer's own stores."""
for _name in OWN:
    os.environ.pop(_name, None)

ROOT = Path(__file__).resolve().parents[1]
SHARED = "GANLIB_TESTS_SHARED"
"""Names a folder that all of pytest's processes share, for what each project would take a minute to make anew."""


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of this checkout, for its committed files and (read only) its prepared data."""
    return ROOT


@pytest.fixture(scope="session", autouse=True)
def _projects_share(tmp_path_factory: pytest.TempPathFactory) -> None:
    """See :mod:`tests.services.project`."""
    base = tmp_path_factory.getbasetemp()
    os.environ[SHARED] = str((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid():
        pytest.skip("no small file system: run the tests as root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no small file system: run the tests where root may mount one")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
