"""A picture of what an autoencoding model makes of the test images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganlib import families
from ganlib.config import Params
from ganlib.core.errors import BadInput
from ganlib.core.files import require_writable, write_bytes
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.families.parts.space import tree
from ganlib.jobs.data.version_data import current_data
from ganlib.jobs.models import fetch, fetch_checkpoint
from ganlib.jobs.training.finish import pairs, reconstruct_all


class Reconstruction(Record):
    """What was written and measured."""

    model: dict[str, object]
    """Where the model came from, as in a manifest of generated images."""
    family: str
    n: int
    """Test images."""
    mse: float
    """Mean squared error of pixels in [-1, 1]."""
    file: Path


def reconstruct(
    project: Project, params: Params, model: str, *, out: Path, count: int = 40, report: Report = silent
) -> Reconstruction:
    """Write ``reconstructions.png`` to ``out``: the first ``count`` test images, each beside its reconstruction.

    Args:
        project: the checkout, with the data version to take images from.
        params: its configuration.
        model: as for :func:`ganlib.jobs.models.fetch`, but no bare file: encoders are in runs' checkpoints alone.
        out: a folder.
        count: a multiple of four, at most 1,000.
        report: told of progress.

    Raises:
        BadInput: no such model, one without an encoder or without a run, or a folder that cannot be written.
    """
    if not 4 <= count <= 1000 or count % 4:
        raise BadInput(f"count must be a multiple of four from 4 to 1000, not {count}.")
    import torch

    from ganlib.data.splits import load_split
    from ganlib.training.checkpoint import read_average

    source = fetch(project, params, model)
    if not source.trained_by:
        raise BadInput(f"{model} is not of a run: the encoder is in a run's checkpoint, not in the ONNX file.")
    title = f"reconstruct {model}"
    report.advance(title, 0, 1)
    config, weights = read_average(fetch_checkpoint(project, source.trained_by))
    name = config["family"]
    family = families.build(name, families.options(name, _options(config, name)), current_data(project).spec)
    family.generator.load_state_dict(weights)
    test = load_split(project.prepared, "test")
    with torch.no_grad():
        pictures = reconstruct_all(family.eval(), family.generator, test)
    if pictures is None:
        raise BadInput(f"{model} is a {name}, which has no encoder: there is nothing to reconstruct with.")
    require_writable(out)
    file = out / "reconstructions.png"
    write_bytes(file, pairs(test.images[:count], pictures.images[:count], params.mark, source.trained_by))
    report.advance(title, 1, 1)
    return Reconstruction(model=source.origin, family=name, n=len(test.images), mse=pictures.squared_error, file=file)


def _options(config: dict[str, Any], family: str) -> dict[str, Any]:
    """The family's options out of a run's flat config: ``outer.inner`` keys become mappings again."""
    fields = families.load(family).Options.model_fields
    return tree({key: value for key, value in config.items() if key.partition(".")[0] in fields})
