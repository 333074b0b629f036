"""``ganlib show``: pictures of what a model has learnt."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer

from ganlib.cli.app import open_project, output_folder, perhaps_project, reporting, show
from ganlib.cli.help import Verbs
from ganlib.cli.options import Json, ModelArgument, Set

app = Verbs(no_args_is_help=True)


@app.callback()
def pictures() -> None:
    """Pictures of what a model has learnt."""


@app.command()
def interpolate(
    model: ModelArgument,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")],
    seed: Annotated[int, typer.Option(help="A number: row r goes from image 2r of this seed to image 2r + 1.")] = 0,
    pairs: Annotated[int, typer.Option(help="Rows of the picture.")] = 8,
    frames: Annotated[int, typer.Option(help="Images in a row, both ends among them.")] = 16,
    labels: Annotated[
        str | None, typer.Option(metavar="3,8", help="For models with classes: these, in turn; default: all, or 16.")
    ] = None,
    captions: Annotated[
        list[str] | None,
        typer.Option(
            "--captions", "--caption", help="For models of captions (repeatable); default: some that it knows."
        ),
    ] = None,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Go from image to image along great circles of the noise: interpolation.png and interpolation.gif.

    A label is a whole number in the graph and cannot be blended: for models with classes, each row keeps its class, and
    labels.png shows the same noise under each class in turn. Likewise captions.png for models of captions.

    Models that sample discrete parts (the mixture of ae, the codes of vqgan) jump where such a part changes. That is
    what they do, not a fault of the picture.
    """
    project, params = perhaps_project(model, overrides)
    from ganlib.jobs.images.interpolate import interpolate as job

    with reporting(as_json=as_json) as report:
        result = job(
            project, params, model, out=output_folder(out), seed=seed, pairs=pairs, frames=frames,
            labels=None if labels is None else next(csv.reader([labels], skipinitialspace=True)),
            captions=captions, report=report,
        )  # fmt: skip
    show(result, as_json=as_json, text=lambda: "\n".join(map(str, result.files)))


@app.command()
def reconstruct(
    model: Annotated[str, typer.Argument(help="models:/NAME@ALIAS, runs:/ID, a version or an alias.")],
    out: Annotated[Path, typer.Option(help="Folder for the picture.")],
    count: Annotated[int, typer.Option(help="Test images in the picture, a multiple of four.")] = 40,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Send the test images through encoder and decoder: reconstructions.png, and the mean squared error.

    For the autoencoding families (ae, vae, cvae, vgan, vqgan). The encoder is not in the ONNX file, so this takes the
    checkpoint that the model's run logged.
    """
    project, params = open_project(overrides)
    from ganlib.jobs.measuring.reconstruct import reconstruct as job

    with reporting(as_json=as_json) as report:
        result = job(project, params, model, out=output_folder(out), count=count, report=report)
    show(
        result,
        as_json=as_json,
        text=lambda: f"{result.file}\nmean squared error {result.mse:.4g} of {result.n:,} test images in [-1, 1]",
    )
