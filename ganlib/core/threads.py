"""How many threads, and how OpenMP's wait. It imports nothing large: the command line needs it before anything else."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

GOMP_SPINCOUNT = "1000"
"""GOMP_SPINCOUNT, unless the user says otherwise: how long a thread spins at a barrier before it sleeps.

libgomp's own default is for long, which makes two threads several times slower as soon as anything else runs; never to
spin costs a third of their speed where nothing does (docs/decisions/0006-threads.md).
"""


def usable_cores() -> int:
    """Return the cores' worth of time that this process may use: the fewer of processors and CPU quota; at least 1.

    A container is limited by the one (``--cpuset-cpus``) or the other (``--cpus``, a pod's CPU limit). A quota shows
    all the host's cores, and stops who uses them all for most of the time.
    """
    quota = cpu_quota()
    return visible_cores() if quota is None else max(1, min(visible_cores(), math.ceil(quota)))


def core_share(processes: int) -> int:
    """Return the cores' worth of time for each of so many processes at once; at least 1."""
    return max(1, usable_cores() // processes)


def limit() -> str | None:
    """Say in words where a CPU quota leaves fewer cores than are visible; None where it does not."""
    if usable_cores() == visible_cores():
        return None
    return f"the CPU quota here is {cpu_quota():.3g} of {visible_cores()} visible cores: {usable_cores()} used"


def set_defaults() -> str | None:
    """Set the threads of all libraries below us, here and in children, as far as the user has not.

    Returns:
        Words for the user where a CPU quota decided their number: once, not in every child.
    """
    if "OMP_WAIT_POLICY" not in os.environ:  # which GOMP_SPINCOUNT would overrule
        os.environ.setdefault("GOMP_SPINCOUNT", GOMP_SPINCOUNT)
    remark = limit()
    if remark is None or os.environ.get("OMP_NUM_THREADS"):
        return None
    os.environ["OMP_NUM_THREADS"] = str(usable_cores())  # OpenMP, OpenBLAS and MKL count all visible cores
    return remark


def visible_cores() -> int:
    """Return the number of processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Return the cores' worth of time that the tightest control group around this process allows; None: any.

    Both of Linux's kinds of control groups are read, wherever they are mounted.

    Args:
        root: of the file system; another one for tests.
    """
    try:
        return min(_quotas(root), default=None)
    except (OSError, ValueError, ArithmeticError):  # not Linux, or hidden
        return None


def _quotas(root: Path) -> Iterator[float]:
    """Each limit on the way from this process's group up to the mount's root."""
    own = dict(_own_groups(root))
    for kind, top, mount in _mounts(root):
        path = own.get(kind)
        if path is None:
            continue
        # A container sees the mount begin at its own group, whose path is told as the host sees it.
        inside = Path(os.path.relpath(path, top))
        folder = mount if ".." in inside.parts else mount / inside
        while True:
            quota = _unified(folder) if kind == "cgroup2" else _legacy(folder)
            if quota is not None:
                yield quota
            if folder == mount:
                break
            folder = folder.parent


def _own_groups(root: Path) -> Iterator[tuple[str, str]]:
    """This process's groups: the file system's kind, and the path; of version 1, the one that limits CPU time."""
    for line in (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            yield "cgroup2", path
        elif "cpu" in controllers.split(","):
            yield "cgroup", path


def _mounts(root: Path) -> Iterator[tuple[str, str, Path]]:
    """Kind of each control group file system, the group it begins at, and where it is."""
    for line in (root / "proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2" or (kind == "cgroup" and "cpu" in options.split(",")):
            _, _, _, top, place = before.split(" ")[:5]
            yield kind, top, root / place.lstrip("/").replace("\\040", " ")


def _unified(folder: Path) -> float | None:
    try:
        limit, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
    except OSError:  # the top group, or one without the controller
        return None
    return None if limit == "max" else int(limit) / int(period)


def _legacy(folder: Path) -> float | None:
    try:
        limit, period = (
            int((folder / f"cpu.cfs_{name}_us").read_text(encoding="utf-8")) for name in ("quota", "period")
        )
    except OSError:
        return None
    return limit / period if limit > 0 and period > 0 else None
