"""Where things are: the project's root, its state folder, and what git says of the source."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ganlib.core.errors import BadInput


class NoProject(BadInput):
    """There is no project around the working folder."""


@dataclass(frozen=True)
class Project:
    """A checkout with a ``params.yaml``. All paths are absolute."""

    root: Path

    @property
    def params_file(self) -> Path:
        """The one source of configuration."""
        return self.root / "params.yaml"

    @property
    def state(self) -> Path:
        """Everything made at run time that is not MLflow's: checkpoints, caches, Prefect's database, locks."""
        return self.root / ".ganlib"

    @property
    def database(self) -> str:
        """URI of MLflow's database where there is no server."""
        return f"sqlite:///{self.root / 'mlflow.db'}"

    @property
    def artifacts(self) -> str:
        """URI of the folder that MLflow's artifacts go to where no server has a say."""
        return (self.root / "mlruns").as_uri()

    def run_folder(self, run_id: str) -> Path:
        """Return where the checkpoint and the graph of a run are kept on this machine."""
        return self.state / "runs" / run_id

    @property
    def raw(self) -> Path:
        """The four IDX files, output of the DVC stage ``fetch``."""
        return self.root / "data" / "raw"

    @property
    def prepared(self) -> Path:
        """The splits, output of the DVC stage ``prepare``."""
        return self.root / "data" / "prepared"

    def began(self, service: Mapping[str, object]) -> bool:
        """Return whether ``service``, as `make up` wrote it down, was started in this folder.

        A copy of a folder has the original's record, and must leave the original's servers alone; a server from before
        a move looks for its files where they were.
        """
        return service.get("root", str(self.root)) == str(self.root)


def find(start: Path | None = None) -> Project:
    """Return the project around ``start`` (default: $GANLIB_ROOT, else the working folder), looking upwards.

    Raises:
        NoProject: no ``params.yaml`` in that folder or any above it.
    """
    here = (start or Path(os.environ.get("GANLIB_ROOT", "."))).resolve()
    for folder in (here, *here.parents):
        if (folder / "params.yaml").is_file():
            return Project(folder)
    raise NoProject(f"no params.yaml in {here} or above it: run ganlib inside a checkout, or set GANLIB_ROOT.")


@dataclass(frozen=True)
class SourceRevision:
    """The state of the source tree: ``commit`` is None where git knows nothing of the folder."""

    commit: str | None
    dirty: bool


def source(root: Path) -> SourceRevision:
    """Ask git for the commit of ``root`` and whether tracked files differ from it (untracked ones do not count)."""

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(root), *words], capture_output=True, text=True, timeout=30, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    return SourceRevision(commit, bool(git("status", "--porcelain", "--untracked-files=no")) if commit else False)
