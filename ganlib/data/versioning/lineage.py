"""Which data version another was made of: ``data/lineage.json``, to be committed beside ``dvc.lock``."""

from __future__ import annotations

from pydantic import Field, ValidationError

from ganlib.core.files import write_json
from ganlib.core.project import Project
from ganlib.core.record import Record


class DataLineage(Record):
    """What a data version was made of."""

    parent: str
    """md5 of the data version before."""
    images: int
    """That were added to it."""
    origin: str
    """Where they came from."""
    time: str
    """UTC, ISO 8601."""


class LineageFile(Record):
    """The whole file."""

    versions: dict[str, DataLineage] = Field({}, description="by the md5 of the data version")


def read(project: Project) -> LineageFile:
    """Return what is recorded; nothing where the file is missing or is no such record."""
    try:
        return LineageFile.model_validate_json((project.root / "data" / "lineage.json").read_bytes())
    except (OSError, ValidationError):
        return LineageFile()


def record(project: Project, md5: str, lineage: DataLineage) -> None:
    """Keep what the data version ``md5`` was made of, unless that is known, or it would be its own parent."""
    file = read(project)
    if md5 not in file.versions and md5 != lineage.parent:
        content = LineageFile(versions={**file.versions, md5: lineage})
        write_json(project.root / "data" / "lineage.json", content.model_dump(mode="json"))
