"""Progress: bars on a terminal, few plain lines elsewhere, JSON events on request."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from ganlib.core import progress
from ganlib.core.events import Event, Remark, TrainingCheck, TrialStart
from ganlib.core.progress import Lines, Pulse, TitledReport, console, current, doing, pass_on, words
from tests import terminal
from tests.conftest import ROOT
from tests.reports import Recorder
from tests.support.clock import set_clock

_FACTS = {"validation_fid": 4.5, "discriminator_loss": 1.25, "images_per_second": 1234.0}
_PROGRAM = f"""
from ganlib.core.events import TrainingCheck
from ganlib.core.progress import console
with console() as report:
    report.advance("train vae", 250, 1000, {_FACTS})
    report.event(TrainingCheck(250, 4.5))
    report.advance("train vae", 1000, 1000, {_FACTS})
"""


def on_a_terminal() -> str:
    """What the program shows on one of 200 columns."""
    done = terminal.run([sys.executable, "-c", _PROGRAM], ROOT, {**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.code == 0
    return done.text


def test_a_terminal_shows_share_time_left_losses_speed_and_the_last_fid() -> None:
    shown = on_a_terminal()
    for part in ("train vae", "100%", "validation_fid 4.5", "discriminator_loss 1.25", "images_per_second 1,234"):
        assert part in shown
    assert "0:00:00" in shown  # elapsed and left
    assert "check: step 250 validation_fid 4.5" in shown


def test_elsewhere_there_are_no_bars() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout == ""
    assert "\x1b" not in done.stderr
    assert len(done.stderr.splitlines()) == 3


def test_a_stage_has_one_line_in_five_seconds_and_one_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now, stream = [0.0], io.StringIO()
    set_clock(monkeypatch, progress, monotonic=lambda: now[0])
    lines = Lines(stream)
    for second in range(11):
        now[0] = float(second)
        lines.advance("train vae", second, 11, {"loss": 1.0})
    lines.advance("train vae", 11, 11)
    assert len(stream.getvalue().splitlines()) == 4  # of seconds 0, 5 and 10, and the end


def test_events_are_json_objects_of_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    with console(as_json=True) as report:
        report.advance("train vae", 250, 1000, _FACTS)
    told = capsys.readouterr()
    assert told.out == ""
    line = {name: value for name, value in json.loads(told.err).items() if name not in ("time", "about")}
    assert line == {"event": "progress", "stage": "train vae", "done": 250, "total": 1000, **_FACTS}


@pytest.mark.parametrize(
    "event", [Remark("git", {"note": "none here"}), TrainingCheck(250, 4.5), TrialStart("0f" * 16)]
)
def test_what_one_process_writes_as_json_another_reports_as_it_was(event: Event) -> None:
    written, report = io.StringIO(), Recorder()
    with Lines(written, as_json=True) as lines:
        lines.event(event)
        lines.advance("train vae", 5, 10, _FACTS)
    first, second = (json.loads(line) for line in written.getvalue().splitlines())
    assert pass_on(first, report)
    assert pass_on(second, report)
    assert report.events == [event]
    assert report.stages == [event.stage, "train vae"]
    assert not pass_on({"event": "error", "message": "no"}, report)


def test_an_event_is_never_left_out_for_coming_soon_after_another() -> None:
    out = io.StringIO()
    with Lines(out) as report:
        for step in (10, 20):
            report.event(TrainingCheck(step, 4.5))
    assert out.getvalue().splitlines() == [f"  check: step {step} validation_fid 4.5" for step in (10, 20)]


def test_under_a_title_every_stage_is_called_so() -> None:
    report = Recorder()
    titled = TitledReport(report, "trial 3")
    titled.advance("train vae", 1, 2)
    titled.event(TrainingCheck(10, 4.5))
    assert report.stages == ["trial 3", "trial 3"]
    assert report.remarks == ["trial 3: {'step': 10, 'validation_fid': 4.5}"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(11_543.2, "11,543"), (999.96, "1,000"), (3.14159, "3.142"), (0.0002, "0.0002"), (-4321.0, "-4,321"), (7, "7")],
)
def test_numbers_are_told_as_people_write_them(value: float, text: str) -> None:
    assert words({"images/s": value}) == f"images/s {text}"


def test_what_is_no_number_and_what_has_no_end_are_told_as_well() -> None:
    assert words({"loss": float("inf"), "note": "wait", "step": float("nan")}) == "loss inf note wait step nan"


def test_a_stage_tells_its_end_and_what_it_knows() -> None:
    out = io.StringIO()
    with Lines(out) as report:
        report.advance("generate", 5, 10, {"images/s": 12_000.0})
        report.advance("generate", 6, 10)
        report.advance("generate", 10, 10, {"images/s": 12_500.0})
    assert out.getvalue().splitlines() == ["  generate:  50% images/s 12,000", "  generate: 100% images/s 12,500"]


_SILENT_WORK = """
import os, sys, time
from ganlib.cli.app import reporting, run, show
from ganlib.core.progress import doing
import typer
verbs = typer.Typer()

def wait():
    for _ in range(12000):
        if os.path.exists("seen"):
            return
        time.sleep(0.01)
    sys.exit("nobody saw it")

@verbs.command()
def look() -> None:
    {work}
    show({{}}, as_json=False, text=lambda: "the result")

run(verbs)
"""
_BEFORE_ITS_FIRST_WORD = "wait()"
_AFTER_A_STAGE = """
    with reporting(as_json=False) as report:
        report.advance("draw dcgan", 10, 10)
        with doing("measure the floors"):
            wait()
"""


@pytest.mark.parametrize(
    ("work", "told"), [(_BEFORE_ITS_FIRST_WORD, "at work"), (_AFTER_A_STAGE, "measure the floors")]
)
def test_work_that_reports_nothing_is_seen_to_go_on_for_as_long_as_it_lasts(
    work: str, told: str, tmp_path: Path
) -> None:
    """The program does not end before this test has seen the seconds counted: no clock of ours is read."""

    def seen(text: str) -> None:
        if len(set(re.findall(rf"{told} \.\.\. (\d+) s", text))) >= 3:
            (tmp_path / "seen").touch()

    program = _SILENT_WORK.format(work=work)
    done = terminal.run([sys.executable, "-c", program], tmp_path, {**os.environ, "PYTHONPATH": str(ROOT)}, seen)
    assert done.code == 0, done.text
    *_, screen = done.text.split("\x1b[2K")  # what stood there before was wiped
    assert screen.split()[-1:] == ["result"]
    assert told not in screen


def test_a_result_that_is_piped_does_not_end_on_the_terminal(tmp_path: Path) -> None:
    """Standard error is a terminal, standard output a file."""
    program = _SILENT_WORK.format(work="with reporting(as_json=False): print('piped')")
    words = f"exec {sys.executable} -c '{program.replace(chr(39), chr(34))}' > out"
    done = terminal.run(["sh", "-c", words], tmp_path, {**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.code == 0
    assert (tmp_path / "out").read_text().split("\n") == ["piped", "the result", ""]
    assert "piped" not in done.text


@pytest.mark.parametrize("as_json", [False, True])
def test_elsewhere_a_line_says_again_and_again_what_goes_on(as_json: bool) -> None:
    stream = io.StringIO()
    told = threading.Event()

    class Watched(io.StringIO):
        def flush(self) -> None:
            stream.write(self.getvalue())
            self.seek(0)
            self.truncate()
            if stream.getvalue().count("\n") >= 4:
                told.set()

    with Lines(Watched(), as_json=as_json, every=0.01) as report:
        report.advance("draw dcgan", 10, 10)
        with doing("measure the floors"):
            assert told.wait(60)
    first, *rest = stream.getvalue().splitlines()
    assert "draw dcgan" in first
    if as_json:
        events = [json.loads(line) for line in rest]
        assert {(event["event"], event["what"]) for event in events} == {("working", "measure the floors")}
    else:
        assert all(line.startswith("  measure the floors ... (") for line in rest)


def test_what_is_done_within_something_else_is_named_while_it_lasts_even_if_threads_end_out_of_order() -> None:
    outer, inner = doing("outer"), doing("inner")
    before = current()
    with outer:
        assert current() == "outer"
        inner.__enter__()
        assert current() == "inner"
    assert current() == "inner"
    inner.__exit__(None, None, None)
    assert current() == before


def test_whoever_speaks_is_not_interrupted() -> None:
    beats: list[str] = []
    pulse = Pulse(lambda what, seconds: beats.append(what), every=3600)
    pulse.start()
    pulse.stop()
    assert beats == []


@pytest.mark.parametrize(("rank", "drawn"), [("0", True), ("1", False)])
def test_of_processes_that_share_a_terminal_the_first_draws(
    rank: str, drawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: True))
    displays: list[str] = []
    monkeypatch.setattr(
        progress, "Terminal", lambda: displays.append("begun") or SimpleNamespace(end=lambda: displays.append("ended"))
    )
    progress.watch()
    progress.unwatch()
    assert displays == (["begun", "ended"] if drawn else [])
