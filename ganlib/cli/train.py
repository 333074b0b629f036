"""``ganlib train``."""

from __future__ import annotations

from typing import Annotated

import typer

from ganlib.cli.app import open_project, reporting, show
from ganlib.cli.options import Budget, From, Json, Set


def train(
    family: Annotated[str, typer.Argument(help="A name that `ganlib families` lists.")],
    budget: Budget = None,
    resume: Annotated[str | None, typer.Option(metavar="RUN_ID", help="Go on with an interrupted run.")] = None,
    init: Annotated[
        str | None,
        typer.Option(
            "--init",
            metavar="MODEL",
            help="Begin from the weights of this model, of the same family and image shape; default: {train.init}.",
        ),
    ] = None,
    source: From = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N; default: {train.device}.")] = None,
    allow_cpu: Annotated[
        bool, typer.Option("--allow-cpu", help="Where CUDA is asked for and there is none, train on the CPU.")
    ] = False,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Train one family and export its generator to ONNX, as one MLflow run.

    Under `torchrun --nproc-per-node N -m ganlib train ...` the processes share every batch.
    """
    from ganlib import families as zoo

    zoo.require(family)
    overrides = [
        *(overrides or []),
        *([f"train.device={device}"] if device else []),
        *([f"train.init={init}"] if init else []),
        *(["train.allow_cpu=true"] if allow_cpu else []),
    ]
    project, params = open_project(overrides)
    params.require_budget(budget)
    from ganlib.jobs.training import child

    child.watch_lifeline()
    from ganlib.jobs.training.parent import bring_images_for
    from ganlib.jobs.training.train import follow, follows
    from ganlib.jobs.training.train import train as job

    if follows():
        follow(project, params, family, budget=budget, resume=resume)
        return
    with reporting(as_json=as_json) as report:
        if source:
            reference = bring_images_for(project, params, source, report)
            overrides += [f"train.init={reference}"] if reference else []
            project, params = open_project(overrides)
        result = job(project, params, family, budget=budget, resume=resume, overrides=overrides, report=report)
    show(
        result,
        as_json=as_json,
        text=lambda: (
            f"run {result.run_id}: {family}, {result.steps:,} steps in {result.seconds:.0f} s -> {result.onnx}\n"
            f"next: ganlib evaluate runs:/{result.run_id}"
        ),
    )
