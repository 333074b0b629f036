"""DVC through its command line, one process at a time, and through ``dvc.lock`` for reading.

DVC has no public Python interface for reproducing and pushing, and gives up at once when another of its
processes is at work; both are handled here.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from ganlib.core.errors import BadInput, GanlibError, Unavailable
from ganlib.core.events import Remark
from ganlib.core.files import as_user_error, explained, write_bytes
from ganlib.core.progress import Report, doing, pass_on, silent
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.core.yaml_parse import parse_yaml
from ganlib.data.versioning import dvc_cache

PROGRESS = "GANLIB_PROGRESS"
"""Set to ``json`` for the stages that DVC starts: their progress comes back as events."""

_TORN_LOCK = re.compile(r"RWLock-file .+ (JSON structure is corrupted|format error)")
_BUSY = re.compile(r"is busy, it is being blocked by|Unable to acquire lock")
_LASTING = re.compile(
    r"Unable to locate credentials|NoSuchBucket|bucket does not exist|Forbidden|Access ?Denied|InvalidAccessKeyId|"
    r"SignatureDoesNotMatch|Permission denied|Read-only file system"
)
"""What waiting does not mend."""
WAIT = 300.0  # seconds for another process to finish: a fetch from a slow mirror takes minutes
_REMOTE = "services"
"""What the remote of ``services.dvc_remote`` is called."""
_SITE = Path("/var/tmp/dvc")  # noqa: S108  # where DVC keeps what all users of a machine share
_FIRST_PAUSE = 0.5  # seconds between tries; doubled up to five
_BY_CODE: dict[int, type[GanlibError]] = {kind.exit_code: kind for kind in (BadInput, Unavailable)}


class OutputPin(Record):
    """What ``dvc.lock`` says of one stage's output."""

    md5: str = Field(pattern=r"^[0-9a-f]{32}(\.dir)?$")
    params: dict[str, Any]


def pinned(project: Project, stage: str) -> OutputPin | None:
    """The record of ``stage`` in ``dvc.lock``; None if there is no such file or stage.

    Raises:
        BadInput: the file is there and is not a whole DVC lock file.
    """
    path = project.root / "dvc.lock"
    try:
        return _stages(path.read_bytes()).get(stage)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError, AttributeError) as error:
        raise BadInput(
            f"dvc.lock is damaged ({type(error).__name__}). Restore it (git checkout dvc.lock) or delete it, "
            "then run: ganlib data version"
        ) from error


@lru_cache(maxsize=4)  # a command asks dozens of times, and to read YAML takes 20 ms
def _stages(text: bytes) -> Mapping[str, OutputPin]:
    """The stages with outputs in a lock file; any of many errors if it is not one, or not whole."""
    stages = {}
    for name, entry in parse_yaml(text)["stages"].items():
        params = entry.get("params", {}).get("params.yaml", {})
        for out in entry.get("outs", ())[:1]:
            stages[name] = OutputPin(md5=out["md5"], params=params)
        if not entry["cmd"] or not (entry.keys() & {"outs", "deps"}):
            raise ValueError(name)
    return stages


class Dvc:
    """Runs DVC commands. Made by :func:`exclusive`, whose lock every child inherits."""

    def __init__(self, project: Project, lock: int) -> None:
        """``lock`` is the descriptor that holds the lock."""
        self._project, self._lock = project, lock

    def run(self, *words: str, report: Report = silent) -> None:
        """Run ``dvc WORDS``; progress of its stages goes to ``report``.

        Raises:
            GanlibError: it failed; a stage's own message, of the class its exit code stands for, or DVC's.
            Unavailable: another DVC process, not of ours, kept it from working for five minutes.
        """
        deadline = time.monotonic() + WAIT
        pause = _FIRST_PAUSE
        while True:
            with doing(f"dvc {words[0]}"):
                code, output = self._once(words, report)
            if code == 0:
                return
            if _TORN_LOCK.search(output) and pause == _FIRST_PAUSE:
                # Left by a killed DVC. Nobody of ours is at work: we hold the lock.
                (self._project.root / ".dvc" / "tmp" / "rwlock").unlink(missing_ok=True)
            elif not _BUSY.search(output):
                raise failure(words, code, output, self._project.root)
            if time.monotonic() + pause > deadline:
                raise Unavailable(f"another DVC process kept `dvc {words[0]}` waiting: {_last(output)}")
            time.sleep(pause)
            pause = min(2 * pause, 5.0)

    def _once(self, words: tuple[str, ...], report: Report) -> tuple[int, str]:
        with subprocess.Popen(
            [sys.executable, "-m", "dvc", *words], cwd=self._project.root, env=environment(self._project),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            # A child that outlives us keeps the lock until it is done.
            pass_fds=[self._lock],
        ) as child:  # fmt: skip
            try:
                lines = [line for line in child.stdout or () if not _pass_on(line, report)]
            except BaseException:
                child.terminate()
                raise
        return child.returncode, "".join(lines)


@contextmanager
def keep_lock_file(project: Project, report: Report = silent) -> Iterator[None]:
    """Protect ``dvc.lock`` from the end of the process: DVC does not write it atomically.

    A copy is kept while DVC may write, and comes back if the file is found unreadable.

    Raises:
        BadInput: the file is unreadable and no killed call left a copy: the damage is the user's to see.
    """
    path, copy = project.root / "dvc.lock", project.state / "dvc.lock.before"
    if copy.exists() and path.exists() and not _is_whole(path.read_bytes(), copy.read_bytes()):
        report.event(Remark("dvc.lock", {"restored": "an earlier run was killed while it was written"}))
        if before := copy.read_bytes():
            write_bytes(path, before)
        else:
            path.unlink()
    pinned(project, "")
    before = path.read_bytes() if path.exists() else b""
    write_bytes(copy, before)
    try:
        yield
    finally:
        if not path.exists() or _is_whole(path.read_bytes(), before):
            copy.unlink()


def _is_whole(text: bytes, before: bytes) -> bool:
    """Whether a lock file can be read and has lost no stage."""
    try:
        return _stages(text).keys() >= (_stages(before).keys() if before else set())
    except (ValueError, yaml.YAMLError, LookupError, TypeError, AttributeError):
        return False


@contextmanager
def exclusive(project: Project) -> Iterator[Dvc]:
    """The right to run DVC in this project, as an operating system's lock that ends with its holder.

    Raises:
        Unavailable: another process of ours held it for five minutes.
        BadInput: the state folder cannot be written.
    """
    path = project.state / "dvc.lock"
    with explained(path, 0):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _acquire(lock, path)
        dvc = Dvc(project, lock)
        _follow(project, dvc)
        yield dvc
    finally:
        os.close(lock)


def _follow(project: Project, dvc: Dvc) -> None:
    """Have .dvc/config.local, which git ignores, name the remote of ``services.dvc_remote``, so that `dvc` agrees."""
    here, there = dvc_cache.configured_remote(project), dvc_cache.remote_url(project, _REMOTE)
    if here and here != there:
        dvc.run("remote", "add", "--local", "--force", "--default", _REMOTE, here)
    elif there and not here:
        dvc.run("remote", "remove", "--local", _REMOTE)


def _acquire(lock: int, path: Path) -> None:
    deadline = time.monotonic() + WAIT
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Unavailable(f"another `ganlib data` command holds {path}; try again when it is done.") from None
            time.sleep(0.1)
        else:
            return


def without_git(project: Project) -> bool:
    """Whether no git checkout surrounds the project."""
    return not any((folder / ".git").exists() for folder in (project.root, *project.root.parents))


def environment(project: Project) -> dict[str, str]:
    """Stages are run as ``python -m ganlib``: by this interpreter, in this project."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    changes = {"PATH": path, "GANLIB_ROOT": str(project.root), PROGRESS: "json", "DVC_NO_ANALYTICS": "1"}
    if not os.access(_SITE if _SITE.exists() else _SITE.parent, os.W_OK):
        changes["DVC_SITE_CACHE_DIR"] = str(project.state / "dvc-site")
    if without_git(project):
        # As configuration of the lowest rank, so that neither the project's nor the user's files are touched.
        folder = project.state / "dvc-without-git"
        with explained(folder, 0):
            folder.mkdir(parents=True, exist_ok=True)
        (folder / "config").write_text("[core]\n    no_scm = true\n", encoding="utf-8")
        changes["DVC_SYSTEM_CONFIG_DIR"] = str(folder)
    return {**os.environ, **changes}


def _pass_on(line: str, report: Report) -> bool:
    """Hand a stage's progress event to ``report``; false if ``line`` is none."""
    if not line.startswith("{"):
        return False
    try:
        record: Mapping[str, Any] = json.loads(line)
        return record["event"] == "working" or pass_on(record, report)  # that it is at work is shown by us
    except (ValueError, KeyError, TypeError):
        return False


def failure(words: tuple[str, ...], code: int, output: str, root: Path) -> GanlibError:
    """Return the error for ``dvc`` with ``words`` that ended with ``code``, by what it printed."""
    ours = re.findall(r"^ganlib: (.+)$", output, re.MULTILINE)
    stage = re.search(r"exited with (\d+)", output)
    if ours and stage:
        return _BY_CODE.get(int(stage[1]), GanlibError)(ours[-1])
    line = f"dvc {words[0]} failed with exit code {code}: {_last(output)}"
    kind = BadInput if _LASTING.search(output) else GanlibError
    return as_user_error(OSError(line), root) or kind(line)


def _last(output: str) -> str:
    """DVC's own error, or else the end of what was said."""
    errors = re.findall(r"^ERROR: (.+?)(?=^\S|\Z)", output, re.MULTILINE | re.DOTALL)
    return " ".join((errors[-1] if errors else output[-300:]).split()) or "no message"
