"""What would become of a source if it were made the data version."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ganlib.core.errors import BadInput
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.data import fetch
from ganlib.data.divide import classes_without, divide
from ganlib.data.importing.record import ImportReport, PictureSizes
from ganlib.data.raw import MNIST_SOURCE, read_raw, read_report
from ganlib.data.splits import SPLITS
from ganlib.data.versioning.record import Twins
from ganlib.jobs.data.version_data import changed_config, new_values

_MOST_CLASSES = 20  # classes by name


class DataPreview(Record):
    """What would become of a source."""

    source: str
    imported: ImportReport
    counts: dict[str, int]
    """Split -> images."""
    left_out: int
    """Images that are in no split: the source's own test split has the same."""
    twins: Twins | None
    without: dict[str, tuple[str, ...]]
    """Split -> classes of which it would have no image."""

    def __str__(self) -> str:
        """Return lines for people."""
        return "\n".join(_lines(self))


def preview_data(
    project: Project,
    *,
    source: Path | None = None,
    options: Mapping[str, Any] | None = None,
    report: Report = silent,
) -> DataPreview:
    """Import ``source`` (or what params.yaml names) into a temporary folder, split it, and say what came of it.

    Args:
        project: the checkout; nothing in it is changed.
        source: a place, as for ``version_data``.
        options: keys of ``data`` in params.yaml to try.
        report: told of progress.

    Raises:
        BadInput: the source cannot be used, or is mnist, which is taken as it was published.
    """
    config = changed_config(project, new_values(project, source, options or {}))
    if config.source == MNIST_SOURCE:
        raise BadInput("mnist is taken as it was published: nothing to try. Name a place: --from PLACE")
    with tempfile.TemporaryDirectory(prefix="ganlib-") as folder:
        place = fetch.stage(project.root, Path(folder), config, report)
        raw = read_raw(place, config)
        division = divide(raw, config)
        sizes = np.bincount(division.side, minlength=len(SPLITS) + 1).tolist()
        return DataPreview(
            source=config.source,
            imported=read_report(place),
            counts=dict(zip(SPLITS, sizes, strict=False)),
            left_out=sizes[len(SPLITS)],
            twins=division.twins,
            without={split: tuple(names) for split, names in classes_without(raw, division.side).items()},
        )


def _lines(preview: DataPreview) -> list[str]:
    report = preview.imported
    sizes, rules = report.sizes, report.rules
    lines = [
        f"{preview.source}: {report.layout}; {report.images:,} pictures as {report.spec.name}, {report.spec.image} "
        f"(channels x height x width)",
        f"  sizes      {_sizes(sizes)}",
        f"  kinds      {', '.join(f'{count:,} {mode}' for mode, count in report.modes.items())}",
        f"  rules      side {rules.size}, fit {rules.fit}, background #{bytes(rules.background).hex()}",
    ]
    if report.classes:
        classes = [f"{name} {count:,}" for name, count in list(report.classes.items())[:_MOST_CLASSES]]
        more = f", and {len(report.classes) - _MOST_CLASSES:,} more" if len(report.classes) > _MOST_CLASSES else ""
        lines.append(f"  classes    {len(report.classes):,}: {', '.join(classes)}{more}")
    else:
        lines.append("  classes    none: the pictures have no labels")
    lines.append(f"  captions   {'from the table' if report.spec.captions else 'none'}")
    lines.append(f"  splits     {', '.join(f'{count:,} {name}' for name, count in preview.counts.items())}")
    if preview.twins:
        lines.append(f"  twins      {preview.twins}")
    lines += [
        f"  {split} has no image of {', '.join(names[:_MOST_CLASSES])}" for split, names in preview.without.items()
    ]
    if report.set_aside:
        lines.append(f"  set aside  {report.set_aside:,}")
        lines += [f"    {aside.name}: {aside.reason}" for aside in report.first_set_aside[:10]]
    lines += [f"  not used   {report.not_used}"] if report.not_used else []
    return lines + [f"  note       {note}" for note in report.notes] + ["Nothing was changed."]


def _sizes(sizes: PictureSizes) -> str:
    """Name the common sizes where there are such; photographs cut by hand have none."""
    if sizes.different == 1:
        return f"all {sizes.smallest}"
    several = {size: count for size, count in sizes.common.items() if count > 1}
    listing = ", ".join(f"{count:,} of {size}" for size, count in several.items())
    common = f": {listing}{', ...' if sizes.different > len(several) else ''}" if several else ""
    between = f"{sizes.smallest} to {sizes.largest}, median side {sizes.median_side}"
    return f"{between} ({sizes.different:,} different{common})"
