"""What a batch of images is asked for with. Imports nothing heavy: the command line is derived from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

if TYPE_CHECKING:
    from ganlib.config import GenerateConfig


@dataclass(frozen=True)
class GenerateRequest:
    """What a batch of images is to be, whatever the model.

    The command line and Prefect's form have an option for each field, with the field's note as its help. Braces in a
    note hold a key of ``params.yaml``, which decides where the field is None.
    """

    out: Annotated[str, "Folder to fill, or s3://BUCKET/FOLDER; an interrupted job is completed."]
    count: Annotated[int | None, "How many images; 1e6 is a number, too; default: {generate.count}."] = None
    start: Annotated[int, "Number of the first image: how many images an earlier job made, to extend it."] = 0
    file_format: Annotated[str, "png, npy, npz, parquet, webdataset or zarr."] = "png"
    grid: Annotated[bool, "Also draw the first hundred on a sheet, OUT-grid.png."] = False
    seed: Annotated[
        int | None,
        "A number: image i depends only on the model, this seed and i; default: {generate.seed}.",
    ] = None
    shard_size: Annotated[
        int | None, "Images a shard: a folder of PNG files, or a file; default: {generate.shard_size}."
    ] = None
    batch_size: Annotated[
        int | None, "Images worked on at once; does not change any image; default: what is fastest here."
    ] = None
    labels: Annotated[
        str | None,
        "For models with classes: a class name, 'balanced' (all in turn), 'uniform' (drawn), 'data' (drawn, each as "
        "often as the training data have it; the default), or a file, a name a line.",
    ] = None
    caption: Annotated[str | None, "For models of captions: one for all images; default: drawn."] = None
    truncation: Annotated[float, "Factor of the noise, above 0 and at most 1: below 1, images vary less."] = 1.0
    provider: Annotated[str, "cpu, cuda or tensorrt; it is an error if another one runs."] = "cpu"
    allow_cpu: Annotated[bool, "Take the processor where the provider is not to be had."] = False
    check: Annotated[bool | None, "Let the judge score a sample; default: of versions with an evaluation."] = None

    def require(self) -> None:
        """Raise :class:`BadInput` for what is wrong by itself: such a mistake needs no server to be told."""
        from ganlib.export.runtime import require_provider
        from ganlib.generation import formats
        from ganlib.generation.sampling import require_truncation
        from ganlib.generation.spec import require_positive, require_range

        counts = {"count": self.count, "shard_size": self.shard_size, "batch_size": self.batch_size}
        require_positive(**{name: number for name, number in counts.items() if number is not None})
        formats.require(self.file_format)
        require_provider(self.provider)
        require_truncation(self.truncation)
        require_range(self.start, self.count or 1)

    def completed(self, defaults: GenerateConfig) -> GenerateRequest:
        """Return this request with what ``params.yaml`` decides filled in, for a process that reads another one."""
        values = {name: getattr(self, name) for name in type(defaults).model_fields}
        return replace(self, **{n: getattr(defaults, n) if value is None else value for n, value in values.items()})
