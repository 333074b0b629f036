"""Twemoji: 3,781 emoji of 64x64 in colour, in nine classes, with a caption each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_bytes
from ganlib.core.progress import Report
from ganlib.data.importing.files import Files, open_files
from ganlib.data.importing.picture import Layout, Picture, ordered
from ganlib.data.sources import npm
from ganlib.data.sources.dataset import KnownDataset
from ganlib.data.sources.failure import SourceFailure

PACKAGE, VERSION = "emoji-datasource-twitter", "16.0.0"
_LARGEST = 1 << 30  # bytes, unpacked
_PICTURES, _TABLE = "img/twitter/64/", "emoji.json"
_SHA256 = "32ff6fbe8c2a5eface46813a1fc94dfd0e899876756b715643b99f82db98a81a"
_NO_CLASS = "Component"  # five swatches of skin tones
_TONES = {"1F3FB": "light", "1F3FC": "medium-light", "1F3FD": "medium", "1F3FE": "medium-dark", "1F3FF": "dark"}


def from_npm(downloads: Path, report: Report) -> Layout:
    """Return the pictures of the npm package, with its categories as classes and its names as captions.

    Raises:
        SourceFailure: no npm, no registry, or a package that is not the one that was examined.
    """
    tarball = npm.pack(PACKAGE, VERSION, downloads, report)
    try:
        files = open_files(tarball, _LARGEST)
        table = _read(files, _TABLE)
        emoji = list(_emoji(json.loads(table)))
        digest = _digest(files, [name for name, _, _ in emoji], table)
    except (BadInput, KeyError, ValueError) as error:
        tarball.unlink()
        raise SourceFailure(f"{tarball.name} cannot be read: {error}") from error
    if digest != _SHA256:
        tarball.unlink()
        raise SourceFailure(f"{tarball.name}: expected sha256 {_SHA256} of what is read of it, found {digest}")
    pictures = [Picture(name, partial(files.open, name), label, caption) for name, label, caption in emoji]
    return Layout(
        kind=f"the npm package {PACKAGE} {VERSION}",
        pictures=lambda: iter(pictures),
        total=len(pictures),
        class_names=ordered(label for _, label, _ in emoji),
    )


def _emoji(table: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """File, category and caption of every emoji, and of its variations in other skin tones."""
    for row in table:
        if row["category"] == _NO_CLASS:
            continue
        plain = " ".join(row["name"].lower().split())
        yield _PICTURES + row["image"], row["category"], plain
        for tones, variation in row.get("skin_variations", {}).items():
            words = " and ".join(_TONES[tone] for tone in dict.fromkeys(tones.split("-")))
            yield _PICTURES + variation["image"], row["category"], f"{plain}, {words} skin"


def _digest(files: Files, names: list[str], table: bytes) -> str:
    lines = [f"{sha256_bytes(_read(files, name))}  {name}\n" for name in names]
    return sha256_bytes("".join([*lines, f"{sha256_bytes(table)}  {_TABLE}\n"]).encode())


def _read(files: Files, name: str) -> bytes:
    with files.open(name) as stream:
        return stream.read()


DATASET = KnownDataset(
    credit="Twemoji by Twitter and other contributors, CC-BY 4.0; packed by iamcal/emoji-data, MIT",
    sources=((f"npm package {PACKAGE}@{VERSION}", from_npm),),
)
