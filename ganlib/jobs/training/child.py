"""A job in a process of its own: it can be timed out and killed, and it dies with its parent.

Orchestrators' time-outs do not stop a thread that is inside torch, and two trainings in one process would share its
threads and its random state.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ganlib.core import log_ids
from ganlib.core.errors import BadInput, GanlibError, Interrupted, Unavailable
from ganlib.core.progress import Report, doing, pass_on, silent
from ganlib.core.project import Project

LIFELINE = "GANLIB_LIFELINE"
_running: set[subprocess.Popen[str]] = set()
_given_up = threading.Event()
_BY_CODE: dict[int, type[GanlibError]] = {kind.exit_code: kind for kind in (BadInput, Unavailable, Interrupted)}


def run(
    project: Project,
    arguments: Sequence[str],
    *,
    timeout: float | None = None,
    variables: Mapping[str, str] | None = None,
    report: Report = silent,
) -> Any:
    """Run ``python -m ganlib ARGUMENTS --json`` in the project and return what it printed, parsed.

    Args:
        project: the child's working folder.
        arguments: verb and options.
        timeout: seconds; then the child is asked to stop, and killed a minute later.
        variables: of its environment, besides this process's own.
        report: the child's progress is passed on to it; what it raises ends the child, which saves its state.

    Raises:
        GanlibError: the child failed; its own message, of the class its exit code stands for.
        Interrupted: :func:`ended_together` gave up on it.
    """
    command = [sys.executable, "-m", "ganlib", *arguments, "--json"]
    ours = {**log_ids.for_child(), LIFELINE: "1", "GANLIB_ROOT": str(project.root)}
    environment = {**os.environ, **(variables or {}), **ours}
    with doing(" ".join(arguments[:2])), subprocess.Popen(
        command, cwd=project.root, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,  # a terminal's Ctrl-C reaches the parent alone, which passes it on in order
    ) as child:  # fmt: skip
        timer = threading.Timer(timeout, _end, [child]) if timeout else None
        output: list[str] = []
        reader = threading.Thread(
            target=lambda: output.append(child.stdout.read() if child.stdout else ""), daemon=True
        )
        reader.start()
        if timer:
            timer.daemon = True
            timer.start()
        _running.add(child)
        if _given_up.is_set():  # since before it was in the set that is ended
            child.send_signal(signal.SIGTERM)
        try:
            problem = _follow(child, report)
            child.wait()
        except BaseException:
            child.send_signal(signal.SIGTERM)
            raise
        finally:
            _running.discard(child)
            if timer:
                timer.cancel()
        reader.join()
    name = " ".join(arguments[:2])
    if child.returncode == 0:
        return json.loads(output[0])
    if _given_up.is_set():  # however it ended: a failure would be tried again
        raise Interrupted(problem or f"ganlib {name} was ended.")
    # One that was killed, as for its memory, may do better the next time.
    kind = Unavailable if child.returncode < 0 else _BY_CODE.get(child.returncode, GanlibError)
    raise kind(problem or f"ganlib {name} ended with exit code {child.returncode}.")


def _follow(child: subprocess.Popen[str], report: Report) -> str:
    """Pass the child's progress on until it closes its standard error; return its error, or its last line."""
    last = ""
    for line in child.stderr or ():
        try:
            record = json.loads(line)
        except ValueError:
            last = line.strip() or last
            continue
        if isinstance(record, dict) and not pass_on(record, report) and record.get("event") == "error":
            return str(record["message"])
    return last


def _end(child: subprocess.Popen[str]) -> None:
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(60)
    except subprocess.TimeoutExpired:
        child.kill()


@contextmanager
def ended_together() -> Iterator[None]:
    """When the body is interrupted, end the children that other threads wait for, and those they would still start.

    A thread cannot be interrupted, so who waits for jobs that run side by side must end them. The children save their
    state, and are killed after a minute; the threads see :class:`ganlib.core.errors.Interrupted`.
    """
    _given_up.clear()
    try:
        yield
    except Exception:
        raise
    except BaseException:
        _given_up.set()
        enders = [threading.Thread(target=_end, args=[child]) for child in list(_running)]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()
        raise


def watch_lifeline() -> None:
    """In a child: end when the parent is gone, which closes our input. SIGTERM first, so that state is saved."""
    if os.environ.pop(LIFELINE, None) is None:
        return

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(30)
        os._exit(143)

    threading.Thread(target=watch, daemon=True, name="lifeline").start()
