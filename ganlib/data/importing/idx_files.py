"""IDX files of any size of image and number of labels: a pair for training, and perhaps one for testing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ganlib.core.errors import BadInput
from ganlib.data import idx
from ganlib.data.importing.files import Files
from ganlib.data.importing.folders import passed_over
from ganlib.data.importing.picture import GivenSplit, Layout, Picture, ordered

_NAME = re.compile(r"(?P<head>.*?)(?P<kind>images|labels)[-._]idx[13][-._]ubyte(\.gz)?", re.IGNORECASE)
_TEST = re.compile(r"t10k|test", re.IGNORECASE)


class _Pair(NamedTuple):
    """Files of images and of their labels."""

    images: str
    labels: str
    split: GivenSplit | None


def pairs(files: Files) -> list[_Pair]:
    """Return the pairs of IDX files at the top of a place, training first; none if it is of another layout.

    Raises:
        BadInput: one of a pair is missing, or is there both plain and compressed, or there are more than two pairs.
    """
    by_stem: dict[str, dict[str, str]] = {}
    for name in files.names:
        if (match := _NAME.fullmatch(name)) and "/" not in name:
            kinds = by_stem.setdefault(match["head"], {})
            kind = match["kind"].lower()
            if kind in kinds:
                raise BadInput(f"{files.place} holds both {kinds[kind]} and {name}: remove one.")
            kinds[kind] = name
    for kinds in by_stem.values():
        for kind, other in (("images", "labels"), ("labels", "images")):
            if kind not in kinds:
                raise BadInput(f"{files.place} lacks the {kind} of {kinds[other]}.")
    tests = [head for head in by_stem if _TEST.search(head)]
    if len(tests) > 1 or len(by_stem) - len(tests) > 1 or len(tests) == len(by_stem) != 0:
        raise BadInput(
            f"{files.place} holds IDX files of {', '.join(sorted(by_stem))}: one pair for training is needed, and "
            "perhaps one for testing (t10k or test in its name)."
        )
    train: GivenSplit | None = "train" if tests else None
    found_pairs = [
        _Pair(each["images"], each["labels"], "test" if head in tests else train) for head, each in by_stem.items()
    ]
    return sorted(found_pairs, key=lambda pair: pair.split == "test")


def recognise(files: Files, idx_pairs: list[_Pair]) -> Layout:
    """Return the layout of a place with IDX files; their images are in memory while it is used.

    Raises:
        BadInput: a file is damaged (the byte is told), or a pair is not of one length.
    """
    parts = []
    for pair in idx_pairs:
        images = idx.parse(_read(files, pair.images), pair.images, idx.IMAGE)
        labels = idx.parse(_read(files, pair.labels), pair.labels, idx.LABEL)
        if len(images) != len(labels):
            raise BadInput(f"{pair.images} holds {len(images):,} images, {pair.labels} {len(labels):,} labels.")
        parts.append((pair, images, labels))
    class_names = ordered(str(label) for _, _, labels in parts for label in np.unique(labels))
    if len(class_names) < 2:
        raise BadInput(f"{files.place} has one label only ({class_names[0]}); at least two are needed.")
    names = tuple(sorted(name for pair in idx_pairs for name in (pair.images, pair.labels)))

    def pictures() -> Iterator[Picture]:
        for pair, images, labels in parts:
            for row, (image, label) in enumerate(zip(images, labels, strict=True)):
                yield Picture(f"{pair.images} image {row:,}", image, str(label), None, pair.split)

    return Layout(
        kind=f"IDX files ({', '.join(names)})",
        pictures=pictures,
        total=sum(len(labels) for _, _, labels in parts),
        class_names=class_names,
        files=names,
        rest=passed_over(files.names, names),
    )


def _read(files: Files, name: str) -> bytes:
    with files.open(name) as stream:
        data = stream.read()
    return idx.gunzip(data, name) if data.startswith(idx.GZIP) else data
