"""``ganlib repair``."""

from __future__ import annotations

from typing import Annotated

import typer

from ganlib.cli.app import perhaps_project, reporting, show
from ganlib.cli.batches import credential_signer, output_place
from ganlib.cli.options import C2paCertificate, C2paKey, Json


def repair(
    folder: Annotated[str, typer.Argument(help="A folder or s3:// place that `ganlib generate` filled.")],
    model: Annotated[
        str | None, typer.Option(help="The model that made the images; default: the one that the manifest names.")
    ] = None,
    labels: Annotated[str | None, typer.Option(help="The file of labels, if the images were made with one.")] = None,
    c2pa_cert: C2paCertificate = None,
    c2pa_key: C2paKey = None,
    as_json: Json = False,
) -> None:
    """Make missing, altered and truncated shards again, byte for byte, with the model that made them."""
    project, params = perhaps_project(model)
    from ganlib.jobs.images.repair import repair as job

    signer = credential_signer(c2pa_cert, c2pa_key)
    with reporting(as_json=as_json) as report:
        done = job(project, params, output_place(folder), model=model, labels=labels, signer=signer, report=report)
    show(done, as_json=as_json, text=done.summary)
