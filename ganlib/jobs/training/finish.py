"""Between the last step and the export: what is fitted, and what is measured that a bare graph cannot show."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ganlib.config import MarkConfig
from ganlib.core.progress import Report, silent
from ganlib.data.splits import Split, load_split
from ganlib.generation.mark import COMPOSITE, packet_of_run
from ganlib.generation.pictures.contact_sheet import contact_sheet

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
    mark: MarkConfig,
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
        mark: what the pictures' marks say of who makes them.
        report: told of progress.
    """
    import torch

    from ganlib.data.batches import scaled
    from ganlib.families.parts.base import TrainingBatch

    family.cpu()
    report.advance(f"finish {family.name}", 0, 1)
    with torch.no_grad():
        family.finish(model, load_split(project.prepared, "train", mapped=True).images)
        test = load_split(project.prepared, "test")
        images = scaled(torch.from_numpy(test.images[:_CHUNK]))
        labels = torch.from_numpy(test.labels[:_CHUNK])
        captions = None if test.captions is None else torch.from_numpy(test.captions[:_CHUNK])
        figures = family.held_out(model, TrainingBatch(images, labels, captions=captions))
        figures |= _reconstructions(family, model, test, run, judge, mark)
        for name, rows in family.pictures(model).items():
            run.image(sheet(rows, packet_of_run(mark, run.id, name)), f"pictures/{name}.png")
    if figures:
        run.log({f"quality/held_out_{name}": value for name, value in figures.items()}, step)
    report.advance(f"finish {family.name}", 1, 1, figures)


def _reconstructions(
    family: Family, model: nn.Module, test: Split, run: Run, judge: Callable[[], Judge], mark: MarkConfig
) -> dict[str, float]:
    """Return mean squared error and FID of the test split's reconstructions; nothing where there is no encoder."""
    from ganlib.evaluation.distances import frechet_distance, moments

    pictures = reconstruct_all(family, model, test)
    if pictures is None:
        return {}
    count = min(40, len(test.images) // 4 * 4)
    sheet = pairs(test.images[:count], pictures.images[:count], mark, run.id)
    run.image(sheet, "pictures/reconstructions.png")
    reader = judge()
    ours, theirs = (moments(reader.features(each).features) for each in (pictures.images, test.images))
    return {"reconstruction_mse": pictures.squared_error, "reconstruction_fid": frechet_distance(ours, theirs)}


class Reconstructions(NamedTuple):
    """What becomes of a split's images between encoder and decoder."""

    images: np.ndarray
    """uint8 [n, channels, height, width]."""
    squared_error: float
    """The mean over images and pixels in [-1, 1], before they become grey levels."""


def reconstruct_all(family: Family, model: nn.Module, split: Split) -> Reconstructions | None:
    """Return the images of ``split`` through encoder and decoder of the moving average, a thousand at a time.

    None where there is no encoder.
    """
    import torch

    from ganlib.data.batches import scaled
    from ganlib.export.sampler import to_pixels

    pixels, errors = [], []
    for start in range(0, len(split.images), _CHUNK):
        images = scaled(torch.from_numpy(split.images[start : start + _CHUNK]))
        part = family.reconstruct(model, images, torch.from_numpy(split.labels[start : start + _CHUNK]))
        if part is None:
            return None
        pixels.append(to_pixels(part).numpy())
        errors.append((part - images).square().sum(dtype=torch.float64).item())
    return Reconstructions(np.concatenate(pixels), sum(errors) / split.images.size)


def pairs(images: np.ndarray, reconstructions: np.ndarray, mark: MarkConfig, run_id: str) -> bytes:
    """Return a PNG, four pairs a row of ``images`` and what ``run_id``'s model made of them: uint8 [4n, C, H, W]."""
    packet = packet_of_run(mark, run_id, "reconstructions", COMPOSITE)
    return contact_sheet(np.stack([images, reconstructions], axis=1).reshape(-1, *images.shape[1:]), packet, columns=8)


def sheet(rows: Tensor, packet: str) -> bytes:
    """Return a PNG of ``rows``, float [rows, columns, C, H, W] in [-1, 1], with the marks in ``packet``."""
    from ganlib.export.sampler import to_pixels

    return contact_sheet(to_pixels(rows.flatten(0, 1)).numpy(), packet, columns=rows.shape[1])
