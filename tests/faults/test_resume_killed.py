"""SIGKILL in mid-training, for every family, with augmentation: resumed, it ends with the bits of an unbroken one.

What the command line makes of it is in test_train_killed.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ganlib import families
from tests.conftest import ROOT
from tests.faults import mortal
from tests.support import forks

pytestmark = [pytest.mark.faults, pytest.mark.slow]
EVERY = families.names()


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The order of sums depends on the number of threads."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def killed(folder: Path, spot: str, *names: str) -> Path:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = forks.run(["tests.faults.mortal", str(folder), spot, *names], ROOT, environment, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoints of all families after a SIGKILL in their fifteenth step."""
    return killed(tmp_path_factory.mktemp("killed"), "step", *EVERY)


def assert_ends_alike(name: str, left: Path, tmp_path: Path, saved: int) -> None:
    """``left`` resumed from step ``saved`` ends as one that was never killed."""
    whole, whole_ema = mortal.build(name, 3)
    unbroken = mortal.fit(whole, whole_ema, tmp_path / "whole.pt")
    other, other_ema = mortal.build(name, 999)  # another process has other initial weights
    assert torch.load(left / f"{name}.pt", weights_only=True)["progress"]["step"] == saved
    resumed = mortal.fit(other, other_ema, left / f"{name}.pt", resume=True)
    assert (resumed.steps, resumed.best_step) == (unbroken.steps, unbroken.best_step) == (24, unbroken.best_step)
    for ours, theirs in ((whole, other), (whole_ema.module, other_ema.module)):
        for key, value in ours.state_dict().items():
            assert torch.equal(value, theirs.state_dict()[key]), key
    for player, optimizer in whole.optimizers.items():
        mine, its = (each.state_dict() for each in (optimizer, other.optimizers[player]))
        assert mine["param_groups"] == its["param_groups"]
        for place, state in mine["state"].items():
            assert all(
                torch.equal(torch.as_tensor(v), torch.as_tensor(its["state"][place][k])) for k, v in state.items()
            )


@pytest.mark.parametrize("name", EVERY)
def test_a_training_that_was_killed_in_a_step_ends_with_the_same_bits(name: str, left: Path, tmp_path: Path) -> None:
    assert_ends_alike(name, left, tmp_path, saved=12)


def test_a_training_that_was_killed_while_it_wrote_a_checkpoint_goes_on_from_the_one_before(tmp_path: Path) -> None:
    folder = killed(tmp_path / "killed", "checkpoint", "dcgan")
    assert_ends_alike("dcgan", folder, tmp_path, saved=10)  # those of steps 5, 6 and 10 are whole, that of 12 is not
