"""The command line. One verb a function; what it does is in ganlib/jobs."""

from __future__ import annotations

from typing import Annotated

import typer

from ganlib.cli import ab, compare, data, export, families, generate, judge, people, registry, serve, tune
from ganlib.cli import show as pictures
from ganlib.cli.app import Budget, Json, Set, open_project, perhaps_project, reporting, run, show, version_number
from ganlib.cli.batches import output_place
from ganlib.cli.help import Verbs
from ganlib.cli.options import command

app = Verbs(
    name="ganlib",
    help="Train image generators, keep the best in a registry, and make images from it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data.app, name="data", help="Version, show and verify the data.")
app.add_typer(judge.app, name="judge", help="What all figures are made with.")
app.add_typer(registry.app, name="registry", help="List, show and download registered models.")
app.add_typer(ab.app, name="ab", help="Two versions in use at once: who gets which, and which does better.")
app.add_typer(pictures.app, name="show", help="Pictures of what a model has learnt.")
app.command()(families.families)
app.command()(compare.compare)
app.command()(export.export)
app.command()(serve.serve)
app.command()(tune.tune)
app.command("tune-trial", hidden=True)(tune.trial)
app.command()(command(generate.generate))
app.command()(people.reconcile)
app.command()(people.explain)


@app.command()
def train(
    family: Annotated[str, typer.Argument(help="A name that `ganlib families` lists.")],
    budget: Budget = None,
    resume: Annotated[str | None, typer.Option(metavar="RUN_ID", help="Go on with an interrupted run.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N; default: {train.device}.")] = None,
    allow_cpu: Annotated[
        bool, typer.Option("--allow-cpu", help="Where CUDA is asked for and there is none, train on the CPU.")
    ] = False,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Train one family and export its generator to ONNX, as one MLflow run.

    Under `torchrun --nproc-per-node N -m ganlib train ...` the processes share every batch.
    """
    from ganlib import families as zoo

    zoo.require(family)
    overrides = [
        *(overrides or []),
        *([f"train.device={device}"] if device else []),
        *(["train.allow_cpu=true"] if allow_cpu else []),
    ]
    project, params = open_project(overrides)
    params.require_budget(budget)
    from ganlib.jobs.training import child

    child.watch_lifeline()
    from ganlib.jobs.training.train import follow, follows
    from ganlib.jobs.training.train import train as job

    if follows():
        follow(project, params, family, budget=budget, resume=resume)
        return
    with reporting(as_json=as_json) as report:
        result = job(project, params, family, budget=budget, resume=resume, overrides=overrides or [], report=report)
    show(
        result,
        as_json=as_json,
        text=lambda: (
            f"run {result.run_id}: {family}, {result.steps:,} steps in {result.seconds:.0f} s -> {result.onnx}\n"
            f"next: ganlib evaluate runs:/{result.run_id}"
        ),
    )


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="models:/NAME@ALIAS, runs:/ID, a version, an alias or an .onnx file.")],
    record: Annotated[
        bool, typer.Option("--record", help="Put the figures in place of the version's evidence, for the gate.")
    ] = False,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Measure a model's ONNX file: quality beside real images' own, memorisation, size, speed, parity."""
    project, params = open_project(overrides)
    from ganlib.evaluation import table
    from ganlib.jobs.measuring.evaluate import evaluate as job

    with reporting(as_json=as_json) as report:
        result = job(project, params, model, record=record, report=report)
    show(result, as_json=as_json, text=lambda: table.text(result))


@app.command()
def register(
    run_id: Annotated[str, typer.Argument(help="The run whose graph becomes a version: its id, or runs:/ID.")],
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Evaluate a run's graph and make it a version of the registered model, as challenger."""
    project, params = open_project(overrides)
    from ganlib.jobs.measuring.evaluate import evaluate as measure
    from ganlib.jobs.promotion.promote import register as job

    run_id = run_id.removeprefix("runs:/")
    with reporting(as_json=as_json) as report:
        version = job(
            project, params, run_id, measure(project, params, f"runs:/{run_id}", report=report), report=report
        )
    show(
        version,
        as_json=as_json,
        text=lambda: f"version {version.version} of {version.name}: {version.family}, FID {version.fid}",
    )


@app.command()
def promote(
    version: Annotated[str, typer.Argument(help="The challenger: a version number, an alias or a models:/ URI.")],
    expect: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="Refuse unless the champion is still this version number (0: none); default: whichever it is.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and explain; change nothing.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Decide though a person rolled back from it; the ledger says so.")
    ] = False,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Put a version through the gate against the champion; exit code 1 if it is refused."""
    project, params = open_project(overrides)
    from ganlib.jobs.promotion.promote import promote as job

    decision = job(project, params, version, expect=version_number("--expect", expect), dry_run=dry_run, again=again)
    show(decision, as_json=as_json, text=decision.summary)
    raise typer.Exit(0 if decision.promoted else 1)


@app.command()
def rollback(
    expect: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION", help="Refuse unless the champion is still this version number; default: whichever it is."
        ),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for the ledger.")] = "",
    as_json: Json = False,
) -> None:
    """Make the version that the champion displaced champion again; once more goes one further back."""
    project, params = open_project()
    from ganlib.jobs.promotion.promote import rollback as job

    entry = job(project, params, expect=version_number("--expect", expect), reason=reason)
    show(
        entry,
        as_json=as_json,
        text=lambda: (
            f"version {entry.to_version} is champion again in place of {entry.from_version or 'none'} "
            f"(entry {entry.seq} of the ledger)"
        ),
    )


@app.command()
def retrain(
    families: Annotated[str | None, typer.Option(help="Comma-separated names; default: {train.families}.")] = None,
    budget: Budget = None,
    library: Annotated[bool, typer.Option("--no-prefect", help="As plain library calls, with no Prefect.")] = False,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Data version, training of the families side by side, evaluation, export, registration, gate: the retrain flow."""
    project, params = open_project(overrides)
    from ganlib.cli.flows import start
    from ganlib.families import require_all

    asked = (
        params.train.families if families is None else [name.strip() for name in families.split(",") if name.strip()]
    )
    chosen = require_all(asked)
    params.require_budget(budget)
    if not library:
        start("retrain", families=",".join(chosen), budget=budget, overrides=overrides, as_json=as_json)
    from ganlib.jobs.retrain import retrain as job

    with reporting(as_json=as_json) as report:
        result = job(project, params, families=chosen, budget=budget, overrides=overrides or [], report=report)
    show(result, as_json=as_json, text=result.decision.summary)


@app.command()
def verify(
    folder: Annotated[str, typer.Argument(help="A folder or s3:// place that `ganlib generate` filled.")],
    as_json: Json = False,
) -> None:
    """Check generated images against their manifest: missing, altered, truncated, extra."""
    from ganlib.generation.batch.batch import verify as job

    with reporting(as_json=as_json) as report:
        found = job(output_place(folder), report=report)
    show(found, as_json=as_json, text=found.summary)
    raise typer.Exit(0 if found.ok else 1)


@app.command()
def repair(
    folder: Annotated[str, typer.Argument(help="A folder or s3:// place that `ganlib generate` filled.")],
    model: Annotated[
        str | None, typer.Option(help="The model that made the images; default: the one that the manifest names.")
    ] = None,
    labels: Annotated[str | None, typer.Option(help="The file of labels, if the images were made with one.")] = None,
    as_json: Json = False,
) -> None:
    """Make missing, altered and truncated shards again, byte for byte, with the model that made them."""
    project, params = perhaps_project(model)
    from ganlib.jobs.images.repair import repair as job

    with reporting(as_json=as_json) as report:
        done = job(project, params, output_place(folder), model=model, labels=labels, report=report)
    show(done, as_json=as_json, text=done.summary)


def main() -> None:
    """Entry point of the ``ganlib`` command."""
    run(app, "ganlib")
