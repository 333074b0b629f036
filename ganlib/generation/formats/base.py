"""What a shard's format has to know: the names of its files, how to write them, and when one is cut short."""

from __future__ import annotations

import importlib.metadata
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ganlib.generation.mark import SYNTHETIC, of_all

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ganlib.data.spec import DatasetSpec, ImageShape
    from ganlib.generation.session import ImageBlock
    from ganlib.generation.spec import BatchSpec
    from ganlib.generation.storage.base import Storage

Add = Callable[["ImageBlock"], None]


class Format(ABC):
    """One way to keep a shard. Its bytes depend on the images, the job and the versions of ``packages`` alone."""

    suffix: str = ""
    """Of a shard's name."""
    sums_inside: bool = False
    """Whether the list of digests lies in the shard, rather than beside it, where readers expect nothing else."""
    marks_images: bool = False
    """Whether each image has its marks with it; the others' are in a file beside the shards."""
    files_per_image: int = 0
    """Files that each image takes of the file system."""
    files_per_shard: int = 30
    """An upper bound of the files and folders that a shard takes besides, its list of digests among them."""
    metadata: str = ""
    """Name of the file in a shard's folder that tells readers what was asked of each image; empty: none is needed."""
    data_files: str = ""
    """Pattern of the files that Hugging Face's ``load_dataset`` is to read; empty: it reads none of this format."""
    packages: tuple[str, ...] = ()
    """Distributions besides numpy and onnxruntime whose versions decide bytes."""
    shard_bytes: int = 65536
    """An upper bound of what a shard takes besides its images and the names of the classes."""

    def image_bytes(self, spec: DatasetSpec) -> int:
        """Return an upper bound of what an image of ``spec`` takes, with its label or caption."""
        return spec.image.nbytes + _BESIDE

    def shard_name(self, shard: int) -> str:
        """Return the name of shard number ``shard``: a file or a folder."""
        return f"shard-{shard:05d}{self.suffix}"

    def versions(self) -> dict[str, str]:
        """Return the versions of what decides bytes besides numpy and onnxruntime."""
        return {package: importlib.metadata.version(package) for package in self.packages}

    def files(self, job: BatchSpec, shard: int) -> list[str]:
        """Names of the shard's files, relative to the shard, in order; ``[""]`` if the shard is itself a file."""
        return [""]

    @abstractmethod
    def writing(self, path: Path, job: BatchSpec, shard: int, sums: dict[str, str]) -> AbstractContextManager[Add]:
        """Make the shard at ``path``, where nothing is yet: the context takes its images in order.

        Digests that are known on the way go into ``sums``, SHA-256 by file name; the others are taken afterwards.
        """

    @abstractmethod
    def images(self, storage: Storage, job: BatchSpec, shard: int, rows: NDArray[Any]) -> NDArray[Any]:
        """The images at ``rows`` (ascending) of a shard, uint8 [n, channels, height, width], read from its files."""

    @abstractmethod
    def is_cut(self, storage: Storage, name: str) -> bool:
        """Whether the file ``name`` lacks its end.

        Raises:
            OSError: it cannot be read.
        """


_BESIDE = 240  # bytes of number, seed, and label or caption


def rows_at(file: IO[bytes], start: int, step: int, rows: NDArray[Any], shape: ImageShape) -> NDArray[Any]:
    """Return the images of ``shape`` of which image r begins at byte ``start + step * r`` of ``file``."""
    import numpy as np

    images = np.empty((len(rows), *shape.dims), np.uint8)
    for at, row in enumerate(rows.tolist()):
        file.seek(start + step * row)
        images[at] = np.frombuffer(file.read(shape.nbytes), np.uint8).reshape(shape.dims)
    return images


def columns(job: BatchSpec, block: ImageBlock) -> dict[str, NDArray[Any]]:
    """What is kept of each image, n rows each, little-endian.

    ``image`` uint8 [n, channels, height, width], ``index`` int64, ``seed`` uint64 and, as asked, ``label`` int64 or
    ``caption`` as zero-padded UTF-8 bytes.
    """
    import numpy as np

    table: dict[str, NDArray[Any]] = {
        "image": block.images,
        "index": np.arange(block.first, block.stop, dtype="<i8"),
        "seed": np.full(len(block.images), job.seed, "<u8"),
    }
    if "label" in block.conditions:
        table["label"] = block.conditions["label"].astype("<i8")
    if "caption" in block.conditions:
        table["caption"] = _strings(block.conditions["caption"])
    return table


def facts(job: BatchSpec) -> dict[str, str]:
    """What a file says of its origin, where its format has a place for that."""
    cut = {"ganlib:truncation": repr(job.truncation)} if job.truncation != 1 else {}
    names = class_names(job)
    classes = {"ganlib:class_names": json.dumps(names, ensure_ascii=False)} if names else {}
    marks = of_all(job.mark, job.model_sha256, job.seed) if job.mark else {}
    return {
        "ganlib:synthetic": SYNTHETIC,
        "ganlib:model_sha256": job.model_sha256,
        "ganlib:condition": str(job.condition),
        **cut,
        **classes,
        **{f"ganlib:{name}": value for name, value in marks.items()},
    }


def class_names(job: BatchSpec) -> tuple[str, ...]:
    """Return the names that the labels of ``job`` stand for; none where it has no labels, or a name is its number."""
    return spoken_names(job.dataset) if job.condition.input_name == "label" else ()


def spoken_names(spec: DatasetSpec) -> tuple[str, ...]:
    """Return the names of the classes, unless each is the label itself, as "7" is."""
    return () if spec.class_names == tuple(map(str, range(spec.num_classes))) else spec.class_names


def texts(spec: DatasetSpec, conditions: Mapping[str, NDArray[Any]]) -> list[dict[str, str]] | None:
    """Return what was asked, image by image; None: nothing.

    As in ``{"label": "7"}``, ``{"label": "1", "class": "shoe"}`` or ``{"caption": "a thin seven"}``.
    """
    if "label" in conditions:
        names = spoken_names(spec)
        labels = conditions["label"].tolist()
        return [{"label": str(label), **({"class": names[label]} if names else {})} for label in labels]
    if "caption" in conditions:
        return [{"caption": text.decode()} for text in _strings(conditions["caption"]).tolist()]
    return None


def _strings(codes: NDArray[Any]) -> NDArray[Any]:
    """Rows of bytes, zero-padded, as numpy's byte strings [n]."""
    import numpy as np

    return np.ascontiguousarray(codes.astype(np.uint8)).view(f"S{codes.shape[1]}")[:, 0]
