"""A promoter or rollback that is killed between any two of its writes: the old champion or the new one, and a ledger
that the next command finds whole and finishes; nobody is blocked."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from ganlib.config import GateConfig
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.promote import promote, rollback
from ganlib.registry.registry import CHAMPION, PREVIOUS, Registry
from ganlib.registry.resolve import resolve_version
from ganlib.tracking.store import MlflowStore, connect
from tests import factories
from tests.faults.deadly import arm
from tests.support.again import Again
from tests.support.forks import forks

pytestmark = [pytest.mark.faults, pytest.mark.slow]

NAME = "mnist-generator"
WRITES = (
    "set_model_version_tag", "log_text", "create_experiment", "create_run", "set_terminated", "rename_experiment",
    "log_param", "set_tag", "set_registered_model_tag", "set_registered_model_alias", "delete_registered_model_alias",
    "delete_tag",
)  # fmt: skip
PROMOTION = 10
"""Two tags of the gate, report, ledger entry, mark, alias previous, alias champion, challenger's alias removed, seal,
mark off."""
FIRST = 14
"""Two tags of the gate, report, the ledger's experiment, run, its end, its name, first seal; then as above but
``previous``."""
ROLLBACK = 6
"""Ledger entry, mark, alias champion, alias previous removed, seal, mark off."""

Moves = list[tuple[str, int | None, int | None]]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Again:
    """Challenger 1, and nothing decided yet."""
    return Again(_registered(tmp_path_factory, [10]))


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Again:
    """Champion 1, challenger 2, which is better."""
    return Again(_registered(tmp_path_factory, [10, 5]))


@pytest.fixture(scope="module")
def after(before: Again, tmp_path_factory: pytest.TempPathFactory) -> Again:
    """Champion 2, which displaced 1."""
    project = Project(tmp_path_factory.mktemp("after") / "project")
    shutil.copytree(before.anew().root, project.root)
    assert promoted(connect(project), "2")
    return Again(project)


def _registered(tmp_path_factory: pytest.TempPathFactory, fids: list[int]) -> Project:
    store = connect(factories.project(tmp_path_factory.mktemp("registry"), factories.empty_database()))
    for seed, fid in enumerate(fids):
        path = tmp_path_factory.mktemp("graphs") / f"{seed}.onnx"
        factories.graph(path, seed)
        factories.registered(store, path, fid)
        if seed < len(fids) - 1:
            promoted(store, str(seed + 1))
    return store.project


def promoted(store: MlflowStore, reference: str) -> bool:
    registry = Registry(store, NAME)
    return promote(
        registry, resolve_version(registry, reference), policy=GateConfig(), state=store.project.state
    ).promoted


def rolled_back(store: MlflowStore) -> int | None:
    return rollback(Registry(store, NAME), state=store.project.state).to_version


def moves(store: MlflowStore) -> Moves:
    """What the ledger says; it must be whole, and nothing may be left to do."""
    snapshot = Ledger(store, NAME).read()
    assert snapshot.problems() == []
    assert snapshot.unsealed() is None
    return [(entry.kind, entry.from_version, entry.to_version) for entry in snapshot.entries()]


def aliases(store: MlflowStore) -> dict[str, int]:
    return {name: int(number) for name, number in store.client.get_registered_model(NAME).aliases.items()}


def _do_and_die(root: Path, what: str, step: int) -> None:
    """Promote version ``what`` (or "back": roll back), and be killed just before write ``step`` reaches MLflow."""
    store = connect(Project(root))
    done = arm(store, WRITES, step)
    rolled_back(store) if what == "back" else promoted(store, what)
    os._exit(100 + done())


def killed(project: Project, what: str, step: int, steps: int) -> MlflowStore:
    """The registry after a command that was killed before its write ``step``; at ``steps`` it gets through."""
    child = forks.Process(target=_do_and_die, args=(project.root, what, step))
    child.start()
    child.join(500)
    assert child.exitcode == (100 + steps if step == steps else -signal.SIGKILL)
    store = connect(project)
    snapshot = Ledger(store, NAME).read()
    assert snapshot.problems() == []  # a killed writer is not taken for a forger
    return store


@pytest.mark.parametrize("step", range(PROMOTION + 1))
def test_a_killed_promoter_leaves_the_old_champion_or_the_new_one_and_the_next_one_finishes(
    before: Again, step: int
) -> None:
    store = killed(before.anew(), "2", step, PROMOTION)
    assert aliases(store)[CHAMPION] == (1 if step <= 6 else 2)
    if step < PROMOTION - 1:
        assert promoted(store, "2")
    assert aliases(store) == {CHAMPION: 2, PREVIOUS: 1}
    assert moves(store) == [("promoted", None, 1), ("promoted", 1, 2)]
    with pytest.raises(BadInput, match="champion already"):
        promoted(store, "2")


@pytest.mark.parametrize("step", range(FIRST + 1))
def test_a_promoter_killed_while_it_starts_the_ledger_leaves_one_that_the_next_goes_on_with(
    fresh: Again, step: int
) -> None:
    store = killed(fresh.anew(), "1", step, FIRST)
    assert step > 10 or CHAMPION not in aliases(store)
    if step < FIRST - 1:
        assert promoted(store, "1")
    assert aliases(store) == {CHAMPION: 1}
    assert moves(store) == [("promoted", None, 1)]


@pytest.mark.parametrize("step", range(ROLLBACK + 1))
def test_a_killed_rollback_is_finished_by_the_next_and_not_done_twice(after: Again, step: int) -> None:
    store = killed(after.anew(), "back", step, ROLLBACK)
    assert aliases(store)[CHAMPION] == (2 if step <= 2 else 1)
    if step < ROLLBACK - 1:
        assert rolled_back(store) == 1
    assert aliases(store) == {CHAMPION: 1}
    assert moves(store)[2:] == [("rolled-back", 2, 1)]


@pytest.mark.parametrize("step", [4, 5, 6, 7, 8])
def test_a_rollback_after_a_killed_promotion_first_finishes_it(before: Again, step: int) -> None:
    store = killed(before.anew(), "2", step, PROMOTION)
    assert rolled_back(store) == 1
    assert aliases(store) == {CHAMPION: 1}
    assert moves(store)[1:] == [("promoted", 1, 2), ("rolled-back", 2, 1)]


def test_what_a_person_did_after_the_kill_stands_and_is_recorded(before: Again) -> None:
    store = killed(before.anew(), "2", 6, PROMOTION)
    store.client.delete_registered_model_alias(NAME, CHAMPION)
    assert rolled_back(store) == 2
    assert moves(store)[1:] == [("promoted", 1, 2), ("external", 2, None), ("rolled-back", None, 2)]
