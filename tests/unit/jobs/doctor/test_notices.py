"""The webhook as the doctor sees it; blocks of a real Prefect are in tests/services/test_notices.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ganlib.core.project import Project
from ganlib.jobs.doctor import notices
from ganlib.registry import notice
from tests import factories
from tests.support.receiver import Receiver
from tests.unit.jobs.doctor.test_services import findings


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv(notice.SECRET, notice.new_secret())
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    return factories.project(tmp_path / "project")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    here = Receiver()
    yield here
    here.close()


def told(project: Project, **settings: object) -> None:
    values = yaml.safe_load(project.params_file.read_text())
    values["services"] |= settings
    project.params_file.write_text(yaml.safe_dump(values))


def test_a_webhook_that_is_there_is_told_nothing(project: Project, receiver: Receiver) -> None:
    told(project, webhook=f"http://127.0.0.1:{receiver.port}/key")
    found = findings(notices.notices, project)["notices"]
    assert (found.state, found.words) == ("ok", "127.0.0.1 is there (it answers 501), and messages can be signed")
    assert receiver.messages == []


def test_one_that_is_away_or_a_secret_that_is_missing_is_a_problem(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(project, webhook="http://127.0.0.1:9/key")
    found = findings(notices.notices, project)["notices"]
    assert (found.state, found.words) == ("problem", "127.0.0.1 does not answer (ConnectionError)")
    monkeypatch.delenv(notice.SECRET)
    assert "no secret to sign with" in findings(notices.notices, project)["notices"].words


def test_without_receivers_or_without_a_server_that_is_said(project: Project) -> None:
    assert findings(notices.notices, project)["notices"].words.startswith("nobody is told")
    told(project, notify_blocks=["slack-webhook/team"])
    found = findings(notices.notices, project)["notices"]
    assert (found.state, "slack-webhook/team" in found.words) == ("remark", True)
