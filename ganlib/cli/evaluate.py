"""``ganlib evaluate``."""

from __future__ import annotations

from typing import Annotated

import typer

from ganlib.cli.app import open_project, reporting, show
from ganlib.cli.options import Json, ModelArgument, Set


def evaluate(
    model: ModelArgument,
    record: Annotated[
        bool, typer.Option("--record", help="Put the figures in place of the version's evidence, for the gate.")
    ] = False,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Measure a model's ONNX file: quality beside real images' own, memorisation, size, speed, parity."""
    project, params = open_project(overrides)
    from ganlib.evaluation import table
    from ganlib.jobs.measuring.evaluate import evaluate as job

    with reporting(as_json=as_json) as report:
        result = job(project, params, model, record=record, report=report)
    show(result, as_json=as_json, text=lambda: table.text(result))
