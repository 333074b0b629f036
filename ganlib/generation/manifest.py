"""What a folder of generated images says of itself, and how its images are cut into shards."""

from __future__ import annotations

import json
from typing import Literal, get_args

from pydantic import JsonValue, ValidationError

from ganlib.config import Frozen
from ganlib.errors import BadInput
from ganlib.files import json_bytes
from ganlib.generation.storage import Where, locate

FILE = "manifest.json"

RECORD: Literal[4] = 4
"""The newest format of manifests, which new jobs have."""

FileFormat = Literal["png", "npy", "npz", "parquet", "webdataset", "zarr"]
FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)


class Job(Frozen):
    """What decides the files of a folder. A folder is resumed by the same job only."""

    model_sha256: str
    seed: int
    count: int
    shard_size: int
    block: int
    """Images one call of onnxruntime works on."""
    noise: str
    """The algorithm that makes noise of (seed, index)."""
    condition: str = "none"
    """What was asked of a conditional model."""
    provider: str
    """onnxruntime's execution provider, as read from the session."""
    start: int = 0
    """Number of the first image."""
    file_format: FileFormat = "png"
    truncation: float = 1.0
    """What the noise is multiplied by."""

    @property
    def asked(self) -> Literal["label", "caption"] | None:
        """The kind of thing that was asked of a conditional model."""
        if self.condition.startswith("label"):
            return "label"
        return "caption" if self.condition.startswith("caption") else None

    @property
    def shard_count(self) -> int:
        """How many shards there are; the last one may be smaller."""
        return -(-self.count // self.shard_size)

    def images(self, shard: int) -> range:
        """Indices of the images in ``shard``."""
        first, last = shard * self.shard_size, min((shard + 1) * self.shard_size, self.count)
        return range(self.start + first, self.start + last)

    def shard_of(self, index: int) -> int:
        """The shard that image number ``index`` is in."""
        return (index - self.start) // self.shard_size

    def differences(self, other: Job) -> list[str]:
        """Where ``self`` (what is there) and ``other`` (what is asked for) differ, in words."""
        return [
            f"{name} is {getattr(self, name)}, not {getattr(other, name)}"
            for name in Job.model_fields
            if getattr(self, name) != getattr(other, name)
        ]


class Shard(Frozen):
    """A file or folder of ``count`` images from image ``start`` on."""

    name: str
    start: int
    count: int
    sha256: str
    """Of the SHA-256 digests (32 bytes each) of its files, in order."""
    provider: str | None = None
    """onnxruntime's execution provider, as read from the session that made it; None: of an earlier ganlib."""


class Manifest(Job):
    """The record of a job, written when it starts and, ``complete``, once all its shards are there."""

    format: Literal[1, 2, 3, 4] = RECORD
    """Of this record. Pillow made the PNG files of formats 1 and 2; in those of 1 it is not written what was asked.
    Up to format 3 the pixels are packed."""
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
    """SHA-256 of the digests (32 bytes each) of all files, in order: of PNG files the same whatever the shard size."""
    shards: tuple[Shard, ...] = ()


SUFFIXES: dict[FileFormat, str] = {
    "png": "",
    "npy": ".npy",
    "npz": ".npz",
    "parquet": ".parquet",
    "webdataset": ".tar",
    "zarr": ".zarr",
}


def shard_name(shard: int, file_format: FileFormat = "png") -> str:
    """The file or folder of shard number ``shard``."""
    return f"shard-{shard:05d}{SUFFIXES[file_format]}"


def file_name(index: int) -> str:
    """The file of image number ``index``, in its shard's folder."""
    return f"{index:08d}.png"


def encoded(manifest: Manifest) -> bytes:
    """The record as it is kept."""
    return json_bytes(manifest.model_dump(mode="json"))


def read(out: Where) -> Manifest | None:
    """The manifest in ``out``; ``None`` if there is none.

    Raises:
        BadInput: it is damaged, or of a format that this version does not know.
    """
    storage = locate(out)
    path = f"{storage}/{FILE}"
    try:
        manifest = Manifest.model_validate(json.loads(storage.read(FILE)))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}.") from error
    except (ValidationError, ValueError) as error:
        raise BadInput(
            f"{path} is damaged or not a manifest of this version of ganlib; nothing was changed. "
            "Put back a copy of it, or choose another folder."
        ) from error
    if manifest.complete and [shard.name for shard in manifest.shards] != [
        shard_name(k, manifest.file_format) for k in range(manifest.shard_count)
    ]:
        raise BadInput(
            f"{path} is damaged: its shards are not those of {manifest.count:,} images; nothing was changed."
        )
    return manifest
