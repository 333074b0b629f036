"""``ganlib metrics``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganlib.cli.app import open_project, output_file, say, show
from ganlib.cli.options import Json, Set
from ganlib.core.errors import BadInput


def metrics(
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Serve them there, as they are whenever they are asked for; default: no."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write them to this file, FILE.prom, for node_exporter; default: standard output."),
    ] = None,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Tell Prometheus of flows, gate, champion, ledger, batches and costs: print, write or serve its text format."""
    if listen and out:
        raise BadInput("--listen serves the metrics and --out writes them: choose one.")
    project, params = open_project(overrides)
    from ganlib.jobs.observation import exposition

    if listen:
        exposition.serve(
            project,
            params,
            listen,
            lambda url: show({"url": url}, as_json=as_json, text=lambda: f"metrics: {url} (end with Ctrl-C)"),
        )
    elif out:
        place = output_file(out)
        exposition.write(project, params, place)
        show({"path": str(place)}, as_json=as_json, text=lambda: f"metrics -> {place}")
    elif as_json:
        show({"text": exposition.text(project, params)}, as_json=True, text=str)
    else:
        say(exposition.text(project, params).rstrip())
