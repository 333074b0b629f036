"""``ganlib explain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganlib.cli.app import perhaps_project, show
from ganlib.cli.options import Json
from ganlib.core.errors import BadInput


def explain(
    reference: Annotated[
        str, typer.Argument(metavar="IMAGE_OR_MODEL", help="A PNG or folder of `ganlib generate`, or any model.")
    ],
    as_json: Json = False,
) -> None:
    """Say where an image or a model comes from: manifest, model, version, run, source, data, and who promoted it.

    Exit code 1 if two links contradict each other.
    """
    if not reference.strip():
        raise BadInput(f"{reference!r} names neither an image nor a model.")
    is_file = Path(reference).suffix in (".png", ".onnx") or Path(reference).is_dir()
    project, params = perhaps_project(None if is_file else reference)
    from ganlib.jobs.promotion.explain import explain as job

    origin = job(project, params, reference)
    show(origin, as_json=as_json, text=origin.summary)
    raise typer.Exit(0 if origin.consistent else 1)
