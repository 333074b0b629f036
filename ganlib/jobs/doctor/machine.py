"""The machine and what is installed on it."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ganlib.core import threads
from ganlib.core.errors import GanlibError
from ganlib.core.project import source
from ganlib.core.proxies import LOOPBACK
from ganlib.jobs.doctor.finding import HealthContext, HealthFinding

_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^;\s]+)")
_OWN = (
    "prefect", "mlflow", "dvc", "torch", "onnx", "onnxruntime", "numpy", "sqlalchemy", "fastapi", "pydantic",
)  # fmt: skip
"""Packages of which another version changes what works here."""
_FEW_BYTES = 2 * 10**9
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def versions(context: HealthContext) -> Iterator[HealthFinding]:
    """Compare what is installed with constraints.txt, the set that was seen to work together."""
    python = ".".join(map(str, sys.version_info[:3]))
    path = context.project.root / "constraints.txt"
    if not path.exists():
        yield HealthFinding(subject="packages", state="remark", words=f"there is no {path.name} to compare with")
        return
    pins = {name.lower(): version for name, version in _PIN.findall(path.read_text(encoding="utf-8"))}
    differences = []
    for name in _OWN:
        there = _installed(name)
        if there != pins.get(name, there):
            differences.append(f"{name} {there or 'is missing'}, not {pins[name]}")
    if differences:
        words = "; ".join(differences)
        yield HealthFinding(
            subject="packages", state="remark", words=words, cure="make install, or see docs/decisions/0001-pins.md"
        )
    else:
        yield HealthFinding(
            subject="packages",
            state="ok",
            words=f"python {python}; {len(_OWN)} packages are as constraints.txt has them",
        )


def _installed(name: str) -> str | None:
    """The version that is installed, without the build that it is for, as in ``2.13.0+cpu``."""
    try:
        return importlib.metadata.version(name).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


def cores(context: HealthContext) -> Iterator[HealthFinding]:
    """Say how many cores may be used, and whether the threads that are set are more."""
    usable, number = threads.usable_cores(), os.environ.get("OMP_NUM_THREADS", "")
    words = threads.limit() or f"{usable} cores"
    if number.isdigit() and int(number) > usable:
        yield HealthFinding(
            subject="cores", state="remark", words=f"{words}; OMP_NUM_THREADS is {number}: threads wait for each other",
            cure=f"export OMP_NUM_THREADS={usable}",
        )  # fmt: skip
    else:
        yield HealthFinding(subject="cores", state="ok", words=words)


def disk(context: HealthContext) -> Iterator[HealthFinding]:
    """Look at the room where the project and where temporary files are, and whether both can be written."""
    for subject, folder in (("disk", context.project.root), ("temporary files", Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(folder).free
        if not _can_write(folder):
            words, cure = f"{folder} cannot be written", f"use a copy that you own, or ask for write access to {folder}"
            yield HealthFinding(subject=subject, state="problem", words=words, cure=cure)
        elif free < _FEW_BYTES:
            words = f"{free / 1e9:.1f} GB are free in {folder}"
            yield HealthFinding(
                subject=subject, state="problem", words=words, cure="ganlib registry prune --dry-run says what may go"
            )
        else:
            yield HealthFinding(subject=subject, state="ok", words=f"{free / 1e9:.0f} GB are free in {folder}")


def _can_write(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError:
        return False
    return True


def git(context: HealthContext) -> Iterator[HealthFinding]:
    """Say which commit runs would record."""
    revision = source(context.project.root)
    if revision.commit is None:
        words = "no commit is known: runs and versions do not say by which code they were made"
        yield HealthFinding(subject="git", state="remark", words=words, cure="work in a clone, with git installed")
    else:
        more = ", with changes that are not committed" if revision.dirty else ""
        yield HealthFinding(subject="git", state="ok", words=f"commit {revision.commit[:12]}{more}")


def proxy(context: HealthContext) -> Iterator[HealthFinding]:
    """Say which proxy is asked, and whether this machine itself is spared."""
    names = [name for name in _PROXIES if os.environ.get(name) or os.environ.get(name.upper())]
    if not names:
        yield HealthFinding(subject="proxy", state="ok", words="none is set")
        return
    hosts = {host.strip() for name in ("no_proxy", "NO_PROXY") for host in os.environ.get(name, "").split(",")}
    ours = hosts & {*LOOPBACK, "*"}
    more = "this machine is spared" if ours else "ganlib spares this machine, other programs may not"
    yield HealthFinding(
        subject="proxy", state="ok" if ours else "remark", words=f"{', '.join(names)} set; {more}",
        cure=None if ours else f"export NO_PROXY={','.join(LOOPBACK)}",
    )  # fmt: skip


def provider(context: HealthContext) -> Iterator[HealthFinding]:
    """Draw an image of a model that ships, and say where it ran; say which GPU torch sees."""
    from ganlib import pretrained
    from ganlib.generation.session import OnnxModel

    try:
        model = OnnxModel(pretrained.FOLDER / f"{pretrained.names()[0]}.onnx")
        model.images(0, 0, 1)
    except GanlibError as error:
        yield HealthFinding(subject="onnxruntime", state="problem", words=str(error), cure="make install")
        return
    from onnxruntime import get_available_providers

    others = [name.removesuffix("ExecutionProvider") for name in get_available_providers()]
    yield HealthFinding(
        subject="onnxruntime", state="ok", words=f"draws on {model.provider}; it was built with {', '.join(others)}"
    )


def locks(context: HealthContext) -> Iterator[HealthFinding]:
    """Say which locks of the project somebody holds just now."""
    names = [path.name for path in sorted(context.project.state.glob("*.lock")) if _in_use(path)]
    words = f"held just now: {', '.join(names)}" if names else "nobody holds one"
    yield HealthFinding(subject="locks", state="remark" if names else "ok", words=words)


def _in_use(path: Path) -> bool:
    import fcntl

    try:
        with path.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
