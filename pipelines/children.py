"""The processes of `make up`: started so that they outlive the terminal, written down, found again, and ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import requests

from ganlib.core import processes
from ganlib.core.errors import Unavailable
from ganlib.core.events import Remark
from ganlib.core.files import write_json
from ganlib.core.progress import Report, doing
from ganlib.core.project import Project
from pipelines.notes import State

READY_SECONDS = 180.0
"""How long a service may take until it answers."""
_STOP_SECONDS = 15.0


def spawn(project: Project, name: str, command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Start ``command`` in a session of its own, so that it outlives this terminal, logging to a file."""
    log = logs(project) / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    with log.open("ab") as stream:
        child = subprocess.Popen(
            command,
            cwd=project.root,
            env={**os.environ, **environment, "PATH": search},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    entry = {**processes.identity(child.pid)._asdict(), "log": str(log), "root": str(project.root)}
    write_json(starting_file(project), entry)
    return entry


def logs(project: Project) -> Path:
    """Return the folder of the services' logs."""
    return project.state / "logs"


def await_ready(entry: dict[str, Any], ready: Callable[[], bool], name: str, report: Report) -> dict[str, Any]:
    """Wait until the service of ``entry`` is ready; end it if it does not become so.

    Raises:
        Unavailable: it ended or did not answer in time; its log is named.
    """
    report.event(Remark(name, {"note": "starting"}))
    try:
        with doing(f"start {name}"):
            _poll(entry, ready, name)
    except BaseException:  # Ctrl-C too, which does not reach the service: it has a session of its own
        end(entry)
        raise
    return entry


def _poll(entry: dict[str, Any], ready: Callable[[], bool], name: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not ready():
        if processes.find(entry) is None:
            raise Unavailable(f"{name} ended; see {entry['log']}. What was started has been stopped.")
        if time.monotonic() > deadline:
            raise Unavailable(f"{name} did not answer in time; see {entry['log']}. What was started has been stopped.")
        time.sleep(0.3)


def answers(url: str) -> bool:
    """Whether what is at ``url`` answers within three seconds, and well."""
    try:
        return requests.get(url, timeout=3).ok
    except requests.RequestException:
        return False


def running(project: Project) -> State:
    """Return what `up` started here and still lives."""
    return {name: entry for name, entry in recorded(project).items() if project.began(entry) and processes.find(entry)}


def recorded(project: Project) -> State:
    """Return what `up` started here, alive or not."""
    try:
        state: State = json.loads(file(project).read_text())
    except (OSError, ValueError):
        return {}
    return {name: entry for name, entry in state.items() if not _of_original(project, entry)}


def record(project: Project, state: State) -> None:
    """Write down that ``state`` is what `up` has started."""
    if state:
        write_json(file(project), state)
    else:
        file(project).unlink(missing_ok=True)


def file(project: Project) -> Path:
    """Return where the services are recorded."""
    return project.state / "services.json"


def starting_file(project: Project) -> Path:
    """Return where a service is recorded that was started and is not ready yet."""
    return project.state / "service-starting.json"


def end_half_started(project: Project) -> None:
    """End what an `up` that was killed had started and not yet recorded: it would keep its port."""
    if starting_file(project).exists():
        entry = json.loads(starting_file(project).read_text())
        if not _of_original(project, entry):
            end(entry)
        starting_file(project).unlink()


def end(entry: dict[str, Any], *, alone: bool = False) -> bool:
    """SIGTERM to the whole family, so that trainings save their state, and SIGKILL to what remains.

    Args:
        entry: of a service.
        alone: leave its children as they are.

    Returns:
        Whether there was anything to end.
    """
    leader = processes.find(entry)
    family = _family(entry) if not alone else [leader] if leader else []
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(family, timeout=_STOP_SECONDS)
    for one in alive:
        one.kill()
    psutil.wait_procs(alive, timeout=5)
    return bool(family)


def _of_original(project: Project, entry: dict[str, Any]) -> bool:
    """Whether this folder is a copy, and ``entry`` of the project that it was copied from: not ours to end."""
    return not project.began(entry) and Path(entry["root"]).exists()


def _family(entry: dict[str, Any]) -> list[psutil.Process]:
    """The process of ``entry``, all its children, and what is left of its session if it was killed itself."""
    leader = processes.find(entry)
    if processes.elsewhere(entry) or processes.rebooted(entry):
        return []
    if leader is None and _is_a_strangers(entry["pid"]):
        return []  # the number is a stranger's now, so the session has ended too
    family = [*leader.children(recursive=True), leader] if leader else []
    return [*family, *(one for one in psutil.process_iter() if one not in family and _session(one) == entry["pid"])]


def _is_a_strangers(pid: int) -> bool:
    """Whether another process has the number by now: not the dead one, whose end its parent has not read yet."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _session(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except (ProcessLookupError, PermissionError):
        return None
