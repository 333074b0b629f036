"""``ganlib explain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganlib.cli.app import perhaps_project, show
from ganlib.cli.options import Json
from ganlib.core.errors import BadInput


def explain(
    asked: Annotated[
        str, typer.Argument(metavar="IMAGE_OR_MODEL", help="A PNG or folder of `ganlib generate`, or any model.")
    ],
    as_json: Json = False,
) -> None:
    """Say where an image or a model comes from: manifest, model, version, run, source, data, and who promoted it.

    Exit code 1 if two links contradict each other.
    """
    if not asked.strip():
        raise BadInput(f"{asked!r} names neither an image nor a model.")
    is_file = Path(asked).suffix in (".png", ".onnx") or Path(asked).is_dir()
    project, params = perhaps_project(None if is_file else asked)
    from ganlib.jobs.promotion.explain import explain as job

    found = job(project, params, asked)
    show(found, as_json=as_json, text=found.summary)
    raise typer.Exit(0 if found.consistent else 1)
