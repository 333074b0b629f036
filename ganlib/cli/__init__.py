"""The command line: its verbs, a file each. What they do is in ganlib/jobs."""

from __future__ import annotations

from ganlib.cli import (
    ab,
    backup,
    compare,
    costs,
    data,
    detect,
    distill,
    doctor,
    evaluate,
    explain,
    export,
    families,
    gallery,
    generate,
    judge,
    mark,
    metrics,
    notify,
    promote,
    reconcile,
    register,
    registry,
    repair,
    restore,
    retrain,
    rollback,
    serve,
    train,
    tune,
    verify,
)
from ganlib.cli import show as pictures
from ganlib.cli.app import run
from ganlib.cli.help import Verbs
from ganlib.cli.options import command

app = Verbs(
    name="ganlib",
    help="Train image generators, keep the best in a registry, and make images from it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(families.families)
app.command()(train.train)
app.command()(tune.tune)
app.command()(evaluate.evaluate)
app.command()(compare.compare)
app.command()(export.export)
app.command()(distill.distill)
app.command()(register.register)
app.command()(promote.promote)
app.command()(rollback.rollback)
app.command()(reconcile.reconcile)
app.command()(notify.notify)
app.command()(retrain.retrain)
app.command()(command(generate.generate))
app.command()(verify.verify)
app.command()(repair.repair)
app.command()(detect.detect)
app.command()(doctor.doctor)
app.command()(backup.backup)
app.command()(restore.restore)
app.command()(costs.costs)
app.command()(metrics.metrics)
app.command()(serve.serve)
app.command()(gallery.gallery)
app.command()(explain.explain)
app.command("tune-trial", hidden=True)(tune.trial)
app.add_typer(data.app, name="data", help="Version, show and verify the data.")
app.add_typer(judge.app, name="judge", help="What all figures are made with.")
app.add_typer(mark.app, name="mark", help="What tells others that images were made by a model.")
app.add_typer(registry.app, name="registry", help="List, show and download registered models.")
app.add_typer(ab.app, name="ab", help="Two versions in use at once: who gets which, and which does better.")
app.add_typer(pictures.app, name="show", help="Pictures of what a model has learnt.")


def main() -> None:
    """Entry point of the ``ganlib`` command."""
    run(app, "ganlib")
