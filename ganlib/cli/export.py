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
    check_runtimes: Annotated[
        bool,
        typer.Option(
            "--check-runtimes", help="Hold the images of OpenVINO, IREE, tinygrad, Node and WebGPU against ours."
        ),
    ] = False,
    python: Annotated[
        Path | None,
        typer.Option(help="With --check-runtimes: the interpreter that has those of PyPI; default: this one."),
    ] = None,
    node: Annotated[
        Path | None,
        typer.Option(help="With --check-runtimes: the folder of node_modules; default: the working folder."),
    ] = None,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Write a model's ONNX graph to a file, make its siblings in fewer bits, or try it in other runtimes.

    Siblings of a version become versions that are linked to it; the table shows quality, speed and size of all three.
    --check-runtimes ends with 1 if a runtime that is there draws other images, or none.
    """
    if check_runtimes:
        if siblings or promote or rgb or out:
            raise BadInput(
                "--check-runtimes only looks at a model: ask for a file or siblings in a command of its own."
            )
        _check(model, python, node, overrides, as_json=as_json)
        return
    if python or node:
        raise BadInput("--python and --node say where --check-runtimes finds runtimes.")
    if promote and not siblings:
        raise BadInput("--promote goes with --siblings; a version goes through the gate by: ganlib promote VERSION")
    if rgb and siblings:
        raise BadInput("--rgb is of one file for other tools; siblings are versions: ask for one of them.")
    if siblings:
        _make_siblings(model, out, overrides, put_through=promote, as_json=as_json)
    elif out is None:
        raise BadInput("say where the graph goes (--out FILE), or make its siblings in fp16 and int8 (--siblings).")
    else:
        _write(model, out, overrides, rgb=rgb, as_json=as_json)


def _make_siblings(
    model: str, out: Path | None, overrides: list[str] | None, *, put_through: bool, as_json: bool
) -> None:
    from ganlib.jobs.promotion.siblings import siblings

    folder = output_folder(out) if out else None
    with reporting(as_json=as_json) as report:
        result = siblings(*open_project(overrides), model, out=folder, put_through=put_through, report=report)
    show(result, as_json=as_json, text=result.summary)


def _write(model: str, out: Path, overrides: list[str] | None, *, rgb: bool, as_json: bool) -> None:
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


def _check(model: str, python: Path | None, node: Path | None, overrides: list[str] | None, *, as_json: bool) -> None:
    from ganlib.jobs.measuring import runtimes
    from ganlib.jobs.models import fetch

    source = fetch(*perhaps_project(model, overrides), model)
    with reporting(as_json=as_json) as report:
        result = runtimes.check_runtimes(source.path, source.reference, python=python, node=node, report=report)
    show(result, as_json=as_json, text=result.summary)
    if not result.ok:
        raise typer.Exit(1)
