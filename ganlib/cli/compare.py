"""``ganlib compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganlib.cli.app import open_project, output_folder, reporting, show
from ganlib.cli.options import Json, Set


def compare(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="Families (the newest finished run of each), models:/NAME@ALIAS, runs:/ID, pretrained:NAME, files.",
        ),
    ],
    train: Annotated[bool, typer.Option("--train", help="Train the families first; goes on after a stop.")] = False,
    jobs: Annotated[
        int,
        typer.Option(min=1, help="Trainings at once (--train), each a process with its share of cores, on one GPU."),
    ] = 1,
    budget: Annotated[
        str | None,
        typer.Option(
            help="With --train, how long ({budgets}; default: {train.budget}); else: take runs of this budget alone."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for table.json, table.md, quality.png and sheet.png.")
    ] = None,
    record: Annotated[
        bool,
        typer.Option("--record", help="Write what `ganlib families` shows of them; budget standard, or --budget best."),
    ] = False,
    hardware: Annotated[
        str | None, typer.Option(help="With --record: what they were trained on, in words; default: from the runs.")
    ] = None,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """One table of several models: quality, speed, size, training; logged to MLflow as a run of its own.

    Evaluations that a run already has, of the same judge, data version, number and seed, are taken as they are.
    """
    project, params = open_project(overrides)
    from ganlib.jobs.measuring.compare import compare as job
    from ganlib.jobs.measuring.comparison import text

    with reporting(as_json=as_json) as report:
        result = job(
            project, params, names, train=train, jobs=jobs, budget=budget, out=output_folder(out) if out else None,
            record=record, hardware=hardware, overrides=overrides or [], report=report,
        )  # fmt: skip
    show(result, as_json=as_json, text=lambda: text(result))
