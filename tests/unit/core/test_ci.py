"""`.ci/run` installs what the tests need where it may, goes on where it cannot, and uses people's words."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.conftest import ROOT


def program(folder: Path, name: str, body: str) -> None:
    """A program that writes down how it was called, then does ``body``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "{name} $*" >> "$CALLS"\n{body}\n')
    path.chmod(0o755)


def ci(folder: Path, *, user: int = 0, apt: str = "exit 0", there: tuple[str, ...] = (), pip: int = 0) -> list[str]:
    """What is called on a machine where only ``there`` is found of what is looked for."""
    (folder / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci" / "run")
    tools, calls = folder / "bin", folder / "calls"
    for name in ("bash", "dirname", "env"):
        tools.mkdir(exist_ok=True)
        (tools / name).symlink_to(str(shutil.which(name)))
    program(tools, "id", f"echo {user}")
    program(tools, "apt-get", apt)
    program(tools, "make", "exit 0")
    for name in there:
        program(tools, name, "exit 0")
    program(folder / ".venv" / "bin", "python", f"[ $1 = -m ] && exit {pip}; exit 1")
    done = subprocess.run(
        [str(folder / ".ci" / "run")],
        env={"PATH": str(tools), "CALLS": str(calls)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [line for line in calls.read_text().splitlines() if not line.startswith("id")]


def test_root_has_what_is_missing_and_only_that_before_the_words(tmp_path: Path) -> None:
    calls = ci(tmp_path, there=("java", "g++"))
    installed = [call.split()[-1] for call in calls if " install --no" in call]
    assert set(installed) - {"postgresql"} == {"chromium", "faketime", "libimage-exiftool-perl", "nginx", "prometheus"}
    assert calls[0] == "apt-get -qq update"
    words = [call for call in calls if call.startswith("make")]
    assert words == [f"make {word}" for word in ("install", "tools", "lint", "types", "site", "test")]
    assert calls.index("make install") < next(at for at, call in enumerate(calls) if "pyspark" in call and "-m" in call)


def test_what_cannot_be_installed_stops_nothing(tmp_path: Path) -> None:
    assert ci(tmp_path, apt="exit 100", pip=1)[-3:] == ["make types", "make site", "make test"]


def test_who_is_not_root_installs_nothing_in_the_system(tmp_path: Path) -> None:
    assert not [call for call in ci(tmp_path, user=1000) if call.startswith("apt-get")]


def test_it_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
