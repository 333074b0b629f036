"""What a folder of generated images says of itself."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import JsonValue, ValidationError

from ganlib.core.errors import BadInput
from ganlib.core.files import json_bytes
from ganlib.core.record import Record
from ganlib.generation import formats
from ganlib.generation.spec import BatchSpec
from ganlib.generation.storage import Where, locate
from ganlib.generation.storage.base import Storage
from ganlib.generation.storage.lock import LOCK

FILE = "manifest.json"


class Shard(Record):
    """A file or folder of ``count`` images from image ``start`` on."""

    name: str
    start: int
    count: int
    sha256: str
    """Of the SHA-256 digests (32 bytes each) of its files, in order."""
    unsigned_sha256: str | None = None
    """The same of the files without their content credentials; None: they have none."""
    provider: str
    """onnxruntime's execution provider, as read from the session that made it."""


class Manifest(BatchSpec):
    """The record of a job, written when it starts and, ``complete``, once all its shards are there."""

    format: Literal[7] = 7
    """Of this record."""
    complete: bool = False
    synthetic: Literal[True] = True
    model_metadata: dict[str, str]
    """What the ONNX file says of itself: family, data version, run, commit, parity."""
    origin: dict[str, JsonValue]
    """How the model was named, and what the name stood for at that time."""
    ganlib: str
    versions: dict[str, str]
    """Of the parts that decide the files' bytes; a job is only resumed with the same ones."""
    digest: str | None = None
    """SHA-256 of the digests (32 bytes each) of all files with images, in order: the same whatever PNG's shard size. Of
    files with content credentials it is of what they are without, which is the same whoever signs, and when."""
    shards: tuple[Shard, ...] = ()


def encoded(manifest: Manifest) -> bytes:
    """The record as it is kept."""
    return json_bytes(manifest.model_dump(mode="json"))


def _upgraded(fields: Any) -> Any:
    """Return a manifest's ``fields`` as format 7 has them.

    6 had no metadata, 5 no marks, and 4 had the condition in words and MNIST alone.
    """
    if not isinstance(fields, dict):
        return fields
    words = isinstance(fields.get("condition"), str)
    return {**fields, "format": 7} if fields.get("format") in ((4,) if words else (5, 6)) else fields


def read(out: Where) -> Manifest | None:
    """The manifest in ``out``; ``None`` if there is none.

    Raises:
        BadInput: it is damaged, or of a format that this version does not know.
    """
    storage = locate(out)
    path = f"{storage}/{FILE}"
    try:
        manifest = Manifest.model_validate(_upgraded(json.loads(storage.read(FILE))))
        form = formats.load(formats.require(manifest.file_format))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}.") from error
    except (ValidationError, ValueError, BadInput) as error:
        raise BadInput(
            f"{path} is damaged or not a manifest of this version of ganlib; nothing was changed. "
            "Put back a copy of it, or choose another folder."
        ) from error
    if manifest.complete and [shard.name for shard in manifest.shards] != [
        form.shard_name(number) for number in range(manifest.shard_count)
    ]:
        raise BadInput(
            f"{path} is damaged: its shards are not those of {manifest.count:,} images; nothing was changed."
        )
    return manifest


def of_job(storage: Storage) -> Manifest | None:
    """The manifest of the job in ``storage``, whichever machine began it; None: the folder is new.

    Raises:
        BadInput: as :func:`read`; or files are there, and no job of ours.
    """
    if manifest := read(storage):
        return manifest
    others = [name.rstrip("/") for name in storage.names() if not _is_scratch(name)]
    if not others or (manifest := read(storage)):  # another machine began it between the first look and the list
        return manifest
    raise BadInput(
        f"{storage} is not empty ({', '.join(others[:3])}{', ...' if len(others) > 3 else ''}) "
        "and holds no job of ours; nothing was changed. Choose another folder."
    )


def _is_scratch(name: str) -> bool:
    """Whether a process of ours that was killed before its first manifest can have left ``name``."""
    return name == LOCK or (name.startswith(f".{FILE}.") and name.endswith(".part"))
