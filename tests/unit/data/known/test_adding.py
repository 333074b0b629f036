"""The data set of docs/data.md, as a newcomer would add it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ganlib.config import DataConfig
from ganlib.data import fetch, known
from ganlib.data.prepare import prepare
from tests.conftest import ROOT


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The page's code as a file of the package."""
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs/data.md").read_text(), re.DOTALL)
    assert code
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "two_sides.py").write_text(code.group(1))
    monkeypatch.setattr(known, "__path__", [*known.__path__, str(tmp_path / "files")])
    return "two-sides"


def test_one_file_is_listed_imported_and_split(toy: str, tmp_path: Path) -> None:
    assert toy in known.names()
    config = DataConfig(source=toy)
    fetch.fetch(tmp_path, tmp_path / "raw", tmp_path / "cache", config)
    summary = prepare(tmp_path / "raw", tmp_path / "out", config)
    assert summary.spec.name == toy
    assert summary.spec.class_names == ("left", "right")
    assert summary.spec.image.dims == (1, 32, 32)
    assert sum(summary.counts.values()) == 300
    assert summary.twins is None
