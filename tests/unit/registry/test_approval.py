"""A person's answer about a version that awaits approval: a real MLflow, real versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganlib.config import Params, load
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.jobs.promotion import approval as jobs
from ganlib.jobs.promotion import promote as promotion
from ganlib.jobs.promotion.approval import WaitingVersion
from ganlib.jobs.promotion.reconcile import reconcile
from ganlib.registry.approval import Answer
from ganlib.registry.finding import Finding
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.promote import rollback
from ganlib.registry.reconcile import APPROVE
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking.store import connect
from tests import factories

NAME = "mnist-generator"
DOOR = "Prefect's page"


@pytest.fixture
def registry(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Version 1 is champion; versions 2, which Ada trained, and 3 are better and wait."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    monkeypatch.setattr(promotion, "fetch", no_graph)
    store = connect(factories.project(tmp_path / "project", empty_database))
    registry = Registry(store, NAME)
    for number, fid in ((1, 20), (2, 10), (3, 5)):
        run = store.client.create_run("0", tags={"mlflow.user": "ada" if number == 2 else "joan"}).info.run_id
        factories.bare_version(store, number, fid, run_id=run)
    assert ask(store.project, 1, approve=True).promoted
    for number in (2, 3):
        assert ask(store.project, number).awaiting
    return registry


def no_graph(*_: object) -> None:
    """These versions have none: no page of images is drawn for a decision."""
    raise BadInput("there is no graph")


def policy(project: Project) -> Params:
    rules = ("approval=required", "promoters=[ada, grace]", "own_approval=false")
    return load(project.params_file, [f"registry.{rule}" for rule in rules])


def ask(project: Project, number: int, *, approve: bool = False) -> promotion.Decision:
    return promotion.promote(project, policy(project), str(number), approve=approve)


def answer(registry: Registry, seq: int, name: str, *, approve: bool = True, reason: str = "") -> Finding:
    project = registry.store.project
    given = Answer(name=name, door=DOOR, approve=approve, reason=reason)
    return jobs.answer(project, policy(project), NAME, seq, given)


def waiting(registry: Registry) -> list[tuple[int, int]]:
    """The versions that wait, and their entries."""
    project = registry.store.project
    return [(one.version, one.entry) for one in jobs.waiting(project, policy(project))]


def test_the_ledger_says_who_approved_by_which_door_and_why_and_the_others_wait_no_more(registry: Registry) -> None:
    assert waiting(registry) == [(2, 2), (3, 3)]
    assert answer(registry, 3, "ada", reason="eights\nlook like eights").level == "info"
    entry = Ledger(registry.store, NAME).read().entries()[-1]
    assert (entry.kind, entry.from_version, entry.to_version) == ("promoted", 1, 3)
    assert entry.who.startswith("ada (Prefect's page), found by ada@")
    assert entry.reason == "approved: eights look like eights; the gate had passed it (entry 3)"
    assert registry.aliases()[CHAMPION] == 3
    assert waiting(registry) == [], "version 2 was compared with another champion"
    assert registry.get(3).gate == "passed"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bob", "bob may not approve: registry.promoters in params.yaml names ada, grace"),
        ("ada", "ada trained version 2, and another has to approve it (registry.own_approval)"),
    ],
)
def test_a_name_that_may_not_is_told_why_and_the_version_waits_on(registry: Registry, name: str, words: str) -> None:
    found = answer(registry, 2, name)
    assert (found.level, found.text) == ("error", f"version 2 was approved, but {words}")
    assert registry.aliases()[CHAMPION] == 1
    assert waiting(registry) == [(2, 2), (3, 3)]


def test_who_declines_ends_the_waiting_and_nothing_else(registry: Registry) -> None:
    assert "bob may not decline" in answer(registry, 2, "bob", approve=False).text
    assert answer(registry, 2, "grace", approve=False, reason="too blurry").level == "info"
    entry = Ledger(registry.store, NAME).read().entries()[-1]
    assert (entry.kind, entry.to_version, entry.reason) == ("declined", 2, "declined: too blurry")
    assert waiting(registry) == [(3, 3)]
    version = registry.get(2)
    assert version.gate == "passed, declined"
    assert version.description.startswith("Not approved ")
    assert "grace (Prefect's page)" in version.description
    with pytest.raises(BadInput, match="version 2 awaits no approval by entry 2"):
        answer(registry, 2, "grace")
    assert ask(registry.store.project, 2).awaiting, "it may be put to the gate, and to people, again"
    assert waiting(registry) == [(2, 5), (3, 3)]


def test_a_version_that_was_declined_is_approved_all_the_same_by_the_tag(registry: Registry) -> None:
    answer(registry, 2, "ada", approve=False)
    registry.tag(2, {APPROVE: "grace"})
    assert reconcile(registry.store.project, policy(registry.store.project)).ok
    assert registry.aliases()[CHAMPION] == 2


def test_what_the_tag_approved_waits_no_more_and_waits_again_after_a_rollback(registry: Registry) -> None:
    registry.tag(2, {APPROVE: "grace"})
    assert reconcile(registry.store.project, policy(registry.store.project)).ok
    assert waiting(registry) == []
    rollback(registry, state=registry.store.project.state)
    assert waiting(registry) == [(3, 3)], "the champion is again the one that version 3 was compared with"
    registry.remove(3, None)
    assert waiting(registry) == [], "a version that was deleted"


def test_the_question_says_what_was_measured_and_who_may_answer(registry: Registry) -> None:
    project = registry.store.project
    asked = jobs.question(project, policy(project), NAME, 2)
    assert asked.text.startswith(f"Version 2 of {NAME} passed the gate, against version 1, the champion.")
    assert "FID **10 [9.5, 10.5]**, against 20 [19.5, 20.5] of version 1" in asked.text
    assert "May answer: ada, grace" in asked.text
    assert asked.decision
    assert asked.decision.awaiting
    with pytest.raises(BadInput, match="there is no entry 9"):
        jobs.question(project, policy(project), NAME, 9)
    assert WaitingVersion(model=NAME, version=2, entry=2) in jobs.waiting(project, policy(project))
