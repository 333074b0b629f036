"""What may be asked and what is answered; the OpenAPI page is made from it."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from ganlib.core.record import Record
from ganlib.core.seeds import NOISE_SEEDS
from ganlib.generation.mark import SYNTHETIC

MAX_SEED = NOISE_SEEDS - 1
MAX_INDEX = 2**63 - 1


class ModelRequest(Record):
    """Which model, and what of it."""

    model: str | None = Field(None, max_length=256, description="a name that /v1/models lists; none: the default")
    sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="of the model: if it is another one by now, the answer is 409"
    )
    seed: int = Field(0, ge=0, le=MAX_SEED, description="image i depends only on the model, the seed and i")
    caption: str | None = Field(None, max_length=256, description="for models of captions; none: drawn from the seed")
    truncation: float = Field(
        1.0, gt=0, le=1, allow_inf_nan=False, description="the noise is multiplied by it: less variety, more typical"
    )


class ImagesRequest(ModelRequest):
    """Images ``start`` to ``start + count - 1`` of a seed."""

    start: int = Field(0, ge=0, le=MAX_INDEX, description="number of the first image")
    count: int = Field(1, ge=1, description="how many images; /v1/models tells the most")
    labels: str | None = Field(
        None,
        max_length=256,
        description="for models with classes: a class name that /v1/models lists (or its place there, from 0), "
        "balanced (the classes in turn), uniform, or data (each as often as the training data have it); none: data",
    )
    format: Literal["png", "grid", "json", "pixels", "npy"] = Field(
        "png",
        description="png: the one image as `ganlib generate` writes it; grid: all on one sheet; "
        "json: a card and each image as base64 PNG; pixels: the same with rows of levels; "
        "npy: an array of uint8 [count, channels, height, width]",
    )
    columns: int | None = Field(None, ge=1, le=256, description="of the grid; none: about square")


class WalkRequest(ModelRequest):
    """From one image's noise to another's, along the great circle between them."""

    start: int = Field(0, ge=0, le=MAX_INDEX, description="number of the image of `seed` to begin at")
    to_seed: int = Field(1, ge=0, le=MAX_SEED, description="seed of the image to end at")
    to_start: int = Field(0, ge=0, le=MAX_INDEX, description="its number")
    steps: int = Field(16, ge=2, description="how many images, both ends among them; /v1/models tells the most")
    labels: str | None = Field(
        None,
        max_length=256,
        description="for models with classes: the name of one, held all the way; none: that of the first image",
    )
    format: Literal["strip", "json"] = Field(
        "strip", description="strip: all in a row as one PNG; json: a card and each image as base64 PNG"
    )


class ImagesBody(ImagesRequest):
    """The same as JSON, whose numbers are numbers: a query has to spell them, a body may not, and true is not 1."""

    model_config = ConfigDict(strict=True)


class WalkBody(WalkRequest):
    """The same as JSON, as strictly."""

    model_config = ConfigDict(strict=True)


class About(Record):
    """A model that is served."""

    name: str
    default: bool
    reference: str
    sha256: str
    registered_model: str | None
    version: int | None
    run_id: str | None
    family: str | None
    data_version: str | None
    commit: str | None
    takes: Literal["label", "caption"] | None = Field(description="its input besides noise")
    dataset: str = Field(description="name of the data set that it was trained on")
    image: tuple[int, int, int] = Field(description="channels (1: grey, 3: red, green, blue), height, width")
    class_names: list[str] = Field(description="what labels stand for, in order; empty: it has no classes")
    captions: list[str] = Field(description="examples of what it was trained on, which it draws from; empty: none kept")
    noise_dim: int
    shares_blocks: bool = Field(description="whether requests may share a call of onnxruntime without changing a byte")
    since: str = Field(description="when it was loaded: UTC, ISO 8601")


class ModelList(Record):
    """What is served, the default first, and the limits."""

    models: list[About]
    max_images: int = Field(description="the largest count, and the most steps of a walk")
    max_requests: int = Field(description="requests for images under way at once, before 429")


class Provenance(Record):
    """Where images came from. It has no time in it: the same request gives the same bytes."""

    synthetic: str = SYNTHETIC
    model: str
    model_sha256: str
    registered_model: str | None
    version: int | None
    family: str | None
    run_id: str | None
    data_version: str | None
    commit: str | None
    seed: int
    start: int
    count: int
    producer: str = Field(description="whom the images' marks name; empty: nobody")
    condition: str = Field(description="what was asked of a conditional model, as in a batch's manifest")
    truncation: float
    noise_dim: int = Field(
        description="how many numbers an image is made of: only at equal ones is a seed's noise equal"
    )
    to_seed: int | None = Field(None, description="of a walk")
    to_start: int | None = Field(None, description="of a walk")
    noise: str
    provider: str
    ganlib: str
    onnxruntime: str


class Image(Record):
    """One image."""

    index: int
    label: int | None = None
    class_name: str | None = Field(None, description="what the label stands for")
    caption: str | None = None
    png: str | None = Field(None, description="base64; for a plain request the file that `ganlib generate` writes")
    pixels: list[list[int]] | list[list[list[int]]] | None = Field(
        None, description="rows of levels, 0 to 255, of a grey image; in colour three lists of rows: red, green, blue"
    )


class Images(Record):
    """Images with their card."""

    card: Provenance
    images: list[Image]


class Health(Record):
    """The process runs."""

    status: Literal["ok"] = "ok"


class Ready(Record):
    """Whether requests should be sent here."""

    ready: bool
    models: dict[str, str] = Field(description="sha256 by name")
    registry: Literal["up", "down"] = Field(description="down: what is loaded is served on, and aliases stand still")


class ErrorBody(Record):
    """What was wrong, in one line."""

    error: str
