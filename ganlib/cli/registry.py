"""``ganlib registry``: read the registered model's versions and the ledger of decisions about them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganlib.cli.app import Json, Set, open_project, output_file, output_path, reporting, show
from ganlib.cli.help import Verbs
from ganlib.errors import BadInput

if TYPE_CHECKING:
    from ganlib.registry.ledger import Entry
    from ganlib.registry.ledger_store import Ledger
    from ganlib.registry.versions import Registry, Version

app = Verbs(no_args_is_help=True)

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


@app.command("diff")
def diff_versions(
    a: Reference,
    b: Reference,
    out: Annotated[Path | None, typer.Option(help="PNG: images of a on the left, of b on the right.")] = None,
    seed: Annotated[int, typer.Option(help="A number that the images' noise is drawn by.")] = 0,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Compare two versions: images of the same noise, figures with intervals, options, data, size, speed."""
    project, params = open_project(overrides)
    from ganlib.jobs.diff import diff as job

    with reporting(as_json=as_json) as report:
        found = job(project, params, a, b, out=output_file(out) if out else None, seed=seed, report=report)
    show(found, as_json=as_json, text=found.summary)


@app.command()
def download(
    reference: Reference,
    out: Annotated[Path, typer.Option(help="The file to write.")],
    as_json: Json = False,
) -> None:
    """Copy a version's ONNX graph to a file, once its bytes are those that were registered."""
    place, registry = output_file(out), _registry()
    version = registry.resolve(reference)
    path = registry.download(version, place)
    show(
        {"path": str(path), "version": version.version, "sha256": version.sha256},
        as_json=as_json,
        text=lambda: f"version {version.version} ({version.family}) -> {path}",
    )


@app.command()
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report only; remove nothing.")] = False,
    keep: Annotated[int, typer.Option(min=0, help="How many of the newest versions stay in any case.")] = 5,
    manifests: Annotated[
        list[Path] | None,
        typer.Option(help="Folders to look for generated images in, whose models stay (repeatable); default: project."),
    ] = None,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Remove versions that nothing refers to, with their models' files; report files that nobody refers to.

    Never removed: what has an alias, was champion, waits for a person, is in an A/B test, has siblings, or made images
    whose manifest is found.
    """
    project, params = open_project(overrides)
    from ganlib.jobs.prune import prune as job

    folders = [output_path(folder) for folder in manifests or []]
    if missing := [str(folder) for folder in folders if not folder.is_dir()]:
        raise BadInput(f"--manifests {missing[0]}: there is no such folder. Nothing was removed.")
    done = job(project, params, folders=folders, keep=keep, dry_run=dry_run)
    show(done, as_json=as_json, text=done.summary)


@app.command()
def history(as_json: Json = False) -> None:
    """List all decisions: promoted, refused, rolled back, and champions set outside of ganlib."""
    entries = _ledger().read().entries()
    shown = [entry.model_dump(mode="json") for entry in entries]
    show(shown, as_json=as_json, text=lambda: "\n".join(map(_entry_line, entries)) or "nothing was decided yet")


@app.command("verify")
def verify_ledger(as_json: Json = False) -> None:
    """Check the chain of decisions; exit code 1 names every entry that was changed, removed, reordered or replaced."""
    book = _ledger().read()
    problems = book.problems()
    entries = book.entries()
    shown = {
        "ok": not problems,
        "entries": len(entries),
        "last": book.last,
        "sha256": entries[-1].sha256 if entries else None,
        "problems": [problem.model_dump(mode="json") for problem in problems],
    }
    good = f"the ledger is whole: {len(entries)} entries, the last with sha256 {shown['sha256']}"
    bad = "\n".join(f"entry {problem.seq} {problem.what}" for problem in problems)
    show(shown, as_json=as_json, text=lambda: bad or good)
    raise typer.Exit(1 if problems else 0)


@app.command("who-was-champion")
def who_was_champion(
    at: Annotated[str, typer.Option(help="ISO 8601, such as 2026-01-31T09:30; UTC unless it names an offset.")],
    as_json: Json = False,
) -> None:
    """Name the champion at a time, and the decision that made it champion."""
    from ganlib.registry.ledger import champion_at, moment

    when = moment(at)
    reign = champion_at(_ledger().read(), when)
    since = f"since\n{_entry_line(reign.since)}" if reign.since else "nothing was recorded before"
    champion = f"version {reign.champion} was champion" if reign.champion else "there was no champion"
    show(reign, as_json=as_json, text=lambda: f"at {reign.at} {champion}; {since}")


def _ledger() -> Ledger:
    registry = _registry()
    from ganlib.registry.ledger_store import Ledger

    return Ledger(registry.store, registry.name)


def _entry_line(entry: Entry) -> str:
    move = f"{entry.from_version or 'none'} -> {entry.to_version or 'none'}"
    if entry.kind in ("refused", "awaiting"):
        move = f"{entry.to_version} against {entry.from_version or 'none'}"
    return f"{entry.seq:>4}  {entry.time}  {entry.kind:11}  {move:14}  {entry.who}: {entry.reason}"


def _registry() -> Registry:
    project, params = open_project()
    from ganlib.registry.versions import Registry
    from ganlib.tracking.reap import open_store

    return Registry(open_store(project), params.registry.model)


def _table(rows: list[Version]) -> str:
    if not rows:
        return "nothing is registered yet; train and register with: ganlib retrain"
    head = f"{'version':>7}  {'family':10} {'FID':>8}  {'aliases':24} {'created':25} sha256"
    lines = [
        f"{row.version:>7}  {_kind(row):10} {'?' if row.fid is None else f'{row.fid:.2f}':>8}  "
        f"{', '.join(row.aliases):24} {row.created:25} {(row.sha256 or '?')[:12]}"
        for row in rows
    ]
    return "\n".join([head, *lines])


def _kind(version: Version) -> str:
    return f"{version.family or '?'}{f' {version.precision}' if version.precision else ''}"


def _describe(version: Version) -> str:
    evidence = version.evaluation.summary() if version.evaluation else "no evaluation: not registered by ganlib"
    sibling = f"sibling of version {version.sibling_of}\n" if version.sibling_of else ""
    return (
        f"{version.uri}  {_kind(version)}  aliases: {', '.join(version.aliases) or 'none'}\n{sibling}"
        f"sha256 {version.sha256}\nrun {version.run_id}  data {version.data_version}\n"
        f"created {version.created}\n{evidence}"
    )
