"""A reconcile that is killed between any two of its writes: run again, it leaves what an undisturbed one does.

And a registry that is away: exit code 75, nothing changed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from ganlib.config import GateConfig, RegistryConfig
from ganlib.core.project import Project
from ganlib.registry.gate import decide
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.promote import promote
from ganlib.registry.reconcile import APPROVE, Reconciliation, pending, reconcile
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking.store import connect
from tests import factories
from tests.faults.deadly import arm
from tests.support.again import Again
from tests.support.forks import forks, run

pytestmark = pytest.mark.faults

NAME, POLICY = "mnist-generator", GateConfig()
WRITES = (
    "set_model_version_tag", "delete_model_version_tag", "log_param", "set_registered_model_tag",
    "set_registered_model_alias", "delete_registered_model_alias", "set_tag", "delete_tag",
)  # fmt: skip
Moves = list[tuple[str, int | None, int | None]]


def unearned(registry: Registry) -> None:
    registry.set_alias(CHAMPION, 3)


def gone(registry: Registry) -> None:
    registry.store.client.delete_model_version(NAME, "2")


def approved(registry: Registry) -> None:
    registry.tag(4, {APPROVE: "Ada"})


ENDS: dict[Callable[[Registry], None], tuple[Moves, int]] = {
    unearned: ([("external", 2, 3), ("rolled-back", 3, 2)], 2),
    gone: ([("external", 2, None), ("rolled-back", None, 1)], 1),
    approved: ([("promoted", 2, 4)], 4),
}
"""What a person did; what is in the ledger afterwards, and who is champion."""


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Again:
    """Champion 2, which displaced 1; 3 is worse and undecided; 4 is better and awaits approval."""
    store = connect(factories.project(tmp_path_factory.mktemp("registry"), factories.empty_database()))
    for number, fid in enumerate((20, 10, 30, 5), 1):
        factories.bare_version(store, number, fid)
    registry, state = Registry(store, NAME), store.project.state
    for number in (1, 2, 4):
        promote(registry, registry.get(number), policy=POLICY, state=state, approval=number == 4)
    return Again(store.project)


def look(registry: Registry) -> Reconciliation:
    return reconcile(
        registry,
        gate=lambda challenger, champion, tried: decide(challenger, champion, POLICY, tried),
        rules=RegistryConfig(approval="required"),
        state=registry.store.project.state,
    )


def _look_and_die(root: Path, step: int) -> None:
    """Reconcile, and be killed just before write ``step`` reaches MLflow; exit with 100 if there are fewer."""
    store = connect(Project(root))
    arm(store, WRITES, step)
    look(Registry(store, NAME))
    os._exit(100)


@pytest.mark.parametrize("act", ENDS, ids=lambda act: act.__name__)
def test_killed_before_any_of_its_writes_and_run_again_it_ends_where_an_undisturbed_one_does(
    before: Again, act: Callable[[Registry], None]
) -> None:
    moves, champion = ENDS[act]
    for step in range(20):
        project = before.anew()
        registry = Registry(connect(project), NAME)
        act(registry)
        child = forks.Process(target=_look_and_die, args=(project.root, step))
        child.start()
        child.join(500)
        assert child.exitcode in (-signal.SIGKILL, 100)
        look(registry)
        snapshot = Ledger(registry.store, NAME).read()
        assert snapshot.problems() == []
        assert [(entry.kind, entry.from_version, entry.to_version) for entry in snapshot.entries()][3:] == moves, step
        assert registry.alias(CHAMPION).version == champion  # type: ignore[union-attr]
        assert registry.tagged(APPROVE) == {}
        assert pending(registry) is None
        if child.exitcode == 100:
            break
    assert step >= 4, "so many writes there are at least"


def test_a_registry_that_is_away_is_exit_code_75_and_changes_nothing(before: Again) -> None:
    project = before.anew()
    unearned(Registry(connect(project), NAME))
    kept = (project.root / "mlflow.db").read_bytes()
    done = run(["ganlib", "reconcile"], project.root, {**os.environ, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})
    assert done.returncode == 75, done.stderr
    assert "http://127.0.0.1:9 does not answer" in done.stderr
    assert (project.root / "mlflow.db").read_bytes() == kept
