"""``ganlib retrain``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from ganlib.cli.app import open_project, reporting, show
from ganlib.cli.options import Budget, Json, Set
from ganlib.core.errors import BadInput

if TYPE_CHECKING:
    from ganlib.config import Params
    from ganlib.core.project import Project

Causes = Annotated[
    list[str] | None,
    typer.Option(
        "--cause",
        metavar="NAME",
        help="With --plan or --go: a cause that you have seen, as drift or 'drift: 3 of 10 batches' (repeatable).",
    ),
]
DataVersions = Annotated[
    str | None,
    typer.Option(
        "--data-versions",
        metavar="A..B",
        help="Retrain on each of these data versions (beginnings of their md5; A.. and ..B are open), with no Prefect; "
        "default: on the present one. With --plan: list them.",
    ),
]


def retrain(
    families: Annotated[
        str | None, typer.Option(help="Names, comma-separated; auto: all that fit the data; default: {train.families}.")
    ] = None,
    budget: Budget = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what would be retrained now, why, and about how long; change nothing.")
    ] = False,
    go: Annotated[
        bool, typer.Option("--go", help="Retrain if there is a cause, as --plan says it; else say that there is none.")
    ] = False,
    cause: Causes = None,
    data_versions: DataVersions = None,
    library: Annotated[bool, typer.Option("--no-prefect", help="As plain library calls, with no Prefect.")] = False,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Data version, training of the families side by side, evaluation, export, registration, gate: the retrain flow."""
    if data_versions is not None and (go or cause):
        raise BadInput("--data-versions has a cause of its own: leave --go and --cause out.")
    if plan and go:
        raise BadInput("--plan only says what would be done, and --go does it: say one of them.")
    if cause and not (plan or go):
        raise BadInput("--cause is for --plan and --go; without them a retraining is yours, and always begun.")
    project, params = open_project(overrides)
    from ganlib.cli.flows import start
    from ganlib.families import require_all

    names = (
        params.train.families if families is None else [name.strip() for name in families.split(",") if name.strip()]
    )
    selection = require_all(names)
    params.require_budget(budget)
    if data_versions is not None:
        _backfill(project, params, data_versions, selection, budget, overrides or [], dry_run=plan, as_json=as_json)
    reasons: list[str] = []
    if plan or go:
        from ganlib.jobs.triggers.look import parse
        from ganlib.jobs.triggers.plan import plan as look_ahead

        ahead = look_ahead(project, params, families=selection, budget=budget, others=parse(cause or ()))
        if plan or not ahead.due:
            show(ahead, as_json=as_json, text=lambda: ahead.summary)
            return
        reasons = [str(each) for each in ahead.causes]
    options: dict[str, Any] = {"families": selection, "budget": budget, "overrides": overrides or []}
    if library:
        _as_library(project, params, reasons if go else None, options, as_json=as_json)
    else:
        start("retrain", **{**options, "families": ",".join(selection)}, causes=reasons, as_json=as_json)


def _backfill(
    project: Project,
    params: Params,
    span: str,
    families: Sequence[str],
    budget: str | None,
    overrides: list[str],
    *,
    dry_run: bool,
    as_json: bool,
) -> NoReturn:
    """Retrain on earlier data versions; exit code 1 if one of them failed."""
    from ganlib.jobs.triggers.backfill import backfill

    with reporting(as_json=as_json) as report:
        done = backfill(
            project, params, span, families=families, budget=budget, overrides=overrides, dry_run=dry_run, report=report
        )
    show(done, as_json=as_json, text=lambda: done.summary)
    raise typer.Exit(1 if any(row.failed for row in done.rows) else 0)


def _as_library(
    project: Project, params: Params, reasons: list[str] | None, options: dict[str, Any], *, as_json: bool
) -> None:
    """Retrain in this process for ``reasons``; None: a person asks for it."""
    from ganlib.jobs.triggers.look import parse
    from ganlib.jobs.triggers.run import retrain_by_hand, retrain_for_causes

    with reporting(as_json=as_json) as report:
        if reasons is None:
            result = retrain_by_hand(project, params, report=report, **options)
            show(result, as_json=as_json, text=result.decision.summary)
        else:
            done = retrain_for_causes(project, params, others=parse(reasons), report=report, **options)
            show(done, as_json=as_json, text=lambda: done.summary)
