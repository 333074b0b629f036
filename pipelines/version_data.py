"""The flow `version-data`: bring the data up to date, and say so if it changed."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from prefect import flow
from prefect.events import emit_event

from ganlib.cli.app import show
from ganlib.cli.batches import output_place
from ganlib.cli.options import Json
from ganlib.core import project as projects
from ganlib.data import known
from pipelines import artifacts, names, places, tasks
from pipelines.launch import launch, sign

CHANGE_EVENT = "ganlib.data.changed"
RESOURCE = "ganlib.data"


@flow(name="version-data", flow_run_name=names.naming(lambda _: "version data"), on_running=[sign])
def version_data(source: str | None = None) -> dict[str, Any]:
    """Version the data; emit the event ``ganlib.data.changed``, which starts a retraining, if it changed.

    Args:
        source: a folder, archive or Parquet file that becomes the data source (relative paths are taken from the
            project's root), or a known data set such as `mnist`; None keeps the current one.
    """
    project = projects.find()
    if source and source not in known.names():
        source = str(project.root / places.source(project, "source", source))
    data = tasks.version_data(str(project.root), [], source)
    names.rename(f"version data: {data['id']} ({'changed' if data['changed'] else 'unchanged'})")
    artifacts.data(str(project.root))
    if data["changed"]:
        payload = {"md5": data["md5"], "source": data["source"]}
        emit_event(CHANGE_EVENT, resource={"prefect.resource.id": f"{RESOURCE}.{data['id']}"}, payload=payload)
    return data


def command(
    source: Annotated[
        str | None, typer.Option("--from", help="A place or known data set that becomes the data source.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Version the data as a Prefect flow."""
    place = output_place(source) if source and source not in known.names() else source
    data = launch(version_data, as_json=as_json, source=place)
    change = "changed" if data["changed"] else "unchanged"
    show(data, as_json=as_json, text=lambda: f"data version {data['id']} ({change})")
