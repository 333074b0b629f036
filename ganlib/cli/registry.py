"""``ganlib registry``: read the registered model's versions and the ledger of decisions about them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganlib.cli.app import open_project, output_file, output_folder, output_path, reporting, show
from ganlib.cli.help import Verbs
from ganlib.cli.options import Json, RegisteredModel, Set
from ganlib.core.errors import BadInput

if TYPE_CHECKING:
    from ganlib.registry.entries import LedgerEntry
    from ganlib.registry.mlflow_ledger import Ledger
    from ganlib.registry.registry import Listing, Registry, Version

app = Verbs(no_args_is_help=True)

Reference = Annotated[
    str, typer.Argument(help="A version number, an alias, models:/NAME@ALIAS or models:/NAME/VERSION.")
]


@app.command("list")
def list_versions(
    model: Annotated[str | None, typer.Option(help="Only this registered model, such as {registry.model}.")] = None,
    as_json: Json = False,
) -> None:
    """List all models' versions, newest first, with the gate's verdict, FID and its interval, aliases and sha256.

    Each data set has a registered model of its own, with its own champion. That of the project's data comes first.
    """
    registry = _registry(model)
    from ganlib.registry.registry import Registry, registered_models

    others = registered_models(registry.store) if model is None else []
    names = dict.fromkeys([registry.name, *others])
    rows = [row for name in names for row in Registry(registry.store, name).versions()]
    content = [row.model_dump(mode="json") for row in rows]
    show(content, as_json=as_json, text=lambda: _table(rows))


@app.command("show")
def show_version(reference: Reference, as_json: Json = False) -> None:
    """Show one version with its evidence, and what its training and evaluation cost."""
    registry, version = _resolved(reference)
    from ganlib.tracking.history import cost_of

    _, params = open_project()
    cost = cost_of(registry.store, version.run_id, params.costs)
    content = {**version.model_dump(mode="json"), "cost": cost.model_dump() if cost else None}
    text = cost.text(params.costs.currency) if cost else "not measured"
    show(content, as_json=as_json, text=lambda: f"{_describe(version)}\ncost: {text}")


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
    from ganlib.jobs.measuring.diff import diff as job

    with reporting(as_json=as_json) as report:
        result = job(project, params, a, b, out=output_file(out) if out else None, seed=seed, report=report)
    show(result, as_json=as_json, text=result.summary)


@app.command("import")
def import_model(
    reference: Annotated[
        str, typer.Argument(metavar="pretrained:NAME", help="A trained graph that ships with ganlib.")
    ],
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Make a trained graph that ships with ganlib a version, as challenger: with a run, measured on the data here."""
    project, params = open_project(overrides)
    from ganlib.jobs.promotion.pretrained import import_pretrained as job

    with reporting(as_json=as_json) as report:
        result = job(project, params, reference, report=report)
    show(result, as_json=as_json, text=result.summary)


@app.command()
def download(
    reference: Reference,
    out: Annotated[Path, typer.Option(help="The file to write; with --card, the folder.")],
    card: Annotated[
        bool,
        typer.Option("--card", help="With model card and bill of materials (CycloneDX), signed if there is a key."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Copy a version's ONNX graph to a file, once its bytes are those that were registered."""
    if card:
        from ganlib.jobs.promotion.download import download_with_card as job

        done = job(*open_project(), reference, output_folder(out))
        show(done, as_json=as_json, text=done.summary)
        return
    place = output_file(out)
    registry, version = _resolved(reference)
    path = registry.download(version, place)
    show(
        {"path": str(path), "version": version.version, "sha256": version.sha256},
        as_json=as_json,
        text=lambda: f"version {version.version} ({version.family}) -> {path}",
    )


@app.command()
def sign(reference: Reference, as_json: Json = False) -> None:
    """Sign a version's graph with the key that signing.key in params.yaml names.

    With such a key, versions are signed when they are registered; this is for those from before there was one.
    """
    registry, version = _resolved(reference)
    from ganlib.registry.registry import Registry
    from ganlib.registry.version_signature import sign_version

    sign_version(Registry(registry.store, version.name), version)
    facts = {"version": version.version, "sha256": version.sha256}
    show(facts, as_json=as_json, text=lambda: f"version {version.version} ({version.family}) is signed")


@app.command()
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report only; remove nothing.")] = False,
    keep: Annotated[int, typer.Option(min=0, help="How many of the newest versions stay in any case.")] = 5,
    manifests: Annotated[
        list[Path] | None,
        typer.Option(help="Folders to look for generated images in, whose models stay (repeatable); default: project."),
    ] = None,
    model: RegisteredModel = None,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Remove versions that nothing refers to, with their models' files; report files that nobody refers to.

    Never removed: what has an alias, was champion, waits for a person, is in an A/B test, has siblings, or made images
    whose manifest is found.
    """
    project, params = open_project(overrides)
    from ganlib.jobs.promotion.prune import prune as job

    folders = [output_path(folder) for folder in manifests or []]
    if missing := [str(folder) for folder in folders if not folder.is_dir()]:
        raise BadInput(f"--manifests {missing[0]}: there is no such folder. Nothing was removed.")
    done = job(project, params, model=model, folders=folders, keep=keep, dry_run=dry_run)
    show(done, as_json=as_json, text=done.summary)


@app.command()
def history(model: RegisteredModel = None, as_json: Json = False) -> None:
    """List all decisions: promoted, refused, rolled back, and champions set outside of ganlib."""
    entries = _ledger(model).read().entries()
    content = [entry.model_dump(mode="json") for entry in entries]
    show(content, as_json=as_json, text=lambda: "\n".join(map(_entry_line, entries)) or "nothing was decided yet")


@app.command("verify")
def verify_ledger(model: RegisteredModel = None, as_json: Json = False) -> None:
    """Check the chain of decisions; exit code 1 names every entry that was changed, removed, reordered or replaced.

    And what stands beside the chain or beyond its seal, if no decision bears it out, and a champion whose file is gone
    or in MLflow's trash. Where params.yaml names keys
    (signing.key, signing.public_keys), also what none of them vouches for, and entries that were there and are gone.
    """
    registry = _registry(model)
    from ganlib.registry.audit import beyond_seal
    from ganlib.registry.mlflow_ledger import Ledger
    from ganlib.registry.reconcile import champion_risk
    from ganlib.registry.signatures import all_problems, signed_count

    snapshot = Ledger(registry.store, registry.name).read()
    entries, beyond = snapshot.entries(), beyond_seal(registry, snapshot)
    problems = all_problems(snapshot, registry.store.project, registry.name)
    signatures = signed_count(snapshot, registry.store.project, registry.name)
    bad, risk = bool(problems or snapshot.news or any(each.objection for each in beyond)), champion_risk(registry)
    content = {
        "ok": not (bad or risk),
        "entries": len(entries),
        "last": snapshot.last,
        "sha256": entries[-1].sha256 if entries else None,
        "signed": signatures,
        "problems": [problem.model_dump(mode="json") for problem in problems],
        "unsealed": [each.model_dump(mode="json") for each in beyond],
        "strays": {key: key in snapshot.voided for key in sorted(snapshot.strays)},
        "champion_file": str(risk) if risk else None,
    }
    count = f"{len(entries)} entries" + ("" if signatures is None else f", {signatures} of them signed by trusted keys")
    whole = f"the ledger is whole: {count}, the last with sha256 {content['sha256']}"
    lines = [
        *([] if bad else [whole]),
        *(f"entry {problem.seq} {problem.what}" for problem in problems),
        *(f"entry {each.seq} {each}" for each in beyond),
        *(_stray(key, is_voided=key in snapshot.voided) for key in sorted(snapshot.strays)),
        *([str(risk)] if risk else []),
    ]
    show(content, as_json=as_json, text=lambda: "\n".join(lines))
    raise typer.Exit(1 if bad or risk else 0)


def _stray(key: str, *, is_voided: bool) -> str:
    known_by = "an entry says so" if is_voided else "the next decision records that"
    return f"parameter {key[:60]} of the ledger's run is none of its entries, and counts for nothing: {known_by}"


@app.command("who-was-champion")
def who_was_champion(
    at: Annotated[str, typer.Option(help="ISO 8601, such as 2026-01-31T09:30; UTC unless it names an offset.")],
    model: RegisteredModel = None,
    as_json: Json = False,
) -> None:
    """Name the champion at a time, and the decision that made it champion."""
    from ganlib.registry.ledger import champion_at, moment

    when = moment(at)
    reign = champion_at(_ledger(model).read(), when)
    since = f"since\n{_entry_line(reign.since)}" if reign.since else "nothing was recorded before"
    champion = f"version {reign.champion} was champion" if reign.champion else "there was no champion"
    show(reign, as_json=as_json, text=lambda: f"at {reign.at} {champion}; {since}")


def _ledger(model: str | None) -> Ledger:
    registry = _registry(model)
    from ganlib.registry.mlflow_ledger import Ledger

    return Ledger(registry.store, registry.name)


def _entry_line(entry: LedgerEntry) -> str:
    move = f"{entry.from_version or 'none'} -> {entry.to_version or 'none'}"
    if entry.kind == "voided":
        move = ", ".join(entry.voids)[:60]
    elif entry.kind in ("refused", "awaiting", "declined"):
        move = f"{entry.to_version} against {entry.from_version or 'none'}"
    return f"{entry.seq:>4}  {entry.time}  {entry.kind:11}  {move:14}  {entry.who}: {entry.reason}"


def _registry(model: str | None = None) -> Registry:
    project, params = open_project()
    from ganlib.registry.registry import registered_model
    from ganlib.tracking.reap import open_store

    return registered_model(open_store(project), params, model)


def _resolved(reference: str) -> tuple[Registry, Version]:
    """The registry and the version that ``reference`` names to those who use it."""
    _, params = open_project()
    from ganlib.registry.resolve import resolve_model

    registry = _registry()
    return registry, resolve_model(registry, params, reference)


def _table(rows: list[Listing]) -> str:
    if not rows:
        return "nothing is registered yet; train and register with: ganlib retrain"
    head = ("model", "version", "family", "FID", "aliases", "gate", "created", "sha256")
    cells = [
        (
            *(row.name, str(row.version), _kind(row), row.fid_text if row.fid is not None and row.fid_text else "?"),
            *(", ".join(row.aliases), row.gate or "?", row.created[:16].replace("T", " "), (row.sha256 or "?")[:12]),
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in (head, *cells)) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (head, *cells)
    )


def _kind(version: Listing) -> str:
    return f"{version.family or '?'}{f' {version.variant}' if version.variant else ''}"


def _describe(version: Version) -> str:
    evidence = version.evaluation.summary() if version.evaluation else "no evaluation: not registered by ganlib"
    sibling = f"sibling of version {version.sibling_of}\n" if version.sibling_of else ""
    return (
        f"{version.uri}  {_kind(version)}  aliases: {', '.join(version.aliases) or 'none'}\n{sibling}"
        f"sha256 {version.sha256}\nrun {version.run_id}  data {version.data_version}\n"
        f"created {version.created}  gate: {version.gate or 'not asked'}\n{evidence}"
    )
