"""The data version on a page: counts a class, sizes, what was set aside, and a sheet of its images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.data.importing.record import ImportReport
from ganlib.data.raw import read_report
from ganlib.data.splits import SPLITS, file_names
from ganlib.data.versioning import state
from ganlib.data.versioning.record import DataVersion, Summary

if TYPE_CHECKING:
    from ganlib.tracking.runs import Run

PAGE, SHEET = "data/report.md", "data/sheet.png"
"""Artifacts of an MLflow run."""
_ACROSS, _CLASSES = 10, 20  # images a class, and classes, on the sheet
_BLANK = 64  # level of places for which a class has no image


def contact_sheet(project: Project) -> bytes:
    """Return a PNG of training images: a row a class for the first twenty, ten images each; without labels, a hundred.

    Raises:
        BadInput: there is no data version.
    """
    from ganlib.generation.pictures.contact_sheet import contact_sheet as sheet

    spec = state.summary(project).spec
    image_file, label_file, _ = (project.prepared / name for name in file_names("train"))
    images = np.load(image_file, mmap_mode="r", allow_pickle=False)
    if spec.class_names:
        labels = np.load(label_file, allow_pickle=False)
        rows = [_spread(np.flatnonzero(labels == label), _ACROSS) for label in range(min(spec.num_classes, _CLASSES))]
    else:
        rows = [_spread(np.arange(len(images)), _ACROSS**2)]
    blocks = [np.full((len(row) + -len(row) % _ACROSS, *spec.image.dims), _BLANK, np.uint8) for row in rows]
    for part, row in zip(blocks, rows, strict=True):
        part[: len(row)] = images[row].reshape(len(row), *spec.image.dims)
    return sheet(np.concatenate(blocks), None, columns=_ACROSS, scale=max(1, 64 // spec.image.width))


def page(project: Project) -> str:
    """Return the report as Markdown.

    Raises:
        BadInput: there is no data version.
    """
    data, summary = state.describe(project), state.summary(project)
    counts = ", ".join(f"{count:,} {name}" for name, count in data.counts.items())
    lines = [
        f"# Data version {data.id}: {data.spec.name}",
        f"{counts} images of {data.spec.image} (channels x height x width), from `{data.source}`.",
        *_imported(project),
        *([f"{data.twins}."] if data.twins else []),
        *_classes(data, summary),
    ]
    return "\n\n".join(lines) + "\n"


def attach(project: Project, run: Run) -> None:
    """Log page and sheet to an MLflow run."""
    run.text(page(project), PAGE)
    run.image(contact_sheet(project), SHEET)


def _spread(places: np.ndarray, count: int) -> np.ndarray:
    """At most ``count`` of ``places``, evenly spaced."""
    return places[np.linspace(0, len(places) - 1, min(count, len(places))).astype(np.int64)]


def _imported(project: Project) -> list[str]:
    try:
        report: ImportReport = read_report(project.raw)
    except BadInput:  # MNIST, which is taken as it was published, or a version from before imports were reported
        return []
    sizes, rules = report.sizes, report.rules
    lines = [
        f"The source: {report.layout}. Pictures of {sizes.smallest} to {sizes.largest} "
        f"({sizes.different:,} size{'s' if sizes.different != 1 else ''}; median side {sizes.median_side}); "
        f"kinds of pixels: {', '.join(f'{count:,} {mode}' for mode, count in report.modes.items())}.",
        f"Rules: side {rules.size}, channels {rules.channels}, fit {rules.fit}, "
        f"background #{bytes(rules.background).hex()}, white of deeper pictures {rules.white:,}.",
    ]
    if report.set_aside:
        rows = [f"| `{aside.name}` | {aside.reason} |" for aside in report.first_set_aside]
        more = [f"and {report.set_aside - len(rows):,} more"] if report.set_aside > len(rows) else []
        lines.append(
            "\n".join([f"{report.set_aside:,} set aside:\n", "| picture | reason |", "|---|---|", *rows, *more])
        )
    if report.not_used:
        lines.append(f"Not used: {report.not_used}.")
    return lines + [f"- {note}" for note in report.notes]


def _classes(data: DataVersion, summary: Summary) -> list[str]:
    if not data.spec.class_names:
        return ["The images have no labels."]
    rows = [
        f"| {name} | {' | '.join(f'{summary.classes[split][label]:,}' for split in SPLITS)} |"
        for label, name in enumerate(data.spec.class_names)
    ]
    return ["\n".join([f"| class | {' | '.join(SPLITS)} |", "|---" * (1 + len(SPLITS)) + "|", *rows])]
