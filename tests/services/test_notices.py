"""Decisions and runs that failed are told to a block of a real Prefect, each once, also after an hour without it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from ganlib.config import GateConfig
from ganlib.core.project import Project
from ganlib.jobs.doctor import notices
from ganlib.registry.promote import promote
from ganlib.registry.registry import Registry
from ganlib.tracking.store import connect
from tests import factories
from tests.services import project as projects
from tests.support.receiver import Receiver
from tests.unit.jobs.doctor.test_services import findings

pytestmark = pytest.mark.services

BLOCK = """
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.blocks.system import Secret
form = {"text": "{{subject}}\\n{{body}}"}
CustomWebhookNotificationBlock(name="team", url="http://127.0.0.1:%d/", json_data=form).save("team")
Secret(value="nothing").save("word")
"""
LOOK = """
from ganlib import config
from ganlib.core import project
from pipelines.notices import NoticeWatch
here = project.find()
watch = NoticeWatch(here, print)
for _ in range(2):
    watch.look(config.load(here.params_file))
"""
ABSENT = "notices to slack-webhook/nobody: services.notify_blocks: Prefect has no block slack-webhook/nobody."
MUTE = "notices to secret/word: services.notify_blocks: secret/word is no block that notifies anybody."


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    here = Receiver()
    yield here
    here.close()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A champion, and three blocks that are told: one that is there, one that is not, and one that says nothing."""
    made = factories.project(tmp_path_factory.mktemp("notices") / "project", factories.empty_database())
    values: dict[str, Any] = yaml.safe_load(made.params_file.read_text())
    values["services"]["notify_blocks"] = ["custom-webhook/team", "slack-webhook/nobody", "secret/word"]
    made.params_file.write_text(yaml.safe_dump(values))
    _promote(made, 1, 30)
    return made


@pytest.fixture(scope="module")
def url(serve: Callable[..., None], project: Project, receiver: Receiver) -> str:
    """Prefect's, which has the blocks."""
    url = projects.prefect_server(serve, project.root)
    projects.run_code(project.root, BLOCK % receiver.port, PREFECT_API_URL=f"{url}/api")
    return url


def _promote(project: Project, number: int, fid: float) -> None:
    registry = Registry(connect(project), "mnist-generator")
    factories.bare_version(registry.store, number, fid)
    assert promote(registry, registry.get(number), policy=GateConfig(), state=project.state).promoted


def _look(project: Project, url: str) -> list[str]:
    """What two looks of the watch write into the log."""
    lines = projects.run_code(project.root, LOOK, PREFECT_API_URL=f"{url}/api").splitlines()
    return [line for line in lines if not line.startswith((ABSENT, MUTE))]


def _texts(receiver: Receiver) -> list[str]:
    return [json.loads(content)["text"] for _, content in receiver.messages]


def test_a_block_hears_of_decisions_and_failed_runs_once_and_a_missing_one_is_a_line(
    project: Project, url: str, receiver: Receiver
) -> None:
    lines = projects.run_code(project.root, LOOK, PREFECT_API_URL=f"{url}/api").splitlines()
    assert [line.startswith(words) for line, words in zip(lines, (ABSENT, MUTE), strict=True)] == [True, True]
    (text,) = _texts(receiver)
    assert text.startswith("mnist-generator: version 1 is champion in place of none\n")
    assert ", entry 1 of the ledger, 20" in text
    receiver.refuses_from = 2
    _promote(project, 2, 20)
    flow = projects.ask_prefect(url, "POST", "flows/", {"name": "retrain"})["id"]
    for name, state in (("first", "CRASHED"), ("second", "COMPLETED"), ("third", "FAILED")):
        told = {"type": state, "message": f"why the {name}"}
        projects.ask_prefect(
            url, "POST", "flow_runs/", {"flow_id": flow, "name": name, "tags": ["ganlib"], "state": told}
        )
    assert _look(project, url) == ["notices to custom-webhook/team: HTTPStatusError"]
    receiver.refuses_from = 0
    assert _look(project, url) == []
    assert _look(project, url) == []
    second, crashed, failed = _texts(receiver)[1:]
    assert second.startswith("mnist-generator: version 2 is champion in place of 1\n")
    assert crashed.startswith("mnist-generator: the run 'first' of retrain has crashed\nwhy the first\n")
    assert failed.startswith("mnist-generator: the run 'third' of retrain has failed\nwhy the third\n")
    assert f"{url}/runs/flow-run/" in failed


def test_the_doctor_names_the_block_that_is_missing(
    project: Project, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"{url}/api")
    found = findings(notices.notices, project)["notices"]
    assert (found.state, "slack-webhook/nobody" in found.words) == ("problem", True)
    assert "custom-webhook/team" not in found.words
