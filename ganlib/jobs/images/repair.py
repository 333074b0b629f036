"""Make damaged images again with the model that made them."""

from __future__ import annotations

from ganlib.config import Params
from ganlib.core.errors import BadInput
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.export.runtime import PROVIDERS
from ganlib.generation.batch.manifest import Manifest
from ganlib.generation.batch.repair import Repair, require_digest, require_finished, require_signer
from ganlib.generation.batch.repair import repair as remake
from ganlib.generation.batch.verify import verify
from ganlib.generation.credentials import CredentialSigner
from ganlib.generation.storage import Where
from ganlib.jobs.models import fetch_to_use


def repair(
    project: Project | None,
    params: Params | None,
    out: Where,
    *,
    model: str | None = None,
    labels: str | None = None,
    signer: CredentialSigner | None = None,
    report: Report = silent,
) -> Repair:
    """Make the missing, altered and truncated shards under ``out`` again, byte for byte; the others stay.

    Args:
        project: as for :func:`ganlib.jobs.models.fetch_to_use`.
        params: the same.
        out: a folder that a finished job filled, or its URL.
        model: the model that made the images; None: the one that the manifest names.
        labels: the file of labels, if the job was given one.
        signer: gives what is made again new content credentials, if the images have some.
        report: told of progress.

    Raises:
        BadInput: no such job, model, labels or signer, or the model is another one (its sha256 is compared first).
        Unavailable: the registry cannot be reached, or another process is at work in ``out``.
    """
    manifest = require_finished(out)
    findings = verify(out, report)
    if not findings.damaged:
        require_digest(manifest, out)
        return Repair(images=manifest.count, remade=(), extra=findings.extra)
    require_signer(manifest, out, signer)
    reference = model or _reference(manifest, out)
    at = fetch_to_use(project, params, reference)
    if at.sha256 != manifest.model_sha256:
        raise BadInput(
            f"{reference} has sha256 {at.sha256}, and the images in {out} were made by {manifest.model_sha256}. "
            "Nothing was changed; name that model with --model."
        )
    from ganlib.generation.conditions import recorded
    from ganlib.generation.session import OnnxModel

    provider = next((name for name, full_name in PROVIDERS.items() if full_name == manifest.provider), "cpu")
    graph = OnnxModel(at.path, sha256=manifest.model_sha256, provider=provider)
    condition = recorded(graph, manifest.condition, labels)
    request = graph.request(manifest.seed, condition, manifest.truncation)
    return remake(graph, out, request, findings.damaged, findings.extra, report, signer=signer)


def _reference(manifest: Manifest, out: Where) -> str:
    """The model that made the images, by the most lasting of its names."""
    origin = manifest.origin
    if origin.get("version") and origin.get("model"):
        return f"models:/{origin['model']}/{origin['version']}"
    if origin.get("run_id"):
        return f"runs:/{origin['run_id']}"
    if origin.get("reference"):
        return str(origin["reference"])
    raise BadInput(
        f"the manifest in {out} does not say where its model came from: name it with --model. Nothing was changed."
    )
