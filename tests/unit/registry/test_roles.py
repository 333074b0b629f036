"""Who may promote, approve, roll back and prune: MLflow's users that params.yaml names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ganlib.config import Params, load
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.jobs.promotion import promote as jobs
from ganlib.jobs.promotion.prune import prune
from ganlib.registry.gate import Decision, decide
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.reconcile import APPROVE, reconcile
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.registry.version import Version
from ganlib.tracking.store import connect
from tests import factories

NAME = "mnist-generator"


@pytest.fixture
def registry(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Version 1 is champion; version 2 is better, and Ada trained it."""
    as_user(monkeypatch, "ada")
    monkeypatch.setattr(jobs, "fetch", no_graph)
    store = connect(factories.project(tmp_path / "project", empty_database))
    registry = Registry(store, NAME)
    for number, fid in ((1, 20), (2, 10)):
        run = store.client.create_run("0", tags={"mlflow.user": "ada"}).info.run_id
        factories.bare_version(store, number, fid, run_id=run)
    assert ask(store.project, 1).promoted
    return registry


def no_graph(*_: object) -> None:
    """These versions have none: no page of images is drawn for a decision."""
    raise BadInput("there is no graph")


def as_user(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)


def rules(project: Project, *settings: str) -> Params:
    return load(project.params_file, [f"registry.{setting}" for setting in settings])


def ask(project: Project, number: int, *settings: str, **options: bool) -> Any:
    return jobs.promote(project, rules(project, *settings), str(number), **options)


def kinds(registry: Registry) -> list[str]:
    return [entry.kind for entry in Ledger(registry.store, NAME).read().entries()]


def champion(registry: Registry) -> int:
    found = registry.alias(CHAMPION)
    assert found
    return found.version


def test_the_ledger_names_the_user_who_is_logged_in(registry: Registry) -> None:
    (entry,) = Ledger(registry.store, NAME).read().entries()
    assert entry.who.startswith("ada@")


def test_what_others_pass_through_the_gate_waits_for_a_promoter(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, named = registry.store.project, "promoters=[grace, joan]"
    assert ask(project, 2, named).awaiting
    with pytest.raises(BadInput, match=r"ada may not approve: .* names grace, joan\. Nothing was changed"):
        ask(project, 2, named, approve=True)
    assert champion(registry) == 1
    as_user(monkeypatch, "grace")
    assert ask(project, 2, named).promoted
    assert champion(registry) == 2


def test_only_promoters_roll_back_and_prune(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    project = registry.store.project
    assert ask(project, 2).promoted
    params = rules(project, "promoters=[grace]")
    with pytest.raises(BadInput, match="ada may not roll back"):
        jobs.rollback(project, params)
    with pytest.raises(BadInput, match="ada may not prune"):
        prune(project, params)
    assert prune(project, params, dry_run=True)
    assert (champion(registry), kinds(registry)) == (2, ["promoted", "promoted"])
    as_user(monkeypatch, "grace")
    assert jobs.rollback(project, params).who.startswith("grace@")


def test_nobody_approves_what_they_trained(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    project, policy = registry.store.project, ("approval=required", "own_approval=false")
    assert ask(project, 2, *policy).awaiting
    with pytest.raises(BadInput, match="ada trained version 2, and another has to approve it"):
        ask(project, 2, *policy, approve=True)
    as_user(monkeypatch, "grace")
    assert ask(project, 2, *policy, approve=True).promoted
    assert kinds(registry) == ["promoted", "awaiting", "promoted"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("bob", "bob may not approve: registry.promoters in params.yaml names ada, grace"),
        ("ada", "ada trained version 2, and another has to approve it (registry.own_approval)"),
        ("yes", "who gives no name may not approve: registry.promoters in params.yaml names ada, grace"),
        ("grace", None),
    ],
)
def test_the_tag_in_mlflows_page_is_held_to_the_same(registry: Registry, text: str, answer: str | None) -> None:
    project = registry.store.project
    policy = rules(project, "approval=required", "promoters=[ada, grace]", "own_approval=false")
    assert jobs.promote(project, policy, "2").awaiting
    registry.tag(2, {APPROVE: text})

    def gate(challenger: Version, champion: Version | None, comparisons: int) -> Decision:
        return decide(challenger, champion, policy.gate, comparisons)

    done = reconcile(registry, gate=gate, rules=policy.registry, state=project.state)
    assert done.ok is (answer is None)
    assert champion(registry) == (1 if answer else 2)
    assert registry.tags(2)["approval"] == (f"refused: {answer}" if answer else "promoted (entry 3)")
