"""Processes forked from one that has imported what takes seconds: each is a real one, and is killed alone."""

from __future__ import annotations

import atexit
import ctypes
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

forks = multiprocessing.get_context("forkserver")
"""A context like "spawn", whose processes start in milliseconds, with the environment that the first one found."""
forks.set_forkserver_preload(["tests.support.ready"])


class Command:
    """``python -m WORDS`` in such a process: as far as tests need it, a :class:`subprocess.Popen`."""

    def __init__(
        self,
        words: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        *,
        typed: bool = False,
        session: bool = False,
        user: int | None = None,
    ) -> None:
        """Start it. What is ``typed`` to its ``stdin`` it reads; else there is nothing to read.

        With ``session`` it has a session, and so a group of processes, of its own; ``user`` is the number of whom it
        runs as, with no group of anybody's.
        """
        (in_end, own), (out, out_end), (err, err_end) = (forks.Pipe(duplex=False) for _ in range(3))
        streams = (in_end if typed else None, out_end, err_end)
        process: Any = forks.Process(target=_module, args=(words, cwd, dict(environment), streams, session, user))
        process.start()
        for end in (in_end, out_end, err_end):
            end.close()
        self._process = process
        self.args = tuple(words)
        self.stdin, self.stdout, self.stderr = _text(own, "w"), _text(out), _text(err)

    @property
    def pid(self) -> int:
        """The process's number."""
        return int(self._process.pid)

    @property
    def returncode(self) -> int | None:
        """Its exit code, or minus the number of the signal that ended it; None while it runs."""
        code: int | None = self._process.exitcode
        return code

    def poll(self) -> int | None:
        """Return ``returncode``."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, at most ``timeout`` seconds, and return its exit code."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it the signal, unless it has ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):  # it has ended, and that is not known here yet
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end, and return the rest of what it has written to its standard output and error."""
        self.stdin.close()
        texts = ["", ""]

        def read(place: int, stream: IO[str]) -> None:
            with stream:
                texts[place] = stream.read()

        readers = [threading.Thread(target=read, args=each) for each in enumerate((self.stdout, self.stderr))]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join(timeout)
        return texts[0], texts[1]


def run(
    words: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    timeout: float = 900,
    *,
    user: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m WORDS`` in such a process to its end, which comes within ``timeout`` seconds."""
    command = Command(words, cwd, environment, user=user)
    try:
        output, messages = command.communicate(timeout)
    except subprocess.TimeoutExpired:
        command.kill()
        raise
    return subprocess.CompletedProcess(command.args, command.wait(), output, messages)


def _text(end: Any, mode: str = "r") -> IO[str]:
    with end:
        return os.fdopen(os.dup(end.fileno()), mode, encoding="utf-8")


def _become(user: int) -> None:
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, as it is after an exec: what is in /proc is its own


def _module(
    words: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    streams: tuple[Connection | None, Connection, Connection],
    session: bool,
    user: int | None,
) -> None:
    """Be that command: its folder, environment, input and output, and the end of an interpreter."""
    if session:
        os.setsid()
    if user is not None:
        _become(user)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which is ignored where tests run in the background
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        for number, stream in enumerate(streams):
            os.dup2((stream or nothing).fileno(), number)
    for stream in filter(None, streams):
        stream.close()
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", encoding="utf-8", closefd=False)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", 1, "utf-8", "backslashreplace", closefd=False)  # type: ignore[misc]
    sys.argv = list(words)
    try:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    finally:
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001  (what the interpreter does at its end)
        atexit._run_exitfuncs()  # noqa: SLF001  (as above)
        sys.stdout.flush()
