"""NVIDIA's multi-process service, by a program that stands for its control: there is no card here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ganlib.core import shared_gpu as module
from ganlib.core.shared_gpu import CONTROL, shared_gpu
from tests.reports import Recorder

PROGRAM = """#!/bin/sh
# It runs where $CUDA_MPS_PIPE_DIRECTORY has a file of that name, and notes what it is told.
pipes=${CUDA_MPS_PIPE_DIRECTORY:-HOME/default}
if [ "$1" = -d ]; then
    echo "start $pipes" >> HOME/log
    [ -e HOME/broken ] && { echo "An instance of this daemon"; echo "is already running" >&2; exit 1; }
    sleep 600 &
    echo $! > $pipes/running
else
    read word
    [ -e $pipes/running ] || { echo "Cannot find MPS control daemon process" >&2; exit 1; }
    echo "$word $pipes" >> HOME/log
    [ "$word" = quit ] && kill $(cat $pipes/running) && rm $pipes/running
    exit 0
fi
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a driver; the folder where its program is."""
    (tmp_path / "default").mkdir()
    (tmp_path / "version").touch()
    program = tmp_path / CONTROL
    program.write_text(PROGRAM.replace("HOME", str(tmp_path)))
    program.chmod(0o755)
    monkeypatch.setattr(module, "DRIVER", tmp_path / "version")
    monkeypatch.setattr(
        module, "PROBE", "import os; assert os.path.exists(os.environ['CUDA_MPS_PIPE_DIRECTORY'] + '/running')"
    )
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_MPS_PIPE_DIRECTORY", raising=False)
    return tmp_path


def log(home: Path) -> list[str]:
    path = home / "log"
    return path.read_text().splitlines() if path.exists() else []


def test_the_service_runs_while_there_are_jobs_and_ends_with_them(home: Path) -> None:
    heard = Recorder()
    with pytest.raises(KeyError), shared_gpu(16, "auto", heard) as variables:
        folder = variables["CUDA_MPS_PIPE_DIRECTORY"]
        assert log(home) == [f"start {folder}"]
        assert len(folder) < 90  # a socket's name has 108 bytes
        raise KeyError
    assert log(home) == [f"start {folder}", f"quit {folder}"]
    assert not Path(folder).exists()
    (event,) = heard.events
    assert event.facts == {"16 processes on one card": f"at once, by NVIDIA's multi-process service in {folder}"}


@pytest.mark.parametrize(("jobs", "device"), [(1, "cuda"), (2, "cpu")])
def test_nothing_is_started_for_one_job_or_for_the_processor(home: Path, jobs: int, device: str) -> None:
    with shared_gpu(jobs, device, Recorder()) as variables:
        assert variables == {}
    assert log(home) == []


def test_nothing_is_started_or_said_without_a_driver(home: Path) -> None:
    (home / "version").unlink()
    with shared_gpu(2, "auto", Recorder()) as variables:
        assert variables == {}
    assert log(home) == []


def test_a_service_that_runs_already_is_used_and_goes_on(home: Path) -> None:
    (home / "default" / "running").touch()
    heard = Recorder()
    with shared_gpu(2, "cuda:0", heard) as variables:
        assert variables == {}
    assert log(home) == [f"get_server_list {home / 'default'}"]
    assert heard.events == []


def test_what_hinders_it_is_told_and_the_jobs_go_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "broken").touch()
    heard = Recorder()
    with shared_gpu(2, "auto", heard) as variables:
        assert variables == {}
    assert len(log(home)) == 1
    (home / CONTROL).unlink()
    with shared_gpu(2, "auto", heard) as variables:
        assert variables == {}
    assert [event.facts["2 processes on one card"] for event in heard.events] == [
        f"they take turns, as {CONTROL} ended with 1: An instance of this daemon is already running",
        f"they take turns, as {CONTROL}, which comes with NVIDIA's driver, is not on the PATH",
    ]


def test_a_service_by_which_nothing_can_use_the_card_is_ended_and_told(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROBE", "raise RuntimeError('no CUDA device')")
    heard = Recorder()
    with shared_gpu(2, "auto", heard) as variables:
        assert variables == {}
    assert [line.split()[0] for line in log(home)] == ["start", "quit"]
    assert str(heard.events[0].facts["2 processes on one card"]).endswith(
        "could not use it: RuntimeError: no CUDA device"
    )
