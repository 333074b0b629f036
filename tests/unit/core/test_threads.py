"""How many threads: the processors that are visible, or what control groups leave of their time."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from ganlib.cli.app import reporting, set_environment_defaults
from ganlib.core import processes, threads
from ganlib.training import device
from tests.cgroups import quota


class Tree:
    """A file system with control groups, as a process in one of them sees it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "proc/self").mkdir(parents=True)
        self.write("proc/self/cgroup", "")
        self.write("proc/self/mountinfo", "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n")

    def write(self, path: str, text: str) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def unified(self, own: str, limits: dict[str, str], *, top: str = "/", place: str = "/sys/fs/cgroup") -> None:
        self._add(f"0::{own}\n", f"30 22 0:26 {top} {place} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n")
        for folder, limit in limits.items():
            self.write(f"{place}{folder}/cpu.max", f"{limit}\n")

    def legacy(self, own: str, limits: dict[str, int], *, top: str = "/", names: str = "cpu,cpuacct") -> None:
        place = f"/sys/fs/cgroup/{names}"
        self._add(f"4:{names}:{own}\n1:name=systemd:/\n", f"31 22 0:27 {top} {place} rw - cgroup cgroup rw,{names}\n")
        for folder, limit in limits.items():
            self.write(f"{place}{folder}/cpu.cfs_quota_us", f"{limit}\n")
            self.write(f"{place}{folder}/cpu.cfs_period_us", "50000\n")

    def _add(self, group: str, mount: str) -> None:
        for name, text in (("cgroup", group), ("mountinfo", mount)):
            path = self.root / "proc/self" / name
            path.write_text(path.read_text() + text)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.mark.parametrize(
    ("own", "limits", "top", "expected"),
    [
        ("/", {}, "/", None),  # the host's top group has no such file
        ("/", {"": "max 100000"}, "/", None),
        ("/", {"": "150000 100000"}, "/", 1.5),  # a container with a namespace of its own
        ("/a/b", {"/a": "50000 100000", "/a/b": "max 100000"}, "/", 0.5),
        ("/a/b", {"/a": "400000 100000", "/a/b": "200000 50000"}, "/", 4),
        ("/a/b", {"/a": "400000 100000", "/a/b": "100000 50000"}, "/", 2),
        ("/a/b", {"/b": "100000 50000", "": "max 100000"}, "/a", 2),  # the mount begins at /a
        ("/docker/id", {"": "300000 100000"}, "/docker/id", 3),
        ("/../elsewhere", {"": "300000 100000"}, "/", 3),  # seen from another namespace
        ("/a", {"/other": "100000 100000"}, "/", None),
    ],
)
def test_the_tightest_quota_of_unified_groups(
    tree: Tree, own: str, limits: dict[str, str], top: str, expected: float | None
) -> None:
    tree.unified(own, limits, top=top)
    assert threads.cpu_quota(tree.root) == expected


@pytest.mark.parametrize("names", ["cpu", "cpu,cpuacct", "cpuacct,cpu"])
@pytest.mark.parametrize(
    ("own", "limits", "top", "expected"),
    [
        ("/", {"": -1}, "/", None),
        ("/docker/id", {"": 50_000}, "/docker/id", 1),
        ("/pod/c", {"": -1, "/pod": 100_000, "/pod/c": -1}, "/", 2),
        ("/pod/c", {"": -1, "/pod": 400_000, "/pod/c": 75_000}, "/", 1.5),
    ],
)
def test_the_tightest_quota_of_legacy_groups(
    tree: Tree, names: str, own: str, limits: dict[str, int], top: str, expected: float | None
) -> None:
    tree.legacy(own, limits, top=top, names=names)
    assert threads.cpu_quota(tree.root) == expected


def test_of_both_kinds_side_by_side_the_tighter_one_counts(tree: Tree) -> None:
    tree.legacy("/a", {"/a": 100_000})
    tree.unified("/", {"": "max 100000"}, place="/sys/fs/cgroup/unified")
    assert threads.cpu_quota(tree.root) == 2


@pytest.mark.parametrize("text", ["", "nonsense", "0::\n", "5:cpu\n"])
def test_what_cannot_be_read_limits_nothing(tree: Tree, tmp_path: Path, text: str) -> None:
    tree.unified("/", {"": text or "1 0 2"})
    tree.write("proc/self/cgroup", text)
    assert threads.cpu_quota(tree.root) is None
    assert threads.cpu_quota(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    ("visible", "allowed", "expected"),
    [(54, None, 54), (54, 1.0, 1), (54, 0.5, 1), (54, 1.5, 2), (2, 8.0, 2), (54, 53.5, 54)],
)
def test_the_smaller_of_what_is_visible_and_what_is_allowed_and_at_least_one(
    monkeypatch: pytest.MonkeyPatch, visible: int, allowed: float | None, expected: int
) -> None:
    monkeypatch.setattr(threads, "visible_cores", lambda: visible)
    monkeypatch.setattr(threads, "cpu_quota", lambda: allowed)
    assert threads.usable_cores() == processes.usable_cores() == device.usable_cores() == expected
    assert (threads.limit() is None) == (expected == visible)


def test_a_quota_is_told_once_and_set_for_children_unless_the_user_said_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (threads, processes):
        monkeypatch.setattr(module, "visible_cores", lambda: 54)
        monkeypatch.setattr(module, "cpu_quota", lambda: 2.0)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")

    def said() -> str:
        with redirect_stderr(io.StringIO()) as stream, reporting(as_json=True) as report:
            report.advance("work", 1, 1)
        return stream.getvalue()

    set_environment_defaults()
    assert "quota" not in said()
    assert os.environ["OMP_NUM_THREADS"] == "3"
    monkeypatch.delenv("OMP_NUM_THREADS")
    set_environment_defaults()
    set_environment_defaults()
    first = json.loads(said().splitlines()[0])
    assert first["facts"]["note"] == "the CPU quota here is 2 of 54 visible cores: 2 used"
    assert "quota" not in said()
    assert os.environ["OMP_NUM_THREADS"] == "2"
    assert "2 usable cores" in processes.machine()
    assert "quota of 2" in processes.machine()


def test_a_real_quota_is_heard_by_the_libraries_of_a_process_under_it() -> None:
    told = (
        "import os; open({!r}, 'w').write(str(os.getpid())); os.sched_getaffinity = lambda pid: set(range(54))\n"
        "from ganlib.cli.app import set_environment_defaults; set_environment_defaults()\n"
        "from ganlib.core import threads; from ganlib.training.device import prepare; prepare('cpu', 0); import torch\n"
        "print(threads.cpu_quota(), threads.usable_cores(), torch.get_num_threads(), os.environ['OMP_NUM_THREADS'])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    with quota(0.9) as group:
        command = [sys.executable, "-c", told.format(str(group))]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0.9", "1", "1", "1"]
