"""What `ganlib generate` and the generate flow print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ganlib.cli.app import output_path, show
from ganlib.core.errors import BadInput

if TYPE_CHECKING:
    from ganlib.generation.credentials import CredentialSigner
    from ganlib.jobs.images.generate import BatchResult


def output_place(text: str) -> str:
    """Return a path made absolute, so that messages and manifests name it fully; a URL as it is.

    Raises:
        BadInput: it is empty, which would be the folder that one works in.
    """
    if not text.strip():
        raise BadInput(f"{text!r} names no folder.")
    return text if "://" in text else str(output_path(Path(text)))


def credential_signer(certificate: Path | None, key: Path | None) -> CredentialSigner | None:
    """Return what signs with ``certificate`` and its ``key``; None where neither is named.

    Raises:
        BadInput: one of them is not named, or cannot be used.
    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise BadInput("--c2pa-cert and --c2pa-key go together. Nothing was made.")
    from ganlib.generation.credentials import CredentialSigner

    return CredentialSigner(output_path(certificate), output_path(key))


def show_batch(batch: BatchResult, out: str, *, fail_on_drift: bool, as_json: bool) -> None:
    """Print a finished job; exit code 1 if it drifts and that is to be a failure."""
    manifest, quality = batch.manifest, batch.quality
    drifted = bool(quality and quality.drifted)

    def text() -> str:
        lines = [f"{manifest.count:,} images in {out} (digest {manifest.digest})"]
        return "\n".join([*lines, quality.summary] if quality else lines)

    facts = {
        "drifted": drifted,
        "quality": quality.model_dump(mode="json") if quality else None,
        "cost": batch.cost.model_dump(),
    }
    show({**manifest.model_dump(mode="json"), **facts}, as_json=as_json, text=text)
    if drifted and fail_on_drift:
        raise typer.Exit(1)
