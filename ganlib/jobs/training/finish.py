"""Between the last step and the export: what is fitted, and what is measured that a bare graph cannot show."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ganlib.core.progress import Report, silent
from ganlib.data.splits import load_split

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ganlib.core.project import Project
    from ganlib.evaluation.judge.judge import Judge
    from ganlib.families.parts.base import Family
    from ganlib.tracking.runs import Run

_CHUNK = 1000


def finish(
    project: Project,
    family: Family,
    model: nn.Module,
    run: Run,
    step: int,
    *,
    judge: Callable[[], Judge],
    report: Report = silent,
) -> None:
    """Fit what is fitted rather than trained; log reconstructions, the family's own figures and its pictures.

    Args:
        project: with the data version that was trained on.
        family: after its last step.
        model: the moving average, on the CPU; changed in place.
        run: gets metrics and pictures.
        step: the last one.
        judge: gives the judge of the data, where there is something to judge.
        report: told of progress.
    """
    import torch

    from ganlib.data.batches import scaled
    from ganlib.families.parts.base import TrainingBatch

    family.cpu()
    report.advance(f"finish {family.name}", 0, 1)
    with torch.no_grad():
        family.finish(model, load_split(project.prepared, "train").images)
        test = load_split(project.prepared, "test")
        images = scaled(torch.from_numpy(test.images))
        labels = torch.from_numpy(test.labels)
        captions = None if test.captions is None else torch.from_numpy(test.captions[:_CHUNK])
        figures = family.held_out(model, TrainingBatch(images[:_CHUNK], labels[:_CHUNK], captions=captions))
        figures |= _reconstructions(family, model, images, labels, run, judge)
        for name, rows in family.pictures(model).items():
            run.image(sheet(rows), f"pictures/{name}.png")
    if figures:
        run.log({f"quality/held_out_{name}": value for name, value in figures.items()}, step)
    report.advance(f"finish {family.name}", 1, 1, figures)


def _reconstructions(
    family: Family, model: nn.Module, images: Tensor, labels: Tensor, run: Run, judge: Callable[[], Judge]
) -> dict[str, float]:
    """Return mean squared error and FID of the test split's reconstructions; nothing where there is no encoder."""
    from ganlib.evaluation.distances import frechet_distance, moments
    from ganlib.export.sampler import to_pixels

    pictures = reconstructed(family, model, images, labels)
    if pictures is None:
        return {}
    count = min(40, len(images) // 4 * 4)
    run.image(pairs(images[:count], pictures[:count]), "pictures/reconstructions.png")
    reader = judge()
    ours, theirs = (moments(reader.features(to_pixels(each).numpy()).features) for each in (pictures, images))
    return {
        "reconstruction_mse": squared_error(pictures, images),
        "reconstruction_fid": frechet_distance(ours, theirs),
    }


def reconstructed(family: Family, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor | None:
    """Return ``images`` [n, channels, height, width] through encoder and decoder of the moving average.

    None where there is no encoder.
    """
    import torch

    parts = []
    for chunk, chunk_labels in zip(torch.split(images, _CHUNK), torch.split(labels, _CHUNK), strict=True):
        part = family.reconstruct(model, chunk, chunk_labels)
        if part is None:
            return None
        parts.append(part)
    return torch.cat(parts)


def squared_error(reconstructions: Tensor, images: Tensor) -> float:
    """Return the mean over images and pixels in [-1, 1]."""
    return (reconstructions - images).square().mean().item()


def pairs(images: Tensor, reconstructions: Tensor) -> bytes:
    """Return a PNG of four pairs a row: each of ``images`` [4n, channels, height, width], and what became of it."""
    import torch

    both = torch.stack([images, reconstructions], dim=1).flatten(0, 1)
    return sheet(both.view(-1, 8, *both.shape[1:]))


def sheet(rows: Tensor) -> bytes:
    """Return one PNG of ``rows``, float [rows, columns, channels, height, width] in [-1, 1]."""
    from ganlib.export.sampler import to_pixels
    from ganlib.generation.pictures.contact_sheet import contact_sheet

    return contact_sheet(to_pixels(rows.flatten(0, 1)).numpy(), columns=rows.shape[1])
