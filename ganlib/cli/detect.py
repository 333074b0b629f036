"""``ganlib detect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganlib.cli.app import perhaps_project, reporting, show
from ganlib.cli.batches import output_place
from ganlib.cli.options import Json
from ganlib.core import project as projects
from ganlib.core.errors import BadInput

_INDEX = "detect.db"
Index = Annotated[
    Path | None,
    typer.Option("--index", help="SQLite file of pixels' digests. Default: .ganlib/detect.db of the project."),
]


def detect(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE... | index DIR...", help="Images; after the word index, batches.")
    ],
    index: Index = None,
    model: Annotated[
        str | None, typer.Option("--model", help="A model that may have made them: makes them again and compares.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", min=0, help="With --model: compare with images of this seed [default: only what they say]"
        ),
    ] = None,
    start: Annotated[int, typer.Option("--start", min=0, help="Number of the first of these.")] = 0,
    count: Annotated[int, typer.Option("--count", min=1, help="Number of images of that seed to compare with.")] = 1000,
    as_json: Json = False,
) -> None:
    """Say of images whether they were made here: by their marks, by their pixels, or by making them again.

    `ganlib detect index DIR...` takes finished batches in, so that their images are found by their pixels. Exit code 1
    if a file cannot be read.
    """
    from ganlib.generation.detection import index as indexes
    from ganlib.jobs.images.detect import detect as job

    if seed is not None and model is None:
        raise BadInput("--seed is of a model's images: name it with --model.")
    if files[0] == "index":
        if len(files) == 1:
            raise BadInput("which batches? ganlib detect index DIR...")
        with reporting(as_json=as_json) as report:
            result = indexes.update(_place(index), [output_place(each) for each in files[1:]], report)
        show(result, as_json=as_json, text=result.summary)
        return
    project, params = perhaps_project(model) if model else (None, None)
    with reporting(as_json=as_json) as report:
        answers = job(
            project, params, [Path(each) for each in files], index=index_to_read(index),
            model=model, seed=seed, start=start, count=count, report=report,
        )  # fmt: skip
    show(answers, as_json=as_json, text=answers.summary)
    raise typer.Exit(0 if answers.ok else 1)


def index_to_read(index: Path | None) -> Path | None:
    """Return the index that was named, or the default one if it is there."""
    place = _place(index)
    return place if index or place.exists() else None


def _place(index: Path | None) -> Path:
    """Where the index is: what was named, or the project's; outside of projects the working folder's."""
    if index:
        return index
    try:
        return projects.find().state / _INDEX
    except BadInput:
        return Path(_INDEX)
