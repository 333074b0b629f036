"""The flow `promote`: a version through the gate."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from prefect import flow

from ganlib.cli.app import show
from ganlib.cli.options import Json
from ganlib.core import project as projects
from ganlib.registry.gate import Decision
from pipelines import artifacts, names, tasks
from pipelines.launch import launch, sign


@flow(
    name="promote", flow_run_name=names.naming(lambda parameters: f"promote {parameters['version']}"), on_running=[sign]
)
def promote(version: str = "challenger", dry_run: bool = False) -> dict[str, Any]:
    """Put ``version`` through the gate against the champion.

    Args:
        version: a number, an alias, or a models:/ URI.
        dry_run: decide and explain; change nothing.
    """
    decision = tasks.promote(str(projects.find().root), [], version, dry_run=dry_run)
    artifacts.gate(decision)
    outcome = "dry run" if dry_run else Decision.model_validate(decision).outcome
    names.rename(f"promote version {decision['challenger']}: {outcome}")
    return decision


def command(
    version: Annotated[str, typer.Argument()] = "challenger",
    dry_run: Annotated[bool, typer.Option("--dry-run")] = False,
    as_json: Json = False,
) -> None:
    """Put a version through the gate as a Prefect flow; exit code 1 if it is refused."""
    decision = launch(promote, as_json=as_json, version=version, dry_run=dry_run)
    show(decision, as_json=as_json, text=Decision.model_validate(decision).summary)
    raise typer.Exit(0 if decision["promoted"] else 1)
