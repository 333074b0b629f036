"""Shared by all tests: no test reads or writes the developer's own stores."""

from __future__ import annotations

import gc
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from ganlib.cli.app import set_environment_defaults
from tests.support.once import FOLDER_VARIABLE
from tests.told import pytest_sessionstart, pytest_terminal_summary

__all__ = ["ROOT", "pytest_sessionstart", "pytest_terminal_summary"]

# What is imported and collected stays: looking through it for garbage took two fifths of a collection's time, and would
# take a second again from time to time while tests run.
gc.disable()

set_environment_defaults()
OWN = (
    *("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "GANLIB_ROOT"),
    *("PREFECT_API_URL", "PREFECT_HOME", "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"),
)
"""Variables that lead to the developer's own stores."""
for _name in OWN:
    os.environ.pop(_name, None)

ROOT = Path(__file__).resolve().parents[1]

# The same examples in every run, however busy the machine: what passes here passes in CI. The other profile looks for
# new ones.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=1000, deadline=None)
settings.load_profile("suite")


LONGEST = (
    "services/test_any_images.py",
    "unit/jobs/test_zoo.py",
    "services/test_prefect_password.py",
    "services/test_prefect_services.py",
    "services/test_day.py",
    "faults/test_train_killed.py",
    "services/test_prefect_people.py",
    "services/test_moved_project.py",
    "services/test_small_data.py",
    "services/test_tutorial.py",
    "faults/test_promoter_stalled.py",
    "services/test_data_version.py",
    "services/test_mlproject.py",
    "unit/jobs/promotion/test_siblings.py",
    "unit/jobs/measuring/test_compare.py",
    "unit/nets/test_text.py",
)
"""The files that take longest, which are begun first: one that is begun last leaves all cores idle but its own."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, and the rest in its own order, which has faults and services before units."""
    places = {ROOT / "tests" / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    """From here on garbage is collected, among what tests make."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of this checkout, for its committed files and (read only) its prepared data."""
    return ROOT


@pytest.fixture(scope="session", autouse=True)
def _projects_share(tmp_path_factory: pytest.TempPathFactory) -> None:
    """See :mod:`tests.support.once`."""
    base = tmp_path_factory.getbasetemp()
    os.environ[FOLDER_VARIABLE] = str((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared")


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
