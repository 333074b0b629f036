"""Start a Prefect flow: ganlib knows no orchestrator, so it becomes ``python -m pipelines.NAME``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from ganlib.core import progress
from ganlib.core.errors import BadInput, unknown

if TYPE_CHECKING:
    from ganlib.jobs.images.generate import GenerateRequest

RUNNERS = ("local", "dask")


def start(
    flow: str, *, families: str | None, budget: str | None, overrides: list[str] | None, as_json: bool
) -> NoReturn:
    """Replace this process by the flow, so that signals, output and exit code are the flow's own."""
    words = [f"--{name}={value}" for name, value in (("families", families), ("budget", budget)) if value]
    _become(flow, words, overrides, as_json=as_json)


def require_runner(runner: str, scheduler: str | None) -> None:
    """Raise :class:`BadInput` unless there is such a runner and it takes a scheduler where one is given."""
    if runner not in RUNNERS:
        raise unknown("runner", runner, RUNNERS)
    if scheduler and runner != "dask":
        raise BadInput(f"--scheduler {scheduler} is for --runner dask.")


def generate(
    model: str,
    order: GenerateRequest,
    scheduler: str | None,
    overrides: list[str] | None,
    *,
    fail_on_drift: bool,
    as_json: bool,
) -> NoReturn:
    """Replace this process by the generate flow over Dask's workers."""
    words = [f"--model={model}", f"--order={order.model_dump_json()}", "--runner=dask"]
    words += [f"--scheduler={scheduler}"] if scheduler else []
    words += ["--fail-on-drift"] if fail_on_drift else []
    _become("generate", words, overrides, as_json=as_json)


def _become(flow: str, words: Sequence[str], overrides: list[str] | None, *, as_json: bool) -> NoReturn:
    command = [sys.executable, "-m", f"pipelines.{flow}", *words]
    command += [f"--set={override}" for override in overrides or []]
    command += ["--json"] if as_json else []
    progress.unwatch()  # the flow goes on with it
    sys.stdout.flush()
    os.execv(sys.executable, command)  # noqa: S606
