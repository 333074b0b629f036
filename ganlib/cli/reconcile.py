"""``ganlib reconcile``."""

from __future__ import annotations

import typer

from ganlib.cli.app import open_project, show
from ganlib.cli.options import Json, Set


def reconcile(overrides: Set = None, as_json: Json = False) -> None:
    """Record and answer what people did in MLflow's page: the alias champion, the tag approve, a deleted champion.

    Exit code 1 if a consumer should know: a champion was reverted or fell back, or an approval was refused.
    """
    project, params = open_project(overrides)
    from ganlib.jobs.promotion.reconcile import reconcile as job

    done = job(project, params)
    show(done, as_json=as_json, text=done.summary)
    raise typer.Exit(0 if done.ok else 1)
