"""The forms in Prefect's page: when one is put up, gone on with and closed. With a real server: tests/services."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from ganlib.config import load
from ganlib.core.project import Project
from ganlib.jobs.promotion.approval import WaitingVersion
from tests.conftest import ROOT

FIRST, SECOND = (WaitingVersion(model="m", version=number, entry=number) for number in (1, 2))


class Runs:
    """The runs of the deployment as Prefect keeps them, and what :class:`ApprovalForms` asks of a client."""

    def __init__(self, flows: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
        self.module, self.runs, self.asked = flows.approvals, list[Any](), 0
        self.versions: tuple[WaitingVersion, ...] = ()
        self.elsewhere = False
        """Whether another machine's watch is quicker."""
        monkeypatch.setattr(self.module, "get_client", lambda sync_client: self)
        monkeypatch.setattr(self.module, "waiting", lambda project, params: self.versions)
        monkeypatch.setattr(self.module, "run_flow", self._suspend)
        self.forms = self.module.ApprovalForms(Project(ROOT), load(ROOT / "params.yaml"))

    def look(self, *versions: WaitingVersion) -> list[str]:
        """Look while ``versions`` wait; the states of all runs, oldest first."""
        self.versions = versions
        self.forms.look()
        return [str(run.state_type.value) for run in self.runs]

    def __enter__(self) -> Runs:
        self.asked += 1
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""

    def read_deployment_by_name(self, name: str) -> Any:
        return SimpleNamespace(id=uuid4())

    def read_flow_runs(self, deployment_filter: Any, flow_run_filter: Any, sort: Any) -> list[Any]:
        states, tags = flow_run_filter.state, flow_run_filter.tags
        return [
            run
            for run in reversed(self.runs)
            if (not states or run.state_type in states.type.any_) and (not tags or {*tags.all_} <= {*run.tags})
        ]

    def create_flow_run_from_deployment(self, deployment: Any, *, tags: list[str], **settings: Any) -> None:
        scheduled = self.module.StateType.SCHEDULED
        self.runs.append(SimpleNamespace(id=uuid4(), tags=tags, state_type=scheduled, state=None, parameters=settings))

    def get_scheduled_flow_runs_for_deployments(self, deployments: Any, scheduled_before: Any) -> list[Any]:
        return [run for run in self.runs if run.state_type == self.module.StateType.SCHEDULED]

    def set_flow_run_state(self, identity: Any, state: Any, *, force: bool = False) -> Any:
        if self.elsewhere:
            return SimpleNamespace(status=self.module.SetStateStatus.REJECT)
        self.read_flow_run(identity).state_type = state.type
        return SimpleNamespace(status=self.module.SetStateStatus.ACCEPT)

    def read_flow_run(self, identity: Any) -> Any:
        return next(run for run in self.runs if run.id == identity)

    def _suspend(self, flow: Any, flow_run: Any, **_: object) -> None:
        flow_run.state_type = self.module.StateType.PAUSED
        raise self.module.Pause


@pytest.fixture
def prefect(flows: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Runs:
    return Runs(flows, monkeypatch)


def test_each_version_that_waits_has_one_form_which_ends_with_its_question(prefect: Runs) -> None:
    assert prefect.look(FIRST) == ["PAUSED"]
    assert prefect.look(FIRST, SECOND) == ["PAUSED", "PAUSED"]
    assert prefect.look(FIRST, SECOND) == ["PAUSED", "PAUSED"]
    assert [run.parameters["parameters"]["version"] for run in prefect.runs] == [1, 2]
    assert prefect.look(SECOND) == ["COMPLETED", "PAUSED"]
    assert prefect.look() == ["COMPLETED", "COMPLETED"]
    asked = prefect.asked
    prefect.look()
    assert prefect.asked == asked, "nothing waits and no form is open, so Prefect is asked nothing"


def test_a_form_that_failed_is_put_up_again_a_limited_number_of_times_and_a_cancelled_one_never(prefect: Runs) -> None:
    states = prefect.module.StateType
    prefect.look(FIRST)
    for _ in range(30):
        prefect.runs[-1].state_type = states.FAILED
        prefect.look(FIRST)
    assert len(prefect.runs) == 20
    assert len({run.parameters["idempotency_key"] for run in prefect.runs}) == 20
    prefect.look(SECOND)
    prefect.runs[-1].state_type = states.CANCELLED
    assert prefect.look(SECOND)[20:] == ["CANCELLED"]


def test_what_another_machines_watch_goes_on_with_is_left_to_it(prefect: Runs) -> None:
    prefect.elsewhere = True
    assert prefect.look(FIRST) == ["SCHEDULED"]
