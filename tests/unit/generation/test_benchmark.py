"""The benchmark's own measuring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.generation import job
from benchmarks.rounds import Figure, at_least, at_most, show


def test_the_memory_of_a_job_is_its_own_and_not_its_parents(model_path: Path, tmp_path: Path) -> None:
    """What getrusage tells of a child begins with what its parent had in memory when it was started."""
    parents = np.ones(60_000_000)
    seconds, peak = job(model_path, tmp_path / "out", 200, 1, 64)
    assert seconds > 0
    assert 20_000 < peak < parents.nbytes // 1024


def test_a_missed_limit_is_marked_and_is_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    kept, missed = at_least("a / b", [1.0, 3.0, 2.5], 2), at_least("c / d", [1.9], 2)
    assert show([kept, Figure("e / f", [1.0], "reported"), at_most("g / h", [1.05], 1.05)]) == 0
    assert show([kept, missed]) == 1
    assert show([at_most("g / h", [1.06], 1.05), kept]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "| a / b | >= 2 | 2.50 [1.00, 3.00] over 3 | kept |" in lines
    assert "| e / f | reported | 1.00 [1.00, 1.00] over 1 |  |" in lines
    assert "| c / d | >= 2 | 1.90 [1.90, 1.90] over 1 | MISSED |" in lines
