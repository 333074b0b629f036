"""What a training makes of signals."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from ganlib.config import load
from ganlib.core.errors import Interrupted
from ganlib.core.project import Project
from ganlib.core.signals import stop_requests
from ganlib.jobs.training.train import train
from ganlib.tracking.store import connect
from tests.reports import Listener
from tests.services import project as projects


def test_sigterm_asks_to_stop_however_often_it_comes() -> None:
    """The flow sends it, `make down` sends it, the lifeline sends it: none may cut short the saving of state."""
    with stop_requests() as stop:
        assert not stop()
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop()


def test_the_first_ctrl_c_asks_and_the_second_interrupts_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), stop_requests() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop()
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.slow
def test_a_training_that_is_stopped_after_its_last_step_ends_as_killed_and_a_resume_exports_it(tmp_path: Path) -> None:
    project = Project(projects.make(tmp_path / "project"))
    params = load(project.params_file, ["families.vae.channels=8"])

    def stop_it(stage: str, done: int, total: int, facts: Any = None) -> None:
        if stage == "finish vae":
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match=r"stopped at step 10; go on with: ganlib train vae --resume (\w+)") as told:
        train(project, params, "vae", report=Listener(stop_it))
    run_id = str(told.value).split()[-1]
    store = connect(project)
    assert store.client.get_run(run_id).info.status == "KILLED"
    assert train(project, params, "vae", resume=run_id).onnx.is_file()
    assert store.client.get_run(run_id).info.status == "FINISHED"
