"""A webhook hears every entry once and in order, also when it was away, and when the sender was killed."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import socket
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganlib import config
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.jobs.promotion.notify import notify, webhook
from ganlib.registry import notice
from ganlib.registry.gate import decide
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.promote import promote, rollback
from ganlib.registry.registry import Registry
from ganlib.tracking.store import connect
from tests import factories
from tests.conftest import ROOT
from tests.support import forks
from tests.support.receiver import Receiver

NAME = "mnist-generator"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """One that takes everything."""
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def template(empty_database: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A ledger of three entries: promoted, promoted, rolled back."""
    project = factories.project(tmp_path_factory.mktemp("registered"), empty_database)
    store = connect(project)
    for number, fid in enumerate((30, 20), 1):
        factories.bare_version(store, number, fid)
    registry = Registry(store, NAME)
    for number in (1, 2):
        promote(registry, registry.get(number), policy=config.GateConfig(), state=project.state)
    rollback(registry, state=project.state, reason="threes look like eights")
    return project


@pytest.fixture
def project(template: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of it, with a secret."""
    monkeypatch.setenv(notice.SECRET, notice.new_secret())
    return factories.project(tmp_path / "project", template.root / "mlflow.db")


def params(port: int) -> config.Params:
    url = f"http://127.0.0.1:{port}/hooks/key-in-the-path"
    return config.load(ROOT / "params.yaml", [f"services.webhook={url}"])


def entries(project: Project) -> list[str]:
    return [entry.sha256 for entry in Ledger(connect(project), NAME).read().valid()]


def test_every_entry_is_told_once_in_order_and_signed(project: Project, receiver: Receiver) -> None:
    done = notify(project, webhook(params(receiver.port)))
    assert (done.sent, done.waiting, done.fault) == (3, 0, None)
    assert receiver.ids == entries(project)
    for fields, content in receiver.messages:
        signed = f"{fields['webhook-id']}.{fields['webhook-timestamp']}.".encode() + content
        expected = b64encode(hmac.new(notice.key(), signed, hashlib.sha256).digest()).decode()
        assert fields["webhook-signature"] == f"v1,{expected}"
    told = [json.loads(content) for _, content in receiver.messages]
    assert [each["type"] for each in told] == ["ledger.promoted", "ledger.promoted", "ledger.rolled-back"]
    assert told[2]["data"]["reason"] == "threes look like eights"
    assert notify(project, webhook(params(receiver.port))).sent == 0
    assert len(receiver.ids) == 3


def test_what_a_receiver_missed_it_hears_when_it_is_back(project: Project) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    away = notify(project, webhook(params(port)))
    assert (away.sent, away.waiting) == (0, 3)
    assert "key-in-the-path" not in away.summary()
    receiver = Receiver(port)
    receiver.refuses_from = 2
    assert (half := notify(project, webhook(params(port)))).sent == 1
    assert (half.waiting, half.fault) == (2, "HTTP 503")
    receiver.refuses_from = 0
    assert notify(project, webhook(params(port))).sent == 2
    assert receiver.ids == entries(project)
    receiver.close()


def test_a_sender_that_is_killed_repeats_one_message_under_its_id(project: Project, receiver: Receiver) -> None:
    receiver.kills_at = 2
    words = ["ganlib", "notify", "--set", f"services.webhook={params(receiver.port).services.webhook}"]
    receiver.victim = forks.Command(words, project.root, os.environ)
    assert receiver.victim.wait() == -signal.SIGKILL
    assert notify(project, webhook(params(receiver.port))).sent == 2
    first, second, third = entries(project)
    assert receiver.ids == [first, second, second, third]


def test_skip_counts_what_is_there_as_heard(project: Project, receiver: Receiver) -> None:
    assert notify(project, webhook(params(receiver.port)), skip=True).sent == 0
    registry = Registry(connect(project), NAME)
    factories.bare_version(registry.store, 3, 5)
    assert decide(registry.get(3), registry.get(1), config.GateConfig(), 1).promoted
    promote(registry, registry.get(3), policy=config.GateConfig(), state=project.state)
    assert notify(project, webhook(params(receiver.port))).sent == 1
    assert receiver.ids == entries(project)[3:]


def test_without_a_webhook_or_a_secret_nothing_is_sent(
    project: Project, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match="is not set"):
        webhook(config.load(ROOT / "params.yaml"))
    monkeypatch.delenv(notice.SECRET)
    with pytest.raises(BadInput, match="no secret to sign with"):
        webhook(params(receiver.port))
    with pytest.raises(BadInput, match="webhook"):
        config.load(ROOT / "params.yaml", ["services.webhook=ftp://example.org"])
    assert receiver.messages == []
