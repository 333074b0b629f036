"""Build a gallery: beside where it is to be, and then in the place of the one before, as a whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import ganlib
from ganlib.config import Params
from ganlib.core.errors import BadInput, GanlibError
from ganlib.core.events import Remark
from ganlib.core.files import explained, json_bytes, sha256_bytes
from ganlib.core.locks import hold
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.data.sources.failure import SourceFailure
from ganlib.jobs.gallery import champion as champions
from ganlib.jobs.gallery import pages, runtime
from ganlib.jobs.gallery.content import Collection, RegistryReader
from ganlib.registry.registry import registered_model
from ganlib.serving.app import STATIC as SERVING_STATIC
from ganlib.tracking.reap import open_store

FILE = "gallery.json"
"""In every gallery: what says that the folder is one, and which files are its own."""
_STATIC = Path(__file__).parent / "static"
_DRAWING = ("answers.js", "noise.js", "png.js")
"""Of our files, those that only the page needs on which the champion runs."""


class Gallery(Record):
    """A gallery, as it was built."""

    folder: Path
    model: str
    """The registered model."""
    champion: int | None
    champion_sha256: str | None = None
    versions: int
    files: int
    bytes: int
    draws: bool
    """Whether it has a page on which the champion runs."""
    note: str = ""
    """Why it has none, or what else to know."""

    def summary(self) -> str:
        """Return what was built and how to see it."""
        size = f"{self.files} files, {self.bytes / 1e6:,.1f} MB"
        lines = [f"{self.folder}: {self.model}, versions: {self.versions}, {size}"]
        lines += [self.note] if self.note else []
        return "\n".join([*lines, f"to see it: python -m http.server --directory {self.folder}"])


def gallery(
    project: Project,
    params: Params,
    out: Path,
    *,
    model: str | None = None,
    versions: int = 50,
    onnxruntime_web: Path | None = None,
    report: Report = silent,
) -> Gallery:
    """Write a registered model's gallery to ``out``; one that is there is replaced as a whole.

    Args:
        project: the checkout.
        params: the configuration.
        out: the folder: absent, empty, or a gallery whose files nobody has added to.
        model: the registered model; None: that of the project's data.
        versions: how many of the newest to show, besides those with an alias or a time as champion.
        onnxruntime_web: the npm package of that name, as a tarball or unpacked; None: fetched, if it is not kept yet.
        report: told of progress.

    Raises:
        BadInput: ``out`` holds something else, nothing is registered, or ``onnxruntime_web`` is not that package. What
            was there is as it was.
        Unavailable: the registry cannot be reached; the same.
    """
    require_gallery(out)
    registry = registered_model(open_store(project), params, model)
    with hold(project.state / "gallery.lock", what="gallery"), _beside(out) as folder:
        reader = RegistryReader(project, params, registry, report)
        collection = reader.read(versions)
        note = _draw(folder, project, params, reader, collection, onnxruntime_web, report)
        _write(folder, collection, draws=not note)
        files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        champion = collection.champion
        result = Gallery(
            folder=out,
            model=registry.name,
            champion=champion.version if champion else None,
            champion_sha256=champion.sha256 if champion else None,
            versions=len(collection.exhibits),
            files=len(files) + 1,
            bytes=sum(path.stat().st_size for path in files.values()),
            draws=not note,
            note=note or collection.note,
        )
        digests = {name: sha256_bytes(path.read_bytes()) for name, path in files.items()}
        about = {"ganlib": ganlib.__version__, **result.model_dump(mode="json", exclude={"folder"}), "sha256": digests}
        (folder / FILE).write_bytes(json_bytes(about))
        require_gallery(out)  # somebody may have put something there meanwhile
    return result


def read(folder: Path) -> Mapping[str, object]:
    """Return what :data:`FILE` says of the gallery at ``folder``; empty if there is none that can be read."""
    try:
        about = json.loads((folder / FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def require_gallery(out: Path) -> None:
    """Raise :class:`BadInput` unless ``out`` is absent, empty, or a gallery that holds nothing else."""
    if not os.path.lexists(out):
        return
    if not out.is_dir():
        raise BadInput(f"{out} is a file, and a folder is to be filled. Nothing was changed; choose another name.")
    own = read(out).get("sha256")
    names = {FILE, *own} if isinstance(own, dict) else set()
    strangers = (path for path in out.rglob("*") if not path.is_dir() or path.is_symlink())
    other = next((name for path in strangers if (name := path.relative_to(out).as_posix()) not in names), None)
    if other:
        raise BadInput(f"{out} holds something else than a gallery: {other}. Nothing was changed; name another folder.")


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """Provide a new folder beside ``out`` that takes its place on success, and goes on failure."""
    new, old = (out.with_name(f".{out.name}.{word}") for word in ("new", "old"))
    with explained(out, 0):
        for left in (new, old):  # of a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        new.mkdir(parents=True)
    try:
        with explained(out, 0):
            yield new
            if out.exists():
                out.rename(old)
            new.rename(out)
    finally:
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)


def _write(folder: Path, collection: Collection, *, draws: bool) -> None:
    time = datetime.now(UTC).isoformat(timespec="seconds")
    for place, text in pages.render(collection, time, draws=draws):
        _file(folder / place, text.encode())
    for exhibit in collection.exhibits:
        if exhibit.sheet:
            _file(folder / "sheets" / f"{exhibit.version.version}.png", exhibit.sheet)
    sources = [SERVING_STATIC / "page.css", _STATIC / "gallery.css"]
    sources += [SERVING_STATIC / "page.js", *(_STATIC / name for name in _DRAWING)] if draws else []
    for source in sources:
        _file(folder / "static" / source.name, source.read_bytes())


def _draw(
    folder: Path,
    project: Project,
    params: Params,
    reader: RegistryReader,
    collection: Collection,
    place: Path | None,
    report: Report,
) -> str:
    """Write what the page needs on which the champion runs; why there can be none, or nothing."""
    if collection.champion is None:
        return f"No page on which the champion runs: {collection.note}"
    try:
        files = runtime.find(project.state, place, report)
    except SourceFailure as error:
        note = (
            f"No page on which the champion runs: {runtime.PACKAGE} could not be fetched ({error}). "
            f"Where there is a network: npm pack {runtime.PACKAGE}; then name the file with --onnxruntime-web."
        )
        report.event(Remark("gallery", {"without": note}))
        return note
    try:
        model = reader.open(collection.champion)
    except GanlibError as error:
        return f"No page on which the champion runs: {error}"
    about = champions.describe(collection.champion, model, params.mark)
    _file(folder / "static" / "champion.json", json_bytes(about))
    # By its digest: no cache can hold another under this name.
    for name, source in {**files, f"{model.sha256}.onnx": model.path}.items():
        _file(folder / "static" / name, source.read_bytes())
    return ""


def _file(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
