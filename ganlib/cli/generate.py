"""``ganlib generate``."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from ganlib.cli import flows
from ganlib.cli.app import perhaps_project, reporting, show
from ganlib.cli.batches import credential_signer, output_place, show_batch
from ganlib.cli.flows import RunOptions
from ganlib.cli.options import C2paCertificate, C2paKey, Json, Model, Set
from ganlib.core.errors import BadInput
from ganlib.jobs.images.request import GenerateRequest


def generate(
    *,
    model: Model = "champion",
    request: GenerateRequest,
    preview: Annotated[
        bool, typer.Option("--preview", help="Draw the sheet of --grid, and make nothing else.")
    ] = False,
    run: RunOptions,
    c2pa_cert: C2paCertificate = None,
    c2pa_key: C2paKey = None,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Make images with onnxruntime: resumable, verifiable, the same bytes whatever the batch size."""
    project, params = perhaps_project(model, overrides)
    from ganlib.jobs.images import generate as job

    request = replace(request, out=output_place(request.out))
    request.require()
    run.require()
    signer = credential_signer(c2pa_cert, c2pa_key)
    if signer and run.runner == "dask":
        raise BadInput("--c2pa-cert signs in this process alone: leave --runner out. Nothing was made.")
    if run.runner == "dask":
        request = request.completed(params.generate) if params else request
        flows.generate(model, request, run, overrides, as_json=as_json)
    with reporting(as_json=as_json) as report:
        if preview:
            sheet = job.preview(project, params, model, request, report=report)
            show({"preview": str(sheet)}, as_json=as_json, text=lambda: f"{sheet}; no job was made")
            return
        batch = job.generate(project, params, model, request, signer=signer, report=report)
    show_batch(batch, request.out, fail_on_drift=run.fail_on_drift, as_json=as_json)
