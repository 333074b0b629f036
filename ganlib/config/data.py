"""Which images there are, what judges them, and how models are measured."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt

from ganlib.core.record import Record
from ganlib.core.seeds import SEEDS


def _shade(value: int | str) -> int | str:
    if not (0 <= value <= 255 if isinstance(value, int) else re.fullmatch(r"#[0-9a-fA-F]{6}", value)):
        raise ValueError("a grey level from 0 to 255, or a colour such as '#ffcc00'")
    return value


Shade = Annotated[int | str, AfterValidator(_shade)]


class DataConfig(Record):
    """Which images, and how they are split."""

    source: str = Field("mnist", description="a known data set ('mnist'), or a folder, archive or Parquet file")
    source_sha256: str | None = Field(None, description="digest of that place's content, checked by the fetch stage")
    name: str | None = Field(None, pattern=r"^[a-z0-9][a-z0-9._-]{0,47}$", description="null: as its source is called")
    size: int | None = Field(
        None, ge=16, le=128, description="side of the images in pixels; null: the one nearest below the pictures'"
    )
    channels: Literal["auto", 1, 3] = Field("auto", description="auto: 1 where all pictures are grey, else 3")
    fit: Literal["crop", "pad", "stretch", "none"] = Field(
        "crop", description="how a picture becomes a square; none: all of them are squares of the same size already"
    )
    background: Shade = Field(255, description="behind transparent pixels and around padded pictures")
    max_unreadable: float = Field(0.01, ge=0, le=1, description="share of the pictures that may be set aside")
    max_bytes: PositiveInt = Field(20_000_000_000, description="that an archive may unpack to")
    seed: int = Field(0, ge=0, lt=SEEDS, description="of the stratified draws")
    validation_one_in: int = Field(12, ge=2, description="one in so many training images becomes validation")
    test_one_in: int = Field(7, ge=2, description="one in so many images becomes test, if the source has no test split")


class JudgeConfig(Record):
    """What images are judged by (docs/judges.md)."""

    source: str = Field(
        "auto",
        pattern=r"^(auto|.+\.onnx)$",
        examples=["auto", "or an .onnx file"],
        description="auto: MNIST's committed judge, or one that is trained for the data; or an ONNX file from image to "
        "features",
    )
    seed: int = Field(0, ge=0, lt=SEEDS, description="of all that is drawn when a judge is trained")
    steps: int = Field(0, ge=0, description="of that training; 0: by the number of images")


class EvaluateConfig(Record):
    """How a model is measured. Figures are comparable only where all of these are equal."""

    samples: int = Field(10_000, ge=100, description="images drawn; fewer where the training split is smaller")
    seed: int = Field(20260, ge=0, lt=SEEDS, description="of the images that are measured")
    bootstrap: int = Field(500, ge=50, description="bootstrap replicates")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="level of the intervals, a probability")
    kid_subsets: PositiveInt = Field(50, description="subsets that the KID is the mean of")
    kid_subset_size: int = Field(1000, ge=20, description="no more than samples, nor images of the test split")
    neighbours: int = Field(5, ge=1, le=50, description="k of precision, recall, density and coverage")
