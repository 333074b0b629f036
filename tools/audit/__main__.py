"""``make audit``: exit code 0 if nothing is known, 1 if something is, 75 if the database does not answer."""

from __future__ import annotations

from typing import Annotated

import typer

from ganlib.cli.app import run, show
from ganlib.cli.options import Json
from tools import audit

app = typer.Typer(add_completion=False)


@app.command()
def command(
    url: Annotated[str, typer.Option("--osv-url", help="OSV's address for queries, or that of a mirror.")] = audit.OSV,
    as_json: Json = False,
) -> None:
    """Ask OSV's database about every pinned package."""
    result = audit.audit(url=url)
    show(result, as_json=as_json, text=lambda: result.text)
    raise typer.Exit(1 if result.open else 0)


if __name__ == "__main__":
    run(app, "python -m tools.audit")
