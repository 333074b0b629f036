"""Start a Prefect flow: ganlib knows no orchestrator, so it becomes ``python -m pipelines NAME``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NoReturn

from ganlib.cli.options import words
from ganlib.core import progress
from ganlib.core.errors import BadInput, unknown
from ganlib.jobs.images.request import GenerateRequest

RUNNERS = ("local", "dask")


def start(
    flow: str,
    *,
    families: str | None,
    budget: str | None,
    overrides: list[str] | None,
    as_json: bool,
    causes: Sequence[str] = (),
) -> NoReturn:
    """Replace this process by the flow, so that signals, output and exit code are the flow's own."""
    options = [f"--{name}={value}" for name, value in (("families", families), ("budget", budget)) if value]
    options += [f"--cause={cause}" for cause in causes]
    _become(flow, options, overrides, as_json=as_json)


@dataclass(frozen=True)
class RunOptions:
    """Who makes the shards of a batch, and what becomes of one that drifts. The notes are the options' help."""

    fail_on_drift: Annotated[bool, "Fail, with exit code 1, if the judge says that the batch drifts."] = False
    runner: Annotated[str, "local, or dask: the generate flow over Dask's workers."] = "local"
    scheduler: Annotated[str | None, "For dask: tcp://HOST:PORT; default: workers on this machine."] = None

    def require(self) -> None:
        """Raise :class:`BadInput` unless there is such a runner and it takes a scheduler where one is given."""
        if self.runner not in RUNNERS:
            raise unknown("runner", self.runner, RUNNERS)
        if self.scheduler and self.runner != "dask":
            raise BadInput(f"--scheduler {self.scheduler} is for --runner dask.")


def generate(
    model: str, request: GenerateRequest, run: RunOptions, overrides: list[str] | None, *, as_json: bool
) -> NoReturn:
    """Replace this process by the generate flow."""
    _become("generate", [f"--model={model}", *words(request), *words(run)], overrides, as_json=as_json)


def _become(flow: str, options: Sequence[str], overrides: list[str] | None, *, as_json: bool) -> NoReturn:
    command = [sys.executable, "-m", "pipelines", flow, *options]
    command += [f"--set={override}" for override in overrides or []]
    command += ["--json"] if as_json else []
    progress.unwatch()  # the flow goes on with it
    sys.stdout.flush()
    os.execv(sys.executable, command)  # noqa: S606
