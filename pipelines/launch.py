"""Start a flow from a terminal: live progress, one-line errors, exit codes, and no ghosts of killed runs."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ganlib.cli.app import reporting, run
from ganlib.cli.help import Verbs
from ganlib.core import processes
from ganlib.core import project as projects
from ganlib.core.errors import BadInput, Interrupted, Unavailable
from ganlib.core.events import Remark
from ganlib.core.progress import doing
from ganlib.core.proxies import through

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun, State
    from prefect.flows import Flow

    from ganlib.core.progress import Report

_TAG = "ganlib"


def run_command(command: Callable[..., None], name: str) -> None:
    """Run ``command``, a function with typer's annotations, on the command line, which calls it ``name``."""
    app = Verbs(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    run(app, name)


def launch(flow: Callable[..., Any], *, as_json: bool, **parameters: Any) -> Any:
    """Run ``flow`` in this process with ``parameters``, reporting to this terminal; its result."""
    with reporting(as_json=as_json) as report:
        with doing("import Prefect"):
            from prefect import tags

            from pipelines import progress

        _quiet_console()
        progress.use_terminal(report)
        with _interruptible(), _prefect(report), prefect_answering(), tags(_TAG, identity()):
            clear_ghosts()
            return flow(**parameters)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Make one line of Ctrl-C and of SIGTERM, which Prefect's engine sends on when it has marked its run.

    Raises:
        Interrupted: either has come.
    """

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(
            "interrupted. Trainings have saved their state (go on with one: ganlib train FAMILY --resume RUN); "
            "the same command again starts afresh."
        ) from None
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _prefect(report: Report) -> Iterator[None]:
    """A server for the flows inside: the one that is set or that `make up` started, else a temporary one."""
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
        temporary_settings,
    )

    if PREFECT_API_URL.value():
        yield
        return
    from pipelines import temporary

    report.event(Remark("prefect", {"note": "starting a temporary server (up to 30 s the first time)"}))
    log = projects.find().state / "logs" / "prefect-temporary.log"
    with doing("start a temporary Prefect server"):
        url = temporary.start(log, PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.value())
    with temporary_settings({PREFECT_API_URL: url}):
        yield


@contextmanager
def prefect_answering() -> Iterator[None]:
    """Prefect's own failures in our words.

    Raises:
        Unavailable: its server does not answer, or the temporary one did not start.
        BadInput: it asks for another password.
    """
    import httpx

    url = os.environ.get("PREFECT_API_URL")
    where = f"Prefect at {url}{through(url)}" if url else "Prefect's server"
    try:
        yield
    except httpx.HTTPStatusError as error:
        if error.response.status_code not in (401, 403):
            raise Unavailable(f"{where} answers {error.response.status_code}; try again.") from error
        raise BadInput(
            f"{where} refuses this login ({error.response.status_code}): set PREFECT_API_AUTH_STRING to its "
            "user:password (docs/operations.md). Nothing was started."
        ) from error
    except httpx.HTTPError as error:
        raise Unavailable(f"{where} does not answer ({type(error).__name__}): is it up? (`make up`)") from error
    except RuntimeError as error:
        if "reach API" not in str(error) and "Prefect API" not in str(error):
            raise
        raise Unavailable(f"{where} does not answer: {error}") from error


def _quiet_console() -> None:
    """Keep Prefect's log off this terminal: it would tear the progress bars and repeat our errors with tracebacks.

    Its handler for the API stays, so the page shows all of it.
    """
    from prefect.logging.handlers import PrefectConsoleHandler

    names = ["", *(name for name in logging.root.manager.loggerDict if name.startswith("prefect"))]
    for handler in (handler for name in names for handler in logging.getLogger(name).handlers):
        if isinstance(handler, PrefectConsoleHandler):
            handler.setLevel(logging.CRITICAL + 1)


def clear_ghosts() -> list[str]:
    """Mark as Crashed the flow runs of this machine's terminals whose process was killed, and tasks that outlived runs.

    Returns:
        Names of the runs that were marked.
    """
    names = mark_crashed(lambda run: any(processes.is_dead(tag) for tag in run.tags))
    return [*names, *close_tasks()]


def mark_crashed(ghost: Callable[[FlowRun], bool]) -> list[str]:
    """End those running flow runs of ours that ``ghost`` picks: Prefect would show them running for ever."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
        FlowRunFilterTags,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.states import Crashed

    running = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[_TAG]),
        state=FlowRunFilterState(
            type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING, StateType.CANCELLING])
        ),
    )
    names = []
    with get_client(sync_client=True) as client:
        for flow_run in client.read_flow_runs(flow_run_filter=running):
            if ghost(flow_run):
                client.set_flow_run_state(flow_run.id, Crashed(message="its process was killed"), force=True)
                names.append(flow_run.name)
    return names


def close_tasks() -> list[str]:
    """Mark as Crashed the tasks that still say Running though their run, one of ours, ended over a minute ago.

    Their worker was killed, one of Dask's or the run's own process: nobody else will ever end them.

    Returns:
        Names of the task runs that were marked.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterEndTime,
        FlowRunFilterTags,
        TaskRunFilter,
        TaskRunFilterState,
        TaskRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.states import Crashed

    from ganlib.jobs.doctor import prefect_runs

    earlier = datetime.now(UTC) - prefect_runs.SETTLING
    runs = FlowRunFilter(tags=FlowRunFilterTags(all_=[_TAG]), end_time=FlowRunFilterEndTime(before_=earlier))
    alive = TaskRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING])
    names = []
    with get_client(sync_client=True) as client:
        for task_run in client.read_task_runs(
            flow_run_filter=runs, task_run_filter=TaskRunFilter(state=TaskRunFilterState(type=alive))
        ):
            client.set_task_run_state(task_run.id, Crashed(message="its worker was killed"), force=True)
            names.append(task_run.name)
    return names


def identity() -> str:
    """Return the tag that tells whose a flow run is: :func:`clear_ghosts` ends those of processes that are gone."""
    return json.dumps(processes.identity())


def sign(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """As a flow run of a deployment begins, tag it with its process, as :func:`launch` does with those of terminals."""
    from prefect.client.orchestration import get_client

    if flow_run.deployment_id:
        with get_client(sync_client=True) as client:
            client.update_flow_run(flow_run.id, tags=[*flow_run.tags, identity()])
