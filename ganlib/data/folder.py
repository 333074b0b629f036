"""A user's own data: a folder of IDX files, or of one folder of PNG images a digit, turned into IDX files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_bytes, sha256_file
from ganlib.core.progress import Report, silent
from ganlib.data.mnist import files as mnist
from ganlib.data.mnist import idx

_PAIRS = ((mnist.TRAIN_IMAGES, mnist.TRAIN_LABELS), (mnist.TEST_IMAGES, mnist.TEST_LABELS))
_WANTED = (
    f"four IDX files ({', '.join(mnist.SHA256)}; the t10k pair may be left out; .gz is accepted), "
    "or one folder of 28x28 greyscale PNG images for each of 0..9, or two such sets in train/ and test/"
)
_LITTER = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}  # of file managers, which put them anywhere
_NAMED = 12  # things that are told by name; more are counted


def read(folder: Path, report: Report = silent) -> dict[str, bytes]:
    """The data in ``folder`` as IDX files: two of them, or four if it has a test split.

    Raises:
        BadInput: the folder is of no known layout, or names the first file that cannot be used.
    """
    if _is_idx(folder):
        files = {path.name.removesuffix(".gz"): path for path in content(folder)}
        data = {name: idx.read(path) for name, path in files.items()}
        for name, body in data.items():
            (idx.parse_images if "images" in name else idx.parse_labels)(body, files[name].name)
        return data
    if _has_test(folder):
        parts = zip(_PAIRS, (folder / "train", folder / "test"), strict=True)
    else:
        parts = zip(_PAIRS[:1], (folder,), strict=True)
    found = {}
    for (images, labels), part in parts:
        found[images], found[labels] = map(idx.encode, _pngs(part, report))
    return found


def digest(folder: Path) -> str:
    """SHA-256 over the sorted names and SHA-256s of the files that :func:`read` uses."""
    lines = (f"{sha256_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in content(folder))
    return sha256_bytes("".join(lines).encode())


def content(folder: Path) -> list[Path]:
    """The files that :func:`read` uses, sorted by name.

    Raises:
        BadInput: as :func:`read` does for a folder of no known layout.
    """
    if not folder.is_dir():
        raise BadInput(f"data source {folder} is not a folder.")
    if _is_idx(folder):
        return list(_idx_files(folder))
    parts = (folder / "test", folder / "train") if _has_test(folder) else (folder,)
    return [path for part in parts for digit in range(10) for path in _digit_files(part, digit)]


def passed_over(folder: Path) -> str | None:
    """What lies in ``folder`` that :func:`read` does not use, in words; None if nothing does.

    Raises:
        BadInput: as :func:`content` does.
    """
    used = set(content(folder))
    files: Counter[str] = Counter()
    folders: list[str] = []
    entered = {parent for path in used for parent in path.parents}
    waiting = [folder]
    while waiting:
        for path in sorted(waiting.pop().iterdir()):
            if path in entered:
                waiting.append(path)
            elif path.is_dir():
                inside = sum(each.is_file() for each in path.rglob("*"))
                folders.append(f"{path.relative_to(folder).as_posix()}/ ({inside:,} file{'s' if inside != 1 else ''})")
            elif path not in used:
                files[path.name] += 1
    names = [name if count == 1 else f"{name} ({count:,} times)" for name, count in sorted(files.items())]
    return _listed(sorted(folders) + names)


def _listed(names: list[str]) -> str | None:
    """The first of ``names``, and how many more there are."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}" if names else None


def _is_idx(folder: Path) -> bool:
    return any((folder / f"{name}{ending}").exists() for name in mnist.SHA256 for ending in ("", ".gz"))


def _has_test(folder: Path) -> bool:
    return (folder / "train").is_dir() and (folder / "test").is_dir()


def _idx_files(folder: Path) -> Iterator[Path]:
    for name in sorted(mnist.SHA256):
        there = [path for path in (folder / name, folder / f"{name}.gz") if path.exists()]
        if len(there) > 1:
            raise BadInput(f"{folder} holds both {name} and {name}.gz: remove one.")
        yield from there
    for pair in _PAIRS:
        missing = [name for name in pair if not any((folder / f"{name}{ending}").exists() for ending in ("", ".gz"))]
        if len(missing) == 1 or (missing and pair == _PAIRS[0]):
            raise BadInput(f"{folder} lacks {missing[0]}. Wanted: {_WANTED}.")


def _digit_files(folder: Path, digit: int) -> list[Path]:
    inside = folder / str(digit)
    if not inside.is_dir():
        digits = set(map(str, range(10)))
        others = _listed(sorted(path.name for path in folder.iterdir() if path.name not in digits))
        raise BadInput(
            f"{folder} has no folder {digit!r}. Wanted: {_WANTED}." + (f" There is: {others}." if others else "")
        )
    files = sorted((path for path in inside.iterdir() if not _is_litter(path)), key=lambda path: path.name)
    wrong = [path for path in files if path.suffix.lower() != ".png" or not path.is_file()]
    if wrong:
        more = f" ({len(wrong) - 1:,} more like it in that folder)" if len(wrong) > 1 else ""
        raise BadInput(f"{wrong[0]} is not a PNG file{more}. Take it out, or convert it.")
    return files


def _is_litter(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in _LITTER


def _pngs(folder: Path, report: Report) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [n, 28, 28] and [n]."""
    files = [(digit, path) for digit in range(10) for path in _digit_files(folder, digit)]
    if not files:
        raise BadInput(f"{folder} holds no images.")
    images = np.empty((len(files), 28, 28), np.uint8)
    refusals: list[BadInput] = []
    for place, (_, path) in enumerate(files):
        try:
            images[place] = _png(path)
        except BadInput as error:
            refusals.append(error)
        if place % 1000 == 999 or place + 1 == len(files):
            report.advance(f"read {folder.name}", place + 1, len(files))
    if refusals:
        more = f" {len(refusals) - 1:,} more files cannot be used either." if len(refusals) > 1 else ""
        raise BadInput(f"{refusals[0]}{more}") from refusals[0]
    return images, np.array([digit for digit, _ in files], np.uint8)


def _png(path: Path) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as image:
            # Size and mode are of the header: nothing large is decompressed before they are known to fit.
            if image.size != (28, 28) or image.mode != "L":
                raise BadInput(
                    f"{path} is {image.width}x{image.height} of mode {image.mode}; "
                    "28x28 of mode L (8-bit greyscale) is wanted."
                )
            return np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise BadInput(f"{path} is not a readable PNG: {error}") from error
