"""Pictures in one folder a class, or in one folder without labels; each perhaps in ``train/`` and ``test/``."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import NamedTuple

from ganlib.core.errors import BadInput
from ganlib.data.importing.decode import SUFFIXES, UNREADABLE_SUFFIXES
from ganlib.data.importing.files import Files
from ganlib.data.importing.picture import TEST_NAMES, VALIDATION_NAMES, GivenSplit, Layout, Picture, listed, ordered

LAYOUTS = (
    "Wanted: a folder a class with pictures in each (or two such sets in train/ and test/); or a folder of pictures "
    "without labels; or a table metadata.csv beside pictures; or Parquet files; or IDX files"
)
_TRAIN_NAMES = ("train", "training")
_OF_SPLITS = re.compile(r"[ _-]?(set|data|images)$")
"""What people add to the name of a split's folder, as in ``test_set``."""


class _Part(NamedTuple):
    """A folder whose pictures go to one split."""

    prefix: str
    split: GivenSplit | None


def recognise(files: Files) -> Layout:
    """Return the layout of a place that holds pictures as files.

    Raises:
        BadInput: there are no pictures, only one class, or folders deeper than a class; says what there is.
    """
    pictures = [name for name in files.names if is_picture(name)]
    if not pictures:
        raise BadInput(f"{files.place} holds no pictures. {LAYOUTS}. There is: {_endings(files.names) or 'nothing'}.")
    parts, notes = split_folders(pictures)
    between = _between(parts[0], pictures)
    labelled = any("/" in name.removeprefix(parts[0].prefix) for name in _in(parts[0], pictures))
    if labelled and (others := [part.prefix for part in parts[1:] if not _has_classes(part, pictures, between)]):
        parts, notes = split_folders(name for name in pictures if not name.startswith(tuple(others)))
        notes += [f"{prefix} has no folder for each class: not used" for prefix in others]
    names: list[str] = []
    listing: list[Picture] = []
    for part in parts:
        for name in _in(part, pictures):
            *folders, _ = name.removeprefix(part.prefix).split("/")
            if folders[1:] != ([between] if between else []) or len(folders) < labelled:
                continue
            names.append(name)
            label = unicodedata.normalize("NFC", folders[0]) if labelled else None
            listing.append(Picture(name, partial(files.open, name), label, None, part.split))
    class_names = ordered(str(picture.label) for picture in listing) if labelled else ()
    if labelled and (not listing or len(class_names) < 2):
        raise _no_classes(files, pictures, class_names, len(listing))
    kind = f"a folder for each of {len(class_names):,} classes" if labelled else "a folder of pictures without labels"
    rest = passed_over(files.names, names)
    listing.sort(
        key=lambda picture: (picture.split == "test", class_names.index(picture.label) if picture.label else 0)
    )
    return Layout(
        kind + _splits_remark(parts),
        lambda: iter(listing),
        len(listing),
        class_names,
        tuple(names),
        rest,
        tuple(notes),
    )


def _endings(names: Iterable[str]) -> str | None:
    """What files there are, by the ends of their names, which tell pictures."""
    counts = Counter(PurePosixPath(name).suffix.lower() for name in names)
    texts = (
        (count, f"named *{end}" if end else "without an ending such as .png") for end, count in counts.most_common()
    )
    return listed(f"{count:,} file{'s' if count != 1 else ''} {what}" for count, what in texts)


def is_picture(name: str) -> bool:
    """Whether ``name`` ends like a picture's, also one of a format that is not read."""
    return name.lower().endswith(SUFFIXES + UNREADABLE_SUFFIXES)


def split_folders(names: Iterable[str]) -> tuple[list[_Part], list[str]]:
    """Return the folders whose content is a split of its own, and remarks; one part with no name if there are none.

    ``train/`` alone is a split by name only. ``validation/`` takes the place of ``test/`` where that is not there,
    and is training data otherwise.
    """
    tops = dict.fromkeys(name.partition("/")[0] for name in names if "/" in name)
    train, test, validation = (
        next((top for top in tops if _OF_SPLITS.sub("", top.lower()) in split_names), None)
        for split_names in (_TRAIN_NAMES, TEST_NAMES, VALIDATION_NAMES)
    )
    if train is None:
        return [_Part("", None)], []
    notes, parts = [], [_Part(f"{train}/", "train" if test or validation else None)]
    if test:
        parts.append(_Part(f"{test}/", "test"))
    if validation:
        parts.append(_Part(f"{validation}/", "train" if test else "test"))
        remark = f"counted into {train}/, of which validation is drawn" if test else "the test split: there is no test/"
        notes.append(f"{validation}/ is {remark}")
    return parts, notes


def _between(part: _Part, pictures: list[str]) -> str | None:
    """Return the folder that lies between every class and its pictures, as ``images`` in ``CLASS/images/1.png``.

    Tiny ImageNet is published so. None if the pictures of ``part`` lie otherwise.
    """
    folders = {tuple(name.removeprefix(part.prefix).split("/")[:-1]) for name in _in(part, pictures)}
    middles = {names[1:] for names in folders}
    return middles.pop()[0] if len(folders) > 1 and len(middles) == 1 and len(min(middles)) == 1 else None


def _has_classes(part: _Part, pictures: list[str], between: str | None) -> bool:
    """Whether ``part`` has a folder for each class, as tests without answers have not."""
    depth = 2 if between else 1
    return any(name.removeprefix(part.prefix).count("/") >= depth for name in _in(part, pictures))


def passed_over(names: Iterable[str], layout_files: Iterable[str]) -> str | None:
    """Return in words what is among ``names`` and not among ``layout_files``; None if nothing is."""
    layout_names = set(layout_files)
    layout_folders = {""} | {name[: at + 1] for name in layout_names for at, letter in enumerate(name) if letter == "/"}
    files: Counter[str] = Counter()
    folders: Counter[str] = Counter()
    for name in names:
        if name in layout_names:
            continue
        outside = next((head for head in _heads(name) if head not in layout_folders), None)
        if outside is None:
            files[name.rpartition("/")[2]] += 1
        else:
            folders[outside] += 1
    texts = [f"{name} ({count:,} file{'s' if count != 1 else ''})" for name, count in sorted(folders.items())]
    texts += [name if count == 1 else f"{name} ({count:,} times)" for name, count in sorted(files.items())]
    return listed(texts)


def _heads(name: str) -> Iterator[str]:
    """``a/``, ``a/b/`` of ``a/b/c.png``."""
    for at, letter in enumerate(name):
        if letter == "/":
            yield name[: at + 1]


def _in(part: _Part, names: list[str]) -> Iterator[str]:
    return (name for name in names if name.startswith(part.prefix))


def _splits_remark(parts: list[_Part]) -> str:
    return f", in {' and '.join(part.prefix for part in parts)}" if len(parts) > 1 else ""


def _no_classes(files: Files, pictures: list[str], class_names: tuple[str, ...], count: int) -> BadInput:
    """There is one class of ``count`` pictures, or most lie deeper: say where, and where a better PLACE begins."""
    if 2 * count > len(pictures):
        return BadInput(
            f"{files.place} holds one class only ({class_names[0]!r}); at least two are needed. For pictures without "
            f"labels name the folder that they lie in: --from {files.path(class_names[0])}. {LAYOUTS}."
        )
    folders = Counter(name.rpartition("/")[0] for name in pictures)
    fullest, most = folders.most_common(1)[0]
    above = fullest.rpartition("/")[0]
    # What lies beside the fullest folder are classes as well, if they are many pictures.
    beside = sum(folder.rpartition("/")[0] == above and 10 * n >= most for folder, n in folders.items())
    place = above if beside > 1 else fullest if 2 * most > len(pictures) else None
    perhaps = f" Perhaps: --from {files.path(place)}" if place else ""
    return BadInput(
        f"{files.place} has its pictures deeper than one folder a class, such as "
        f"{next(name for name in pictures if name.startswith(fullest))}. {LAYOUTS}.{perhaps}"
    )
