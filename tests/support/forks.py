"""Processes forked from one that has imported what takes seconds: each is a real one, and is killed alone."""

from __future__ import annotations

import atexit
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

    def __init__(self, words: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> None:
        out, out_end = forks.Pipe(duplex=False)
        err, err_end = forks.Pipe(duplex=False)
        process: Any = forks.Process(target=_module, args=(words, cwd, dict(environment), out_end, err_end))
        process.start()
        out_end.close()
        err_end.close()
        self._process = process
        self.args = tuple(words)
        self.stdout, self.stderr = _text(out), _text(err)

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
    words: Sequence[str], cwd: Path, environment: Mapping[str, str], timeout: float = 900
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m WORDS`` in such a process to its end, which comes within ``timeout`` seconds."""
    command = Command(words, cwd, environment)
    try:
        output, messages = command.communicate(timeout)
    except subprocess.TimeoutExpired:
        command.kill()
        raise
    return subprocess.CompletedProcess(command.args, command.wait(), output, messages)


def _text(end: Any) -> IO[str]:
    with end:
        return os.fdopen(os.dup(end.fileno()), encoding="utf-8")


def _module(words: Sequence[str], cwd: Path, environment: Mapping[str, str], out: Connection, err: Connection) -> None:
    """Be that command: its folder, environment, input and output, and the end of an interpreter."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        for number, fd in enumerate((nothing.fileno(), out.fileno(), err.fileno())):
            os.dup2(fd, number)
    out.close()
    err.close()
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
