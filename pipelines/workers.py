"""Shards made by Dask's workers: on this machine, or wherever a scheduler has them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefect import flow

from ganlib.core.errors import BadInput
from ganlib.core.processes import usable_cores
from ganlib.jobs.images.generate import BatchResult, begin, finish
from ganlib.jobs.images.request import GenerateRequest
from pipelines import tasks
from pipelines.progress import reporter

_MOST = 256  # tasks a job: larger ones have neighbouring shards in one task, which keeps those that are whole


def generate(
    root: Path, overrides: list[str], model: str, request: GenerateRequest, scheduler: str | None
) -> BatchResult:
    """Make the batch of ``request`` by the workers of ``scheduler``; None: as many as this machine has cores.

    This process holds the job's lock, and alone writes its manifest. A worker that is killed loses the shard that it
    was at; Dask gives its tasks to another one, and a task that fails is tried again.

    Raises:
        BadInput: the packages for it are not installed.
    """
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError as error:
        raise BadInput(
            f"--runner dask needs packages that are not installed: pip install 'ganlib[dask]' ({error})."
        ) from error
    local: dict[str, Any] = {
        "cluster_kwargs": {
            "n_workers": usable_cores(),
            "threads_per_worker": 1,
            "processes": True,
            "dashboard_address": None,
            "host": "127.0.0.1",
        }
    }
    runner: Any = DaskTaskRunner(address=scheduler) if scheduler else DaskTaskRunner(**local)
    project, params = tasks.opened(str(root), overrides)
    report = reporter()
    with begin(project, params, model, request, report) as batch:
        job, spent = batch.job, 0.0
        if job.missing:
            size = -(-len(job.missing) // _MOST)
            groups = [job.missing[at : at + size] for at in range(0, len(job.missing), size)]
            path, threads = str(batch.source.path), None if scheduler else 1
            spent = shards.with_options(task_runner=runner)(path, asdict(request), groups, threads)
        manifest = job.finish(spent)
    return finish(project, params, request, batch, manifest, report)


@flow(name="generate-shards")
def shards(model: str, request: dict[str, Any], groups: list[list[int]], threads: int | None) -> float:
    """Make groups of shards of a job that has begun, each as a task; the CPU seconds that it took."""
    futures = [tasks.make_shards.submit(model, request, group, threads) for group in groups]
    return sum(future.result() for future in futures)
