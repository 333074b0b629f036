"""The DVC stage ``fetch``: MNIST's IDX files in ``data/raw``, or the arrays of another source, verified."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from ganlib.config import DataConfig
from ganlib.core.errors import BadInput, Corrupt, Unavailable
from ganlib.core.events import Remark
from ganlib.core.files import require_writable, sha256_bytes, sha256_file, write_bytes
from ganlib.core.progress import Report, silent
from ganlib.data import importing, known
from ganlib.data.importing import run
from ganlib.data.importing.layout import Source
from ganlib.data.importing.names import own_name
from ganlib.data.mnist import files as mnist
from ganlib.data.mnist.dataset import MNIST
from ganlib.data.mnist.sources import SOURCES, MnistSource
from ganlib.data.raw import MNIST_SOURCE, read_report
from ganlib.data.sources.failure import SourceFailure

_DECIDES = ("source", "source_sha256", "name", "size", "channels", "fit", "background", "max_unreadable", "max_bytes")


def fetch(
    root: Path,
    raw: Path,
    cache: Path,
    config: DataConfig,
    report: Report = silent,
    sources: Sequence[tuple[str, MnistSource]] = SOURCES,
) -> None:
    """Fill ``raw`` with the images of ``data.source``; MNIST's files that are there and whole are kept.

    Args:
        root: what a relative ``data.source`` is relative to.
        raw: nothing else is left in this folder.
        cache: where interrupted downloads wait to be resumed, and an import that was tried out to be used.
        config: ``data`` of params.yaml.
        report: told of progress, and of the reason why a source is skipped.
        sources: where MNIST is asked for, in this order.

    Raises:
        Unavailable: no source gave a known data set.
        BadInput: the user's place cannot be used, or is not what ``data.source_sha256`` says.
    """
    require_writable(raw)
    if config.source == MNIST_SOURCE:
        require_mnist_as_it_is(config)
        names: Collection[str] = mnist.SHA256
        _mnist(raw, cache / "downloads", report, sources)
    else:
        folder = stage(root, cache, config, report)
        names = {*read_report(folder).files, run.REPORT}
        # Whoever is killed from here on leaves no folder that the next one takes for a whole import.
        going = folder.rename(folder.with_suffix(".going"))
        for name in sorted(names, key=lambda name: name == run.REPORT):
            shutil.move(going / name, raw / name)
        going.rmdir()
    for path in raw.iterdir():
        if path.name not in names:
            path.unlink()


def require_mnist_as_it_is(config: DataConfig) -> None:
    """Raise :class:`BadInput` where the configuration asks for MNIST in another form than its own."""
    shape = MNIST.image
    for key, value, own in (
        ("size", config.size, (None, shape.height)),
        ("channels", config.channels, ("auto", shape.channels)),
        ("name", config.name, (None, MNIST.name)),
    ):
        if value not in own:
            raise BadInput(
                f"data.{key} is {value}, but the data set mnist is taken as it was published ({shape}). For another "
                f"form, import its IDX files as images of your own: ganlib data version --from DIR --{key} {value}"
            )


def stage(root: Path, cache: Path, config: DataConfig, report: Report = silent) -> Path:
    """Import ``data.source`` into a folder of ``cache``, or find it there; whoever uses it removes it.

    Raises:
        BadInput, Unavailable: as :func:`fetch` does.
    """
    folder = cache / "imports" / _key(config)
    if folder.is_dir():
        return folder
    shutil.rmtree(folder.parent, ignore_errors=True)
    half = folder.with_suffix(".half")
    if config.source in known.names():
        name = config.source
        layout = known.load(name).open(name, cache / "downloads", report)
    else:
        name = own_name(config.source)
        layout = required_source(root, config).layout
    try:
        run.run(layout, config.name or name, config, half, report)
        half.rename(folder)
    finally:
        shutil.rmtree(half, ignore_errors=True)
    shutil.rmtree(cache / "downloads", ignore_errors=True)
    return folder


def user_place(root: Path, source: str) -> Path:
    """Return the folder or file that ``data.source`` names."""
    return (root / Path(source).expanduser()).resolve()


def required_source(root: Path, config: DataConfig) -> Source:
    """Return the user's place, whose digest must be the recorded one; :class:`BadInput` if it is not."""
    where = user_place(root, config.source)
    again = f"To make its present content a new data version: ganlib data version --from {where}"
    source = Source(where, config.max_bytes)
    if config.source_sha256 is None:
        raise BadInput(f"data.source_sha256 of {where} is not recorded. {again}")
    if (actual := source.digest()) != config.source_sha256:
        raise BadInput(
            f"{where} has changed: its recorded digest is {config.source_sha256}, now it is {actual}. {again}"
        )
    return source


def _key(config: DataConfig) -> str:
    """Equal for equal content, configuration and code."""
    folders = (*importing.__path__, *known.__path__)
    code = [sha256_file(path) for folder in folders for path in sorted(Path(folder).glob("*.py"))]
    parts = [config.model_dump(mode="json", include=set(_DECIDES)), code]
    return sha256_bytes(json.dumps(parts, sort_keys=True).encode())[:32]


def _mnist(raw: Path, downloads: Path, report: Report, sources: Sequence[tuple[str, MnistSource]] = SOURCES) -> None:
    missing = [name for name, sha256 in mnist.SHA256.items() if not _whole(raw / name, sha256)]
    reasons = []
    for title, source in sources:
        if not missing:
            break
        try:
            _take(source, missing, raw, downloads, report)
        except (SourceFailure, Corrupt) as error:
            reasons.append(f"{title}: {error}")
            report.event(Remark(title, {"skipped": str(error)}))
        missing = [name for name in missing if not (raw / name).exists()]
    if missing:
        raise Unavailable(
            f"MNIST could not be fetched; what had arrived is kept in {downloads}. "
            f"Tried {'; '.join(reasons)}. "
            "Try again with a network, or use images of your own: ganlib data version --from PLACE"
        )
    shutil.rmtree(downloads, ignore_errors=True)


def _take(source: MnistSource, missing: Collection[str], raw: Path, downloads: Path, report: Report) -> None:
    for name, data in source(missing, downloads, report):
        write_bytes(raw / name, mnist.verified(name, data))


def _whole(path: Path, sha256: str) -> bool:
    """Whether ``path`` is that file; a damaged one is removed."""
    if not path.is_file():
        return False
    if sha256_file(path) == sha256:
        return True
    path.unlink()
    return False
