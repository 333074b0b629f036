"""How long a flow run may take: one that hangs would keep all that come after it waiting."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from inspect import signature
from typing import ParamSpec, TypeVar

from ganlib import config
from ganlib.core import project as projects
from ganlib.core.errors import GanlibError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class _Overtime(BaseException):
    """As Ctrl-C is: no failure of whatever is at work just now."""


@contextmanager
def time_limit(hours: float | None) -> Iterator[None]:
    """End what is inside after so many ``hours``, as Ctrl-C would: trainings save their state and are ended.

    Prefect's own limit would not end them, and one thread alone can be interrupted: outside of the main one there is
    no limit.

    Raises:
        GanlibError: it took longer.
    """
    if hours is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    inside = True

    def interrupt(number: int, frame: object) -> None:
        if inside:
            raise _Overtime

    signal.signal(signal.SIGUSR2, interrupt)  # and it stays: the timer may have fired already
    main = threading.main_thread().ident or 0
    timer = threading.Timer(hours * 3600, signal.pthread_kill, (main, signal.SIGUSR2))
    timer.daemon = True
    timer.start()
    try:
        yield
    except _Overtime:
        raise GanlibError(
            f"the run took longer than services.run_hours ({hours:g}) and was ended with its trainings, which saved "
            "their state (go on with one: ganlib train FAMILY --resume RUN). The champion is as it was."
        ) from None
    finally:
        inside = False
        timer.cancel()


def limited(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Return the flow's ``function`` within the limit of ``services.run_hours``, as its ``overrides`` may have it."""

    @wraps(function)
    def run(*arguments: Parameters.args, **options: Parameters.kwargs) -> Result:
        overrides = signature(function).bind(*arguments, **options).arguments.get("overrides")
        params = config.load(projects.find().params_file, overrides or [])
        with time_limit(params.services.run_hours):
            return function(*arguments, **options)

    return run
