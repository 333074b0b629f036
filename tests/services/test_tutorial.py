"""docs/tutorial.md, read as a newcomer does: every command, in its order, in a project of its own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from nbclient import NotebookClient

from tests.conftest import ROOT
from tests.services import project as projects
from tests.support.notebook import NOTEBOOK, notebook

pytestmark = [pytest.mark.services, pytest.mark.slow]


def test_the_notebook_is_the_page() -> None:
    assert nbformat.read(NOTEBOOK, as_version=4) == notebook(), "python -m tests.support.notebook writes it anew"


def test_every_command_of_the_tutorial_does_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _project(tmp_path / "project")
    (folder / "docs").mkdir()
    shutil.copy(NOTEBOOK, folder / "docs")
    for name, value in projects.environment(folder).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    read = nbformat.read(folder / "docs" / NOTEBOOK.name, as_version=4)
    NotebookClient(read, timeout=900, resources={"metadata": {"path": folder / "docs"}}).execute()
    outputs = "".join(_text(cell) for cell in read.cells)
    for told in (
        "version 1 promoted to champion (against no champion yet)",
        "missing: shard-00000/00000003.png\nexit code 1\n",
        "all of 1,000 images are there; made again: shard-00000.\n",
        "version 2 refused (against version 1)",
        "version 3 promoted to champion (against version 1)",
        "version 1 is champion again in place of 3 (entry 4 of the ledger)",
        "version 3 refused (against version 1)\n  NO  taken back: ",
        "the ledger is whole: 5 entries",
        "(16, 1, 28, 28) uint8",
    ):
        assert told in outputs, f"{told!r} is not in\n{outputs}"


def _project(folder: Path) -> Path:
    """A project with all of MNIST, so that 5,000 images tell two models apart. Ten steps are a training there."""
    projects.bare(folder)
    shutil.rmtree(folder / "data" / "prepared")
    shutil.copytree(ROOT / "data" / "prepared", folder / "data" / "prepared")
    shutil.copy(ROOT / "dvc.lock", folder)
    values: dict[str, Any] = yaml.safe_load((folder / "params.yaml").read_text())
    values["budgets"]["demo"] = values["budgets"]["smoke"]
    values["evaluate"] |= {"samples": 5000, "bootstrap": 200}
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    return folder


def _text(cell: Any) -> str:
    """What ``cell`` printed."""
    return "".join(output.get("text", "") for output in cell.get("outputs", ()) if output.get("name") == "stdout")
