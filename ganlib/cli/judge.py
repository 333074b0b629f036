"""``ganlib judge``: what figures are made with. The hidden verbs are DVC's stages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganlib.cli.app import open_project, reporting, show
from ganlib.cli.data import under_dvc
from ganlib.cli.help import Verbs
from ganlib.cli.options import Json, Set

if TYPE_CHECKING:
    from ganlib.evaluation.judge.card import JudgeCard

app = Verbs(no_args_is_help=True)


@app.command()
def train(as_json: Json = False) -> None:
    """Train the judge of the current data version, unless it has one. Figures of two judges are not comparable."""
    project, params = open_project()
    from ganlib.jobs.data import judge as job
    from ganlib.jobs.data.version_data import current_data

    data = current_data(project)
    with reporting(as_json=as_json) as report:
        card = job.train_judge(project, params, data, report)
    _show(card, as_json=as_json)


@app.command("show")
def show_judge(overrides: Set = None, as_json: Json = False) -> None:
    """Show the judge's card: how right it is, and how FID by it grows with what is wrong with images."""
    project, params = open_project(overrides)
    from ganlib.jobs.data import judge as job
    from ganlib.jobs.data.version_data import current_data

    data = current_data(project)
    with reporting(as_json=as_json) as report:
        card = job.card_for(project, params, data, report)
    _show(card, as_json=as_json)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="A graph from image to features (docs/judges.md).")],
    as_json: Json = False,
) -> None:
    """Try an ONNX file of your own as the judge of the current data version, and show its card."""
    project, _ = open_project()
    from ganlib.jobs.data import judge as job
    from ganlib.jobs.data.version_data import current_data

    data = current_data(project)
    with reporting(as_json=as_json) as report:
        card = job.examined(project, job.check_file(project, file, data), data, report)
    _show(card, as_json=as_json)


@app.command(hidden=True)
def fit() -> None:
    """The DVC stage that fills data/judge."""
    project, params = open_project()
    from ganlib.jobs.data.judge import run_stage

    with reporting(as_json=under_dvc()) as report:
        run_stage(project, params, report)


@app.command(hidden=True)
def mnist() -> None:
    """The frozen DVC stage that trained MNIST's judge."""
    project, _ = open_project()
    from ganlib.core.errors import BadInput
    from ganlib.evaluation.judge.mnist.judge import weights_folder
    from ganlib.evaluation.judge.mnist.train import MnistRecipe, train_mnist
    from ganlib.jobs.data.version_data import recorded_md5

    version = recorded_md5(project)
    if version is None:
        raise BadInput("there is no data version to train the judge on; run: ganlib data version")
    with reporting(as_json=under_dvc()) as report:
        train_mnist(project.prepared, weights_folder(), MnistRecipe(), version, report=report)


def _show(card: JudgeCard, *, as_json: bool) -> None:
    show(card, as_json=as_json, text=card.text)
