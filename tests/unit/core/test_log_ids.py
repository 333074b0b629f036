"""One grep finds all lines of one run: also those that a child wrote, and the one that says why it failed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ganlib.core import log_ids
from ganlib.core.events import Remark, TrainingCheck, TrialStart
from ganlib.core.progress import Lines, pass_on
from tests.conftest import ROOT
from tests.reports import Recorder


@pytest.fixture(autouse=True)
def _nothing_noted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(log_ids.VARIABLE, raising=False)
    monkeypatch.setattr(sys, "argv", ["ganlib"])
    with log_ids.scope():
        log_ids.begin("ganlib")
        yield


def told(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_line_has_the_time_and_what_the_process_is_about() -> None:
    stream = io.StringIO()
    log_ids.note(run_id="r1", model_version=None)
    with Lines(stream, as_json=True) as lines:
        lines.advance("train vae", 1, 1)
        log_ids.note(flow_run_id="f1")
        lines.event(Remark("git", {"note": "none here"}))
    first, second = told(stream)
    assert abs((datetime.fromisoformat(first.pop("time")) - datetime.now(UTC)).total_seconds()) < 3600
    assert first == {"event": "progress", "stage": "train vae", "done": 1, "total": 1, "about": {"run_id": "r1"}}
    assert second["about"] == {"run_id": "r1", "flow_run_id": "f1"}


def test_a_childs_line_keeps_its_own_ids_when_it_is_passed_on() -> None:
    child, parent = io.StringIO(), io.StringIO()
    with log_ids.scope():
        log_ids.note(run_id="the childs", command="train vae")
        with Lines(child, as_json=True) as lines:
            lines.advance("train vae", 5, 5, {"loss": 1.5})
            lines.event(TrainingCheck(5, 2.5))
    log_ids.note(flow_run_id="the parents", command="retrain")
    with Lines(parent, as_json=True) as lines:
        for record in told(child):
            assert pass_on(record, lines)
        lines.event(Remark("gate", {"note": "passed"}))
    *theirs, own = told(parent)
    assert [line["about"]["run_id"] for line in theirs] == ["the childs"] * 2
    assert [line["about"]["command"] for line in theirs] == ["train vae"] * 2
    assert {line["about"]["flow_run_id"] for line in [*theirs, own]} == {"the parents"}
    assert "run_id" not in own["about"]
    assert own["about"]["command"] == "retrain"
    assert theirs[0]["time"] == told(child)[0]["time"]


def test_ids_are_no_figures_for_people() -> None:
    report, child = Recorder(), io.StringIO()
    events = [TrainingCheck(5, 2.5), TrialStart("another")]
    log_ids.note(run_id="r1")
    with Lines(child, as_json=True) as lines:
        for event in events:
            lines.event(event)
    assert all(pass_on(line, report) for line in told(child))
    assert report.events == events


def test_a_child_begins_with_what_its_parent_is_about(monkeypatch: pytest.MonkeyPatch) -> None:
    assert log_ids.for_child() == {}
    log_ids.note(flow_run_id="f1", command="retrain")
    variables = log_ids.for_child()
    with log_ids.scope():
        log_ids.note(flow_run_id="another")
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["ganlib", "train", "vae", "--json"])
        log_ids.begin("ganlib")
        assert log_ids.current() == {"flow_run_id": "f1", "command": "train vae"}
        assert log_ids.VARIABLE not in os.environ, "a grandchild of another's is not of this flow"


def test_what_failed_is_named_on_the_line_that_says_so() -> None:
    with log_ids.scope():
        log_ids.note(run_id="done")
    assert log_ids.current() == {}
    with pytest.raises(ValueError, match="no"), log_ids.scope():
        log_ids.note(run_id="failed")
        raise ValueError("no")
    assert log_ids.current() == {"run_id": "failed"}


def command(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "ganlib", "registry", "show", "7"]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(words, cwd=folder, env=variables, capture_output=True, text=True, check=False)


def test_the_environment_asks_for_a_log_of_json_lines(tmp_path: Path) -> None:
    done = command(tmp_path, GANLIB_LOG="json", GANLIB_LOG_IDS='{"flow_run_id": "f1"}')
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    facts = json.loads(line)
    assert (facts["event"], facts["about"]) == ("error", {"command": "registry show 7", "flow_run_id": "f1"})
    assert "params.yaml" in facts["message"]


def test_another_form_is_refused_in_a_line(tmp_path: Path) -> None:
    done = command(tmp_path, GANLIB_LOG="xml")
    assert done.returncode == 2
    assert done.stderr.startswith("ganlib: GANLIB_LOG=xml: ")
    assert len(done.stderr.splitlines()) == 1
