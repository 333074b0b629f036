"""The benchmark's own measuring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.generation import Row, job, show


def test_the_memory_of_a_job_is_its_own_and_not_its_parents(model_path: Path, tmp_path: Path) -> None:
    """What getrusage tells of a child begins with what its parent had in memory when it was started."""
    parents = np.ones(60_000_000)
    seconds, peak = job(model_path, tmp_path / "out", 200, 1, 64)
    assert seconds > 0
    assert 20_000 < peak < parents.nbytes // 1024


def test_a_missed_limit_is_marked_and_is_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    kept, missed = Row("a / b", ">= 2.0", [1.0, 3.0, 2.5], True), Row("c / d", ">= 2.0", [1.9], False)
    assert show([kept, Row("e / f", "reported", [1.0], None)]) == 0
    assert show([kept, missed]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "| a / b | >= 2.0 | 2.50 [1.00, 3.00] over 3 | kept |" in lines
    assert "| e / f | reported | 1.00 [1.00, 1.00] over 1 |  |" in lines
    assert "| c / d | >= 2.0 | 1.90 [1.90, 1.90] over 1 | MISSED |" in lines
