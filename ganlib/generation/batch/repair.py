"""Make damaged shards of a finished job again, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence

from ganlib.core.errors import BadInput, Corrupt
from ganlib.core.progress import Report, silent
from ganlib.core.record import Record
from ganlib.generation.batch import manifest as manifests
from ganlib.generation.batch import shards
from ganlib.generation.batch.batch import make, require_versions
from ganlib.generation.batch.manifest import Manifest
from ganlib.generation.credentials import CredentialSigner
from ganlib.generation.noise import ALGORITHM, BLOCK
from ganlib.generation.sampling import SamplingRequest
from ganlib.generation.session import OnnxModel
from ganlib.generation.storage import Where, locate
from ganlib.generation.storage.base import Storage


class Repair(Record):
    """What was made again, and what was left for its owner to judge."""

    images: int
    """How many the job has."""
    remade: tuple[str, ...]
    """Names of the shards that were."""
    extra: tuple[str, ...]
    """What does not belong to the job: left as it was."""

    def summary(self) -> str:
        """A line of what was done, and a line for each thing that was left."""
        done = f"made again: {', '.join(self.remade)}." if self.remade else "nothing had to be made again."
        return "\n".join([f"all of {self.images:,} images are there; {done}", *(f"extra: {e}" for e in self.extra)])


def require_finished(out: Where) -> Manifest:
    """The manifest of the finished job in ``out``.

    Raises:
        BadInput: there is none, it is damaged, or the job has not finished.
    """
    manifest = manifests.read(out)
    if manifest is None:
        raise BadInput(f"{out} has no {manifests.FILE}: not a folder of generated images.")
    if not manifest.complete:
        raise BadInput(
            f"the job in {out} has not finished: run the same `ganlib generate` again, which makes what is missing "
            "and what is damaged. Nothing was changed."
        )
    return manifest


def repair(
    model: OnnxModel,
    out: Where,
    request: SamplingRequest,
    numbers: Sequence[int],
    extra: Sequence[str],
    report: Report = silent,
    *,
    signer: CredentialSigner | None = None,
) -> Repair:
    """Make the shards ``numbers`` of the finished job in ``out`` again; others are not touched.

    Args:
        model: that made them.
        out: the job's folder, or its URL.
        request: what was asked of the model.
        numbers: of shards, sorted, as :func:`ganlib.generation.batch.verify.verify` finds them.
        extra: what else was found, for the record.
        report: told of progress.
        signer: gives what is made again new content credentials, if the job's files have some.

    Raises:
        BadInput: the job is not finished, or model, request or versions are not the job's; nothing was changed.
        GanlibError: a shard came out differently; it was left as it was.
        Corrupt: the shards are right, but the manifest's digest of them all is not.
        Unavailable: another process is at work in ``out``.
    """
    storage = locate(out)
    manifest = require_finished(storage)
    now = {
        "model_sha256": model.sha256,
        "block": BLOCK,
        "noise": ALGORITHM,
        "seed": request.seed,
        "condition": request.condition.record,
        "truncation": request.truncation,
        "provider": model.provider,
    }
    differences = manifest.differences(manifest.model_copy(update=now))
    if differences:
        raise BadInput(f"{storage} cannot be repaired with that: {'; '.join(differences)}. Nothing was changed.")
    require_versions(manifest, storage)
    require_signer(manifest, storage, signer)
    with storage.locked(), storage.explained(0):
        storage.sweep()
        make(model, manifest, request, storage, numbers, signer=signer, report=report)
        require_digest(manifest, storage)
        if manifest.signed:  # the same images, in files that are signed anew
            entries, _ = shards.record(storage, manifest)
            storage.write(manifests.FILE, manifests.encoded(manifest.model_copy(update={"shards": entries})))
    names = tuple(shards.location(manifest, shard) for shard in numbers)
    return Repair(images=manifest.count, remade=names, extra=tuple(extra))


def require_signer(manifest: Manifest, out: Where, signer: CredentialSigner | None) -> None:
    """Raise :class:`BadInput` unless there is a ``signer`` just where the job's files have content credentials."""
    if manifest.signed and signer is None:
        raise BadInput(
            f"the images in {out} have content credentials: making some again takes --c2pa-cert and --c2pa-key. "
            "Nothing was changed."
        )
    if signer is not None and not manifest.signed:
        raise BadInput(f"the images in {out} have no content credentials: leave --c2pa-cert out. Nothing was changed.")


def require_digest(manifest: Manifest, out: Where) -> None:
    """Raise :class:`Corrupt` if the manifest's digest is not that of the shards."""
    storage: Storage = locate(out)
    _, digest = shards.record(storage, manifest)
    if manifest.digest != digest:
        hint = "The shards are what it says of each; only the digest of them all was changed."
        raise Corrupt(f"{storage}/{manifests.FILE}", expected=digest, actual=str(manifest.digest), hint=hint)
