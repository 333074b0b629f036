"""``ganlib mark``: what tells others that images were made by a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganlib.cli.app import output_folder, show
from ganlib.cli.help import Verbs
from ganlib.cli.options import Json

app = Verbs(no_args_is_help=True)


@app.callback()
def mark() -> None:
    """Keep ``test-ca`` a verb of its own: of a single one, typer would make the whole."""


@app.command("test-ca")
def write_test_ca(
    out: Annotated[Path, typer.Option(help="The folder to fill: ca.pem, chain.pem and key.pem.")],
    as_json: Json = False,
) -> None:
    """Make a certificate to try `generate --c2pa-cert` with. Readers call what it signs valid and untrusted."""
    from ganlib.generation.trial_certificate import AUTHORITY, CHAIN, KEY, write_trial_certificate

    folder = output_folder(out)
    write_trial_certificate(folder)
    files = {"ca": str(folder / AUTHORITY), "cert": str(folder / CHAIN), "key": str(folder / KEY)}
    text = f"sign with: ganlib generate --c2pa-cert {files['cert']} --c2pa-key {files['key']} --out FOLDER"
    show(files, as_json=as_json, text=lambda: text)
