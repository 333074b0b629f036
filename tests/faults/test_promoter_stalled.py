"""A command that stalls between any two of its writes, while one on another machine decides, and then goes on.

The other machine's lock is another file: what keeps the two apart is the ledger alone. Each write is a place to stall:
before the entry, the stalled command ends with 75 and has moved nothing; after it, what it wrote late does not stay.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganlib.config import GateConfig, RegistryConfig
from ganlib.core.errors import BadInput, GanlibError, Unavailable
from ganlib.core.project import Project
from ganlib.registry.apply import apply_pending
from ganlib.registry.entries import NON_MOVING
from ganlib.registry.gate import decide
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.promote import promote, rollback
from ganlib.registry.reconcile import APPROVE, reconcile
from ganlib.registry.registry import CHAMPION, PREVIOUS, Registry, alias_lock
from ganlib.tracking.store import MlflowStore, connect
from tests import factories
from tests.support.again import Again

pytestmark = pytest.mark.faults

NAME, POLICY = "mnist-generator", GateConfig()
WRITES = (
    "set_model_version_tag", "delete_model_version_tag", "create_experiment", "create_run", "set_terminated",
    "rename_experiment", "log_param", "set_tag", "delete_tag", "set_registered_model_tag", "set_registered_model_alias",
    "delete_registered_model_alias",
)  # fmt: skip
Act = Callable[[Registry], object]
WAIT = 300


class Stalled:
    """A command in a thread, which stops before write ``step`` (from 0) until it is let go on."""

    def __init__(self, registry: Registry, act: Act, step: int) -> None:
        self.step, self.writes, self.result = step, [], None  # type: ignore[var-annotated]
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.pause, self.after = threading.Event(), threading.Event()
        for name in WRITES:
            setattr(registry.store.client, name, self._watched(name, getattr(registry.store.client, name)))
        self.thread = threading.Thread(target=self._run, args=(registry, act))
        self.thread.start()
        assert self.reached.wait(WAIT)

    def _watched(self, name: str, write: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            place = len(self.writes)
            self.writes.append((name, arguments))
            if place == self.step:
                self.reached.set()
                assert self.go_on.wait(WAIT)
            done = write(*arguments, **options)
            if place == self.step:
                self.after.set()
                assert not self.pause.is_set() or self._resumed.wait(WAIT)
            return done

        self._resumed = threading.Event()
        return call

    def _run(self, registry: Registry, act: Act) -> None:
        try:
            self.result = act(registry)
        except GanlibError as error:
            self.result = error  # type: ignore[assignment]
        self.reached.set()

    @property
    def at(self) -> tuple[str, Any] | None:
        """The write that it stands before; None: it got through."""
        return self.writes[self.step] if len(self.writes) > self.step else None

    def write_and_stop(self) -> None:
        """Let the one write through, and nothing more."""
        self.pause.set()
        self.go_on.set()
        assert self.after.wait(WAIT)

    def end(self) -> Any:
        """Let it go on to its end; what came of it."""
        self.go_on.set()
        self._resumed.set()
        self.thread.join(WAIT)
        assert not self.thread.is_alive()
        return self.result


class Machines:
    """Two projects with state folders of their own and one database."""

    def __init__(self, project: Project, folder: Path) -> None:
        self._first, self._second = Project(folder / "one"), factories.project(folder / "two")
        shutil.copytree(project.root, self._first.root)
        self._again = Again(self._first)

    def anew(self) -> tuple[Registry, Registry]:
        """Both, as they were at first."""
        uri = self._again.anew().database
        return Registry(connect(self._first, uri), NAME), Registry(connect(self._second, uri), NAME)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Machines:
    """Champion 2, which displaced 1; 3 and 4 are better than all before them, and 5 is worse."""
    store = connect(factories.project(tmp_path_factory.mktemp("registry"), factories.empty_database()))
    for number, fid in enumerate((40, 30, 20, 10, 90), 1):
        factories.bare_version(store, number, fid)
    for number in (1, 2):
        assert promoting(number)(Registry(store, NAME))
    return Machines(store.project, tmp_path_factory.mktemp("machines"))


def promoting(number: int, **options: Any) -> Act:
    def act(registry: Registry) -> bool:
        state = registry.store.project.state
        return promote(registry, registry.get(number), policy=POLICY, state=state, **options).promoted

    return act


def returning(registry: Registry) -> int | None:
    return rollback(registry, state=registry.store.project.state).to_version


def reconciling(registry: Registry) -> bool:
    return reconcile(
        registry,
        gate=lambda challenger, champion, tried: decide(challenger, champion, POLICY, tried),
        rules=RegistryConfig(approval="required"),
        state=registry.store.project.state,
    ).ok


def registering(registry: Registry) -> None:
    with alias_lock(registry.store.project.state):
        apply_pending(registry, Ledger(registry.store, NAME))


def stand(store: MlflowStore) -> tuple[int | None, int | None, list[tuple[str, int | None, int | None]]]:
    """Champion, previous and the moves since entry 2; ledger and aliases must agree, and the chain must be one."""
    registry, snapshot = Registry(store, NAME), Ledger(store, NAME).read()
    assert snapshot.problems() == []
    assert snapshot.beyond() == []
    assert snapshot.intents == ()
    moves = [
        (entry.kind, entry.from_version, entry.to_version)
        for entry in snapshot.entries()
        if entry.kind not in NON_MOVING
    ]
    champion = None
    for _, origin, target in moves:
        assert origin == champion, f"a fork: {moves}"
        champion = target
    aliases = registry.aliases()
    assert aliases.get(CHAMPION) == champion
    assert aliases.get(PREVIOUS) in {None, *(target for _, _, target in moves)}
    return champion, aliases.get(PREVIOUS), moves[2:]


RIVALS: dict[str, tuple[Act, Act]] = {
    "promote-promote": (promoting(3), promoting(4)),
    "promote-rollback": (promoting(3), returning),
    "promote-reconcile": (promoting(3), reconciling),
    "promote-refused": (promoting(3), promoting(5)),
    "approval-promote": (promoting(3, approval=True), promoting(4)),
    "rollback-promote": (returning, promoting(4)),
    "rollback-rollback": (returning, returning),
    "reconcile-promote": (reconciling, promoting(4)),
}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("rivals", RIVALS)
def test_a_command_that_stalls_before_any_write_moves_nothing_late_that_stays(machines: Machines, rivals: str) -> None:
    slow, quick = RIVALS[rivals]
    for step in range(40):
        ours, theirs = machines.anew()
        if slow is reconciling:
            ours.tag(3, {APPROVE: "Ada"})
        stalled = Stalled(ours, slow, step)
        place = stalled.at
        if place is None:
            stalled.end()
            break
        recorded = any(name == "log_param" for name, _ in stalled.writes[:step])
        try:
            result: Any = quick(theirs)
        except GanlibError as error:
            result = error
        decided = Ledger(theirs.store, NAME).read().last > 2
        ended = stalled.end()
        stand(theirs.store)
        if recorded:
            assert not isinstance(ended, GanlibError), (step, place, ended)
        elif decided and slow is not reconciling:  # which looks again by itself
            # Somebody else was first: the champion moved (2), or the ledger did (75).
            assert isinstance(ended, BadInput | Unavailable), (step, place, ended)
        assert recorded or not isinstance(result, GanlibError) or isinstance(result, Unavailable), (step, result)
    assert step >= 4, "so many writes there are at least"


def _before_alias(machines: Machines, act: Act) -> tuple[Stalled, Registry]:
    """The command, stalled just before it sets the champion's alias, and the other machine."""
    whole = Stalled(machines.anew()[0], act, 40)
    whole.end()
    (step,) = (
        place
        for place, (name, arguments) in enumerate(whole.writes)
        if name == "set_registered_model_alias" and CHAMPION in arguments
    )
    ours, theirs = machines.anew()
    stalled = Stalled(ours, act, step)
    assert stalled.at == whole.writes[step]
    return stalled, theirs


@pytest.mark.parametrize("look", [registering, reconciling, returning], ids=lambda act: act.__name__)
def test_a_late_alias_is_no_persons_for_a_command_that_sees_it_before_its_writer_looks_again(
    machines: Machines, look: Act
) -> None:
    stalled, theirs = _before_alias(machines, promoting(3))
    assert promoting(4)(theirs)  # which first carries out what the stalled one has recorded
    assert stand_with_intents(theirs) == 4
    stalled.write_and_stop()
    assert theirs.aliases()[CHAMPION] == 3
    look(theirs)
    assert theirs.aliases()[CHAMPION] == (3 if look is returning else 4)
    assert stalled.end() is True
    champion, previous, moves = stand(theirs.store)
    expected = [("promoted", 2, 3), ("promoted", 3, 4)]
    assert moves == (expected if look is not returning else [*expected, ("rolled-back", 4, 3)])
    assert (champion, previous) == ((4, 3) if look is not returning else (3, 2))


def stand_with_intents(registry: Registry) -> int | None:
    """The champion, while another command has not said yet that it has ended."""
    assert Ledger(registry.store, NAME).read().intents
    return registry.aliases().get(CHAMPION)


def test_a_person_who_moves_the_alias_while_a_command_stalls_is_still_a_person(machines: Machines) -> None:
    stalled, theirs = _before_alias(machines, promoting(3))
    assert promoting(4)(theirs)
    theirs.set_alias(CHAMPION, 5)
    registering(theirs)
    stalled.end()
    champion, _, moves = stand(theirs.store)
    assert champion == 5
    assert moves == [("promoted", 2, 3), ("promoted", 3, 4), ("external", 4, 5)]


def test_of_two_machines_that_begin_the_ledger_at_once_one_does(tmp_path: Path) -> None:
    store = connect(factories.project(tmp_path / "new", factories.empty_database()))
    for number, fid in enumerate((40, 30, 20, 10), 1):
        factories.bare_version(store, number, fid)
    machines = Machines(store.project, tmp_path)
    for step in range(40):
        ours, theirs = machines.anew()
        stalled = Stalled(ours, promoting(1, expect=0), step)
        place = stalled.at
        if place is None:
            assert stalled.end() is True
            break
        try:
            result: Any = promoting(2, expect=0)(theirs)
        except GanlibError as error:
            result = error
        ended = stalled.end()
        (lost,) = [end for end in (ended, result) if end is not True]
        assert lost.exit_code in (2, 75), (step, place)
        snapshot = Ledger(theirs.store, NAME).read()
        assert snapshot.problems() == []
        assert [entry.kind for entry in snapshot.entries()] == ["promoted"]
        assert theirs.aliases()[CHAMPION] == snapshot.entries()[0].to_version
    assert step >= 8
