"""Approval in Prefect's page: a run that is suspended with a form, which a person fills in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganlib.config import load
from ganlib.core.project import Project
from ganlib.jobs.promotion.promote import promote
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking.store import connect
from tests import factories
from tests.services import project as projects
from tests.services.team import wait_for
from tests.support.forks import Command

pytestmark = [pytest.mark.services, pytest.mark.slow]

NAME = "mnist-generator"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = projects.bare(tmp_path_factory.mktemp("approval") / "project")
    params = yaml.safe_load((made / "params.yaml").read_text())
    params["registry"] |= {"approval": "required", "promoters": ["ada", "grace"]}
    params["services"]["reconcile_seconds"] = 1
    (made / "params.yaml").write_text(yaml.safe_dump(params))
    return made


@pytest.fixture(scope="module")
def prefect(folder: Path, serve: Callable[..., None]) -> str:
    return projects.prefect_server(serve, folder)


@contextmanager
def deployments(folder: Path, prefect: str) -> Iterator[None]:
    """The process of `make up` that serves the deployments and watches; it is killed at the end."""
    settings = {"PREFECT_API_URL": f"{prefect}/api", "PREFECT_HOME": str(folder / ".ganlib/prefect")}
    process = Command(["pipelines", "serve"], folder, projects.environment(folder) | settings)
    try:
        yield
    finally:
        process.kill()
        process.wait(60)


@pytest.fixture(scope="module")
def registry(folder: Path) -> Iterator[Registry]:
    """Version 1 is champion, and 2 waits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
        made = Registry(connect(Project(folder)), NAME)
        factories.graph(folder / "1.onnx")
        register(made, 1, 20)
        assert decide(made, 1, approve=True)
        register(made, 2, 10)
        assert not decide(made, 2)
        yield made


def register(registry: Registry, number: int, fid: float) -> None:
    root = registry.store.project.root
    if number > 1:
        factories.variant(root / "1.onnx", root / f"{number}.onnx", str(number))
    factories.registered(registry.store, root / f"{number}.onnx", fid)


def decide(registry: Registry, number: int, *, approve: bool = False) -> bool:
    project = registry.store.project
    return promote(project, load(project.params_file), str(number), approve=approve).promoted


def forms(prefect: str, *states: str) -> list[dict[str, Any]]:
    body = {"flows": {"name": {"any_": ["approve"]}}, "flow_runs": {"state": {"name": {"any_": list(states)}}}}
    return list(projects.ask_prefect(prefect, "POST", "flow_runs/filter", body))


def whole(prefect: str) -> list[dict[str, Any]]:
    """The forms that can be answered: Prefect saves what one asks for when its run is suspended already."""
    return [
        form
        for form in forms(prefect, "Suspended")
        if projects.prefect_answer(prefect, "GET", f"flow_runs/{form['id']}/input/suspended-answer-schema").ok
    ]


def send(prefect: str, form: dict[str, Any], **fields: str) -> dict[str, Any]:
    """Send what Prefect's page sends."""
    return dict(projects.ask_prefect(prefect, "POST", f"flow_runs/{form['id']}/resume", {"run_input": fields}))


def test_who_answers_the_form_in_prefects_page_moves_the_champion(
    folder: Path, prefect: str, registry: Registry
) -> None:
    """A name that may not approve fails the run with the reason, and another asks again, also after a kill."""
    with deployments(folder, prefect):
        (first,) = wait_for(lambda: whole(prefect))
        assert first["name"] == f"version 2 of {NAME} awaits approval (entry 2)"
        assert send(prefect, first, approve="yes", name="")["status"] == "REJECT"
        assert send(prefect, first, approve="perhaps", name="ada")["status"] == "REJECT"
        assert send(prefect, first, approve="yes", name="bob")["status"] == "ACCEPT"
        (failed,) = wait_for(lambda: forms(prefect, "Failed"))
        assert "bob may not approve: registry.promoters in params.yaml names ada, grace" in failed["state"]["message"]
        (second,) = wait_for(lambda: whole(prefect))
        assert registry.aliases()[CHAMPION] == 1
    with deployments(folder, prefect):
        fields = {"approve": "yes", "name": "grace", "reason": "eights look like eights"}
        assert send(prefect, second, **fields)["status"] == "ACCEPT"
        (done,) = wait_for(lambda: forms(prefect, "Completed"))
    assert done["id"] == second["id"]
    assert done["name"] == f"version 2 of {NAME}: approved by grace"
    entry = Ledger(registry.store, NAME).read().entries()[-1]
    assert (entry.kind, entry.from_version, entry.to_version) == ("promoted", 1, 2)
    assert entry.who.startswith("grace (Prefect's page), found by ")
    assert entry.reason == "approved: eights look like eights; the gate had passed it (entry 2)"
    assert registry.aliases()[CHAMPION] == 2


def test_a_form_ends_with_its_question_and_a_no_is_an_answer(folder: Path, prefect: str, registry: Registry) -> None:
    register(registry, 3, 5)
    register(registry, 4, 1)
    assert not decide(registry, 3)
    with deployments(folder, prefect):
        wait_for(lambda: whole(prefect))
        assert decide(registry, 3, approve=True)
        wait_for(lambda: forms(prefect, "Closed"))
        assert not decide(registry, 4)
        (form,) = wait_for(lambda: whole(prefect))
        assert send(prefect, form, approve="no", name="ada", reason="too blurry")["status"] == "ACCEPT"
        wait_for(lambda: len(forms(prefect, "Completed")) == 2)
    entry = Ledger(registry.store, NAME).read().entries()[-1]
    assert (entry.kind, entry.to_version, entry.reason) == ("declined", 4, "declined: too blurry")
    assert registry.aliases()[CHAMPION] == 3
    assert forms(prefect, "Suspended", "Scheduled", "Running") == []


SUSPENDED = """
import os
import prefect.flow_runs as runs
propose = runs.propose_state_sync

def killed(*args, **kwargs):
    state = propose(*args, **kwargs)
    if state.is_paused():
        os._exit(0)
    return state

runs.propose_state_sync = killed
"""
LOOK = """
from datetime import timedelta
from ganlib import config
from ganlib.core import project as projects
from pipelines import approvals
approvals.SAVED_WITHIN = timedelta(seconds=0)
project = projects.find()
forms = approvals.ApprovalForms(project, config.load(project.params_file))
forms.look()
"""


def test_a_form_that_was_left_half_by_a_kill_is_put_up_again(folder: Path, prefect: str, registry: Registry) -> None:
    """Prefect saves what a form asks for when its run is suspended already, and answers no form without."""
    register(registry, 5, 0.5)
    assert not decide(registry, 5)
    settings = {"PREFECT_API_URL": f"{prefect}/api", "PREFECT_HOME": str(folder / ".ganlib/prefect")}
    projects.run_code(folder, SUSPENDED + LOOK + "raise SystemExit('nothing was suspended')", **settings)
    (half,) = forms(prefect, "Suspended")
    fields = {"approve": "yes", "name": "ada", "reason": "sharper"}
    refusal = send(prefect, half, **fields)
    assert (refusal["status"], refusal["details"]["reason"]) == ("REJECT", "Run input schema not found.")
    projects.run_code(folder, LOOK + "forms.look()", **settings)
    (another,) = forms(prefect, "Suspended")
    projects.run_code(folder, LOOK + "forms.look()", **settings)  # which leaves what is whole
    assert send(prefect, another, **fields)["status"] == "ACCEPT"
    with deployments(folder, prefect):
        wait_for(lambda: len(forms(prefect, "Completed")) == 3)
    closed = [form for form in forms(prefect, "Closed") if form["id"] == half["id"]]
    assert "killed before it was whole" in closed[0]["state"]["message"]
    assert registry.aliases()[CHAMPION] == 5
