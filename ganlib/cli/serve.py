"""``ganlib serve``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ganlib.cli.app import perhaps_project, say
from ganlib.cli.detect import Index, index_to_read
from ganlib.cli.options import Json, Set

if TYPE_CHECKING:
    from ganlib.jobs.images.serve import Serving


def serve(
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="models:/NAME@ALIAS, models:/NAME/VERSION, runs:/ID, a version, an alias, pretrained:NAME or an "
            ".onnx file (repeatable; the first is the default). An alias is followed as it moves.  [default: champion]"
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: {serve.host}.")] = None,
    port: Annotated[
        int | None, typer.Option(help="TCP port, 0 for any free one; default: {serve.port}.", min=0, max=65535)
    ] = None,
    index: Index = None,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Serve images over HTTP, with a page to draw in, until SIGTERM or Ctrl-C."""
    models = model or ["champion"]
    from ganlib.jobs.images.serve import serve as job
    from ganlib.jobs.models import needs_project

    project, params = perhaps_project(next(filter(needs_project, models), models[0]), overrides)

    def started(serving: Serving) -> None:
        if as_json:
            say(json.dumps({"event": "serving", **serving.model_dump(mode="json")}))
            return
        names = ", ".join(f"{name} ({sha256[:12]})" for name, sha256 in serving.models.items())
        say(f"serving {names}\npage {serving.url}/  API {serving.url}/docs  metrics {serving.url}/metrics")

    def tell(line: str) -> None:
        say(json.dumps({"event": "serving", "message": line}) if as_json else f"ganlib: {line}", err=True)

    job(project, params, models, host=host, port=port, index=index_to_read(index), on_start=started, tell=tell)
