"""``ganlib verify``."""

from __future__ import annotations

from typing import Annotated

import typer

from ganlib.cli.app import reporting, show
from ganlib.cli.batches import output_place
from ganlib.cli.options import Json


def verify(
    folder: Annotated[str, typer.Argument(help="A folder or s3:// place that `ganlib generate` filled.")],
    as_json: Json = False,
) -> None:
    """Check generated images against their manifest: missing, altered, truncated, extra."""
    from ganlib.generation.batch.batch import verify as job

    with reporting(as_json=as_json) as report:
        result = job(output_place(folder), report=report)
    show(result, as_json=as_json, text=result.summary)
    raise typer.Exit(0 if result.ok else 1)
