"""What a training makes of signals."""

from __future__ import annotations

import os
import signal

import pytest

from ganlib.jobs.train import _stop_signals


def test_sigterm_asks_to_stop_however_often_it_comes() -> None:
    """The flow sends it, `make down` sends it, the lifeline sends it: none may cut short the saving of state."""
    with _stop_signals() as stop:
        assert not stop()
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop()


def test_the_first_ctrl_c_asks_and_the_second_interrupts_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), _stop_signals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop()
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
