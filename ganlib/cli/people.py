"""Commands about what people decide, and about where things come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganlib.cli.app import Json, Set, open_project, perhaps_project, show
from ganlib.core.errors import BadInput


def reconcile(overrides: Set = None, as_json: Json = False) -> None:
    """Record and answer what people did in MLflow's page: the alias champion, the tag approve, a deleted champion.

    Exit code 1 if a consumer should know: a champion was reverted or fell back, or an approval was refused.
    """
    project, params = open_project(overrides)
    from ganlib.jobs.promotion.reconcile import reconcile as job

    done = job(project, params)
    show(done, as_json=as_json, text=done.summary)
    raise typer.Exit(0 if done.ok else 1)


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
