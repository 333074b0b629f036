"""The judge of docs/judges.md, as a reader would make it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ganlib.data.versioning.state import describe
from ganlib.jobs.data.judge import check_file, examined
from tests import shapes
from tests.conftest import ROOT


def test_the_page_s_graph_is_a_judge_with_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs/judges.md").read_text(), re.DOTALL)
    assert code
    monkeypatch.chdir(tmp_path)
    exec(compile(code.group(1), "docs/judges.md", "exec"), {})  # noqa: S102
    project = shapes.project(tmp_path / "project")
    data = describe(project)
    judge = check_file(project, tmp_path / "judge.onnx", data)
    assert judge.features(shapes.drawn(5).images).features.shape == (5, 48)
    card = examined(project, judge, data)
    assert card.kind == "file"
    for kind in ("blur", "noise"):
        fids = card.table[kind].fids
        assert fids[-1] > 2 * fids[0], (kind, fids)
