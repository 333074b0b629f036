"""``ganlib export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganlib.cli.app import open_project, output_file, output_folder, perhaps_project, reporting, show
from ganlib.cli.options import Json, ModelArgument, Set
from ganlib.core.errors import BadInput


def export(
    model: ModelArgument,
    siblings: Annotated[
        bool, typer.Option("--siblings", help="Make it in fp16 and int8, measure both, ask the gate about both.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; with --siblings, a folder for both files.")
    ] = None,
    rgb: Annotated[
        bool, typer.Option("--rgb", help="In three channels, grey repeated: for tools that take no other.")
    ] = False,
    promote: Annotated[
        bool,
        typer.Option("--promote", help="With --siblings: let the gate decide on both, not only say what it would."),
    ] = False,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Write a model's ONNX graph to a file, or make its siblings in fewer bits.

    Siblings of a version become versions that are linked to it; the table shows quality, speed and size of all three.
    """
    if promote and not siblings:
        raise BadInput("--promote goes with --siblings; a version goes through the gate by: ganlib promote VERSION")
    if rgb and siblings:
        raise BadInput("--rgb is of one file for other tools; siblings are versions: ask for one of them.")
    if siblings:
        from ganlib.jobs.promotion.siblings import siblings as job

        with reporting(as_json=as_json) as report:
            result = job(
                *open_project(overrides),
                model,
                out=output_folder(out) if out else None,
                put_through=promote,
                report=report,
            )
        show(result, as_json=as_json, text=result.summary)
        return
    if out is None:
        raise BadInput("say where the graph goes (--out FILE), or make its siblings in fp16 and int8 (--siblings).")
    from ganlib.core.files import sha256_bytes, write_bytes
    from ganlib.export import rgb as colour
    from ganlib.export.contract import describe
    from ganlib.jobs.models import fetch

    path = output_file(out)
    source = fetch(*perhaps_project(model, overrides), model)
    content = source.path.read_bytes()
    describe(content, str(source.path))  # what is no model of ours is not handed on as one
    graph = colour.rgb(content, str(source.path)) if rgb else content
    write_bytes(path, graph)
    sha256 = sha256_bytes(graph)
    show(
        {"path": str(path), "sha256": sha256},
        as_json=as_json,
        text=lambda: f"{source.reference} -> {path} (sha256 {sha256})",
    )
