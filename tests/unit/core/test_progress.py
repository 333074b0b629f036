"""Progress: bars on a terminal, few plain lines elsewhere, JSON events on request."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys

import pytest

from ganlib.progress import Lines, console, words
from tests.conftest import ROOT

_FACTS = {"validation_fid": 4.5, "discriminator_loss": 1.25, "images_per_second": 1234.0}
_PROGRAM = f"""
from ganlib.progress import console
with console() as report:
    report("train vae", 250, 1000, {_FACTS})
    report("check", 0, 0, {{"step": 250, "validation_fid": 4.5}})
    report("train vae", 1000, 1000, {_FACTS})
"""


def on_a_terminal() -> str:
    """What the program shows on one of 200 columns."""
    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": "200", "TERM": "xterm", "PYTHONPATH": str(ROOT)}
    done = subprocess.Popen([sys.executable, "-c", _PROGRAM], stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    shown = b""
    try:
        while piece := os.read(master, 4096):
            shown += piece
    except OSError:  # the other end is closed
        pass
    os.close(master)
    assert done.wait(500) == 0
    return shown.decode()


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
    monkeypatch.setattr("ganlib.progress.time.monotonic", lambda: now[0])
    lines = Lines(stream)
    for second in range(11):
        now[0] = float(second)
        lines("train vae", second, 11, {"loss": 1.0})
    lines("train vae", 11, 11)
    assert len(stream.getvalue().splitlines()) == 4  # of seconds 0, 5 and 10, and the end


def test_events_are_json_objects_of_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    with console(as_json=True) as report:
        report("train vae", 250, 1000, _FACTS)
    told = capsys.readouterr()
    assert told.out == ""
    assert json.loads(told.err) == {"event": "progress", "stage": "train vae", "done": 250, "total": 1000, **_FACTS}


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
        report("generate", 5, 10, {"images/s": 12_000.0})
        report("generate", 6, 10)
        report("generate", 10, 10, {"images/s": 12_500.0})
    assert out.getvalue().splitlines() == ["  generate:  50% images/s 12,000", "  generate: 100% images/s 12,500"]
