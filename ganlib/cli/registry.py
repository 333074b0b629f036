"""``ganlib registry``: read the registered model's versions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganlib.cli.app import Json, open_project, output_path, show

if TYPE_CHECKING:
    from ganlib.registry.versions import Registry, Version

app = typer.Typer(no_args_is_help=True)

Reference = Annotated[
    str, typer.Argument(help="A version number, an alias, models:/NAME@ALIAS or models:/NAME/VERSION.")
]


@app.command("list")
def list_versions(as_json: Json = False) -> None:
    """List all versions, newest first, with aliases, family, FID and sha256."""
    rows = _registry().versions()
    shown = [row.model_dump(mode="json", exclude={"evaluation", "certificate", "contract"}) for row in rows]
    show(shown, as_json=as_json, text=lambda: _table(rows))


@app.command("show")
def show_version(reference: Reference, as_json: Json = False) -> None:
    """Show one version with its evidence."""
    version = _registry().resolve(reference)
    show(version, as_json=as_json, text=lambda: _describe(version))


@app.command()
def download(
    reference: Reference,
    out: Annotated[Path, typer.Option(help="The file to write.")],
    as_json: Json = False,
) -> None:
    """Copy a version's ONNX graph to a file, once its bytes are those that were registered."""
    registry = _registry()
    version = registry.resolve(reference)
    path = registry.download(version, output_path(out))
    show(
        {"path": str(path), "version": version.version, "sha256": version.sha256},
        as_json=as_json,
        text=lambda: f"version {version.version} ({version.family}) -> {path}",
    )


def _registry() -> Registry:
    project, params = open_project()
    from ganlib.registry.versions import Registry
    from ganlib.tracking.store import connect

    return Registry(connect(project), params.registry.model)


def _table(rows: list[Version]) -> str:
    if not rows:
        return "nothing is registered yet; train and register with: ganlib retrain"
    head = f"{'version':>7}  {'family':10} {'FID':>8}  {'aliases':24} {'created':25} sha256"
    lines = [
        f"{row.version:>7}  {row.family or '?':10} {'?' if row.fid is None else f'{row.fid:.2f}':>8}  "
        f"{', '.join(row.aliases):24} {row.created:25} {(row.sha256 or '?')[:12]}"
        for row in rows
    ]
    return "\n".join([head, *lines])


def _describe(version: Version) -> str:
    evidence = version.evaluation.summary() if version.evaluation else "no evaluation: not registered by ganlib"
    return (
        f"{version.uri}  {version.family}  aliases: {', '.join(version.aliases) or 'none'}\n"
        f"sha256 {version.sha256}\nrun {version.run_id}  data {version.data_version}\n"
        f"created {version.created}\n{evidence}"
    )
