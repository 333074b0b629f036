"""The flow `generate`: a batch of images from a registered model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from prefect import flow

from ganlib import project as projects
from ganlib.cli.app import Json, output_path, show
from pipelines import artifacts, tasks
from pipelines.launch import launch, main


@flow(name="generate", flow_run_name="generate {count} images of {model}")
def generate(model: str = "champion", out: str = "out/batch", count: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Make images with onnxruntime; an interrupted job in ``out`` is completed.

    Args:
        model: an alias, a version, a models:/ or runs:/ URI, or an .onnx file.
        out: a folder; relative paths are taken from the project's root.
        count: how many images.
        seed: image i depends only on the model, this seed and i.
    """
    root = projects.find().root
    manifest = tasks.generate(str(root), [], model, str(root / out), count, seed)
    artifacts.sheet(sheet_of(root / out), f"the first of {count} images of {model}")
    return manifest


def sheet_of(folder: Path, limit: int = 100) -> bytes:
    """The first ``limit`` images of a batch as one PNG."""
    import numpy as np
    from PIL import Image

    from ganlib.generation.sheet import contact_sheet

    files = sorted(folder.glob("shard-*/*.png"))[:limit]
    images = np.stack([np.asarray(Image.open(file)) for file in files])[:, None]
    return contact_sheet(images, columns=10)


def command(
    out: Annotated[Path, typer.Option()],
    model: Annotated[str, typer.Option()] = "champion",
    count: Annotated[int, typer.Option()] = 1000,
    seed: Annotated[int, typer.Option()] = 0,
    as_json: Json = False,
) -> None:
    """Generate images as a Prefect flow."""
    manifest = launch(generate, as_json=as_json, model=model, out=str(output_path(out)), count=count, seed=seed)
    show(manifest, as_json=as_json, text=lambda: f"{manifest['count']:,} images in {output_path(out)}")


if __name__ == "__main__":
    main(command)
