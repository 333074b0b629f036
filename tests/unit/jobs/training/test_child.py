"""Children that are given up on together: none is left, none is started again."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from ganlib.core.errors import GanlibError, Interrupted
from ganlib.core.project import Project
from ganlib.jobs.training import child
from tests.reports import Listener


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Project:
    """A project whose children say that they have begun, last a minute, and fail when they are told to end."""
    script = tmp_path / "child"
    event = '{"event": "progress", "stage": "begun", "done": 0, "total": 1}'
    script.write_text(f"#!/bin/sh\ntrap 'exit 1' TERM\necho '{event}' >&2\nsleep 60 >/dev/null 2>&1 & wait\n")
    script.chmod(0o755)
    monkeypatch.setattr(child, "sys", SimpleNamespace(executable=str(script)))
    return Project(tmp_path)


def interrupted(project: Project) -> Future[object]:
    """The outcome of a child in another thread that is given up on once it has begun."""
    begun = threading.Event()
    with ThreadPoolExecutor(1) as pool, pytest.raises(KeyboardInterrupt), child.ended_together():
        future = pool.submit(child.run, project, ["train"], report=Listener(lambda *_: begun.set()))
        assert begun.wait(300)
        raise KeyboardInterrupt
    return future


def test_a_child_that_is_given_up_on_is_interrupted_even_if_it_fails(slow: Project) -> None:
    with pytest.raises(Interrupted):
        interrupted(slow).result()


def test_a_try_after_that_ends_at_once(slow: Project) -> None:
    interrupted(slow)
    with pytest.raises(Interrupted):
        child.run(slow, ["train"])


def test_the_next_group_is_not_given_up_on(slow: Project) -> None:
    interrupted(slow)
    with child.ended_together(), pytest.raises(GanlibError, match="exit code 1") as raised:
        child.run(slow, ["train"], timeout=0.1)
    assert not isinstance(raised.value, Interrupted)
