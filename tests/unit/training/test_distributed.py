"""Two real gloo processes that share every batch end where one process with the whole batch ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ganlib.core.errors import BadInput
from ganlib.data.splits import file_names, load_split
from ganlib.training.distributed import ALONE, Team
from tests.conftest import ROOT
from tests.services.conftest import free_port
from tests.unit.training.together import CASES, train

STEPS = 4
TOLERANCE = 1e-3
"""Of the difference of a tensor, as a share of its change by the steps (Euclidean norms): sums have another order."""


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What both processes of a team of two came to."""
    folder, port = tmp_path_factory.mktemp("together"), str(free_port())
    split = load_split(ROOT / "data" / "prepared", "validation")
    for file, array in zip(file_names("validation")[:2], split[:2], strict=True):
        np.save(folder / file, array[:300])
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.unit.training.together", str(folder), str(STEPS)],
            cwd=ROOT,
            env={
                **os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1",
            },
            stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    for process in started:
        _, errors = process.communicate(timeout=500)
        assert process.returncode == 0, errors
    return folder


@pytest.mark.parametrize("name", CASES)
def test_two_processes_end_where_one_does(name: str, together: Path, tmp_path: Path) -> None:
    alone, before = train(name, ALONE, tmp_path, STEPS)
    first, second = (torch.load(together / f"{name}-{rank}.pt", weights_only=True) for rank in range(2))
    differences = {}
    for key, value in alone["state"].items():
        assert torch.equal(first["state"][key], second["state"][key]), key  # both hold the same nets, to the bit
        change = (value - before[key]).float().norm().item()
        if change > 1e-6:
            differences[key] = (value - first["state"][key]).float().norm().item() / change
    assert len(differences) > 10
    assert max(differences.values()) < TOLERANCE, differences
    # The leader alone checks, which moved no weight: the other one, that did not, holds the same to the bit.
    assert [step for step, _ in first["checked"]] == [2, 4]
    assert second["checked"] == alone["checked"] == []
    # The leader alone logs, and the figures are those of the whole batch.
    assert second["logged"] == []
    for (step, there), (same, here) in zip(first["logged"], alone["logged"], strict=True):
        assert step == same
        assert there.keys() == here.keys()
        for key, value in here.items():
            if key not in {"images_per_second", "perplexity"}:
                assert there[key] == pytest.approx(value, rel=1e-3, abs=1e-4), key
    assert [step for step, _ in first["logged"]]
    # Slices are disjoint, and together they are the batch.
    assert torch.equal(torch.cat([first["images"], second["images"]]), alone["images"])


def test_a_batch_that_cannot_be_shared_in_whole_groups_is_refused() -> None:
    team = Team()
    team.size = 3
    team.require_shares(48)
    with pytest.raises(BadInput, match=r"batch size 32 cannot be shared by 3 processes.*multiple of 24"):
        team.require_shares(32)
