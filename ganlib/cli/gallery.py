"""``ganlib gallery``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganlib.cli.app import open_project, output_folder, reporting, show
from ganlib.cli.options import Json, RegisteredModel, Set


def gallery(
    out: Annotated[Path, typer.Option(help="The folder: absent, empty, or a gallery, which is replaced.")],
    model: RegisteredModel = None,
    versions: Annotated[
        int,
        typer.Option(min=1, help="How many of the newest versions to show, besides those that are or were champion."),
    ] = 50,
    onnxruntime_web: Annotated[
        Path | None,
        typer.Option(
            "--onnxruntime-web",
            metavar="PLACE",
            help="The npm package onnxruntime-web, as a .tgz or unpacked, where there is no network to fetch it from.",
        ),
    ] = None,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Write a folder of static pages for any web server: versions, images, curves, decisions, and the champion at work.

    The champion runs in the visitor's browser. Nothing is asked of any other host.
    """
    place = output_folder(out)
    project, params = open_project(overrides)
    from ganlib.jobs.gallery.build import gallery as job

    with reporting(as_json=as_json) as report:
        result = job(
            project, params, place, model=model, versions=versions, onnxruntime_web=onnxruntime_web, report=report
        )
    show(result, as_json=as_json, text=result.summary)
