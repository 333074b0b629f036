"""The DVC stage ``fetch``: the source's IDX files in ``data/raw``, verified."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from ganlib.config import DataConfig
from ganlib.core.errors import BadInput, Corrupt, Unavailable
from ganlib.core.events import Remark
from ganlib.core.files import require_space, require_writable, sha256_file, write_bytes
from ganlib.core.progress import Report, silent
from ganlib.data import folder
from ganlib.data.mnist import files as mnist
from ganlib.data.mnist.sources import SOURCES, Source
from ganlib.data.mnist.sources.failure import SourceFailed


def fetch(
    root: Path,
    raw: Path,
    downloads: Path,
    config: DataConfig,
    report: Report = silent,
    sources: Sequence[tuple[str, Source]] = SOURCES,
) -> None:
    """Fill ``raw`` with the files of ``data.source``; MNIST's files that are there and whole are kept.

    Args:
        root: what a relative ``data.source`` is relative to.
        raw: nothing else is left in this folder.
        downloads: where interrupted downloads wait to be resumed.
        config: ``data`` of params.yaml.
        report: told of progress, and of the reason why a source is skipped.
        sources: where MNIST is asked for, in this order.

    Raises:
        Unavailable: no source gave MNIST.
        BadInput: the user's folder cannot be used, or is not what ``data.source_sha256`` says.
    """
    require_writable(raw)
    if config.source == "mnist":
        names: Collection[str] = mnist.SHA256
        _mnist(raw, downloads, report, sources)
    else:
        files = user_files(root, config, report)
        names = files
        require_space(raw, sum(map(len, files.values())))
        for name, data in files.items():
            write_bytes(raw / name, data)
    for path in raw.iterdir():
        if path.name not in names:
            path.unlink()


def user_folder(root: Path, source: str) -> Path:
    """The folder that ``data.source`` names."""
    return (root / Path(source).expanduser()).resolve()


def user_files(root: Path, config: DataConfig, report: Report = silent) -> dict[str, bytes]:
    """The IDX files of the user's folder, whose digest must be the recorded one."""
    where = user_folder(root, config.source)
    require_recorded(where, config)
    return folder.read(where, report)


def require_recorded(where: Path, config: DataConfig) -> None:
    """Raise :class:`BadInput` unless the content of ``where`` has the digest ``data.source_sha256``."""
    again = f"To make its present content a new data version: ganlib data version --from {where}"
    if config.source_sha256 is None:
        raise BadInput(f"data.source_sha256 of {where} is not recorded. {again}")
    if (actual := folder.digest(where)) != config.source_sha256:
        raise BadInput(
            f"{where} has changed: its recorded digest is {config.source_sha256}, now it is {actual}. {again}"
        )


def _mnist(raw: Path, downloads: Path, report: Report, sources: Sequence[tuple[str, Source]] = SOURCES) -> None:
    missing = [name for name, sha256 in mnist.SHA256.items() if not _whole(raw / name, sha256)]
    reasons = []
    for title, source in sources:
        if not missing:
            break
        try:
            _take(source, missing, raw, downloads, report)
        except (SourceFailed, Corrupt) as error:
            reasons.append(f"{title}: {error}")
            report.event(Remark(title, {"skipped": str(error)}))
        missing = [name for name in missing if not (raw / name).exists()]
    if missing:
        raise Unavailable(
            f"MNIST could not be fetched; what had arrived is kept in {downloads}. "
            f"Tried {'; '.join(reasons)}. "
            "Try again with a network, or use files of your own: ganlib data version --from DIR"
        )
    shutil.rmtree(downloads, ignore_errors=True)


def _take(source: Source, missing: Collection[str], raw: Path, downloads: Path, report: Report) -> None:
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
