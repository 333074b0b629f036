"""The gallery that `make up` keeps: built anew, in a process of its own, when the champion is another."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ganlib.config import Params
from ganlib.core.project import Project
from ganlib.registry.champion import Champion
from ganlib.registry.registry import Registry
from ganlib.tracking.store import Absent, connect

_SECONDS = 1800


def build(project: Project, folder: Path) -> str:
    """Run `ganlib gallery`; why it failed, in a line, or nothing."""
    command = [sys.executable, "-m", "ganlib", "gallery", "--out", str(folder)]
    try:
        done = subprocess.run(
            command, cwd=project.root, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"it took more than {_SECONDS} s"
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""


class GalleryWatch:
    """Compares the champion with the one that the gallery was built for last."""

    def __init__(self, project: Project, params: Params, run: Callable[[Project, Path], str] = build) -> None:
        """Nothing is asked of MLflow yet; ``run`` builds the gallery, and returns why it could not."""
        self._project, self._params, self._run = project, params, run
        self._sha256: str | None = None

    def look(self) -> None:
        """Build the gallery of ``services.gallery``, if one is set, for a champion that it was not built for.

        What hinders it is logged, and tried again when the champion changes, or `make up` starts.

        Raises:
            Unavailable: MLflow does not answer.
        """
        name = self._params.services.gallery
        if name is None:
            return
        registry = Registry(connect(self._project), self._params.registry.model)
        try:
            champion = Champion(registry, self._params).choose().version
        except Absent:  # until there is one, there is nothing to show
            return
        if champion.sha256 == self._sha256:
            return
        problem = self._run(self._project, self._project.root / Path(name).expanduser())
        self._sha256 = champion.sha256
        if problem:
            logging.getLogger(__name__).warning("the gallery was not built: %s", problem)
