"""What starts a retraining by itself, and when (docs/triggers.md)."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, PositiveFloat, PositiveInt

from ganlib.core.record import Record

CauseName = Literal["schedule", "data", "images", "age", "drift", "registry"]
CAUSES: tuple[CauseName, ...] = get_args(CauseName)


class TriggersConfig(Record):
    """Which causes count, and how each is measured. The schedule itself is ``services.retrain_schedule``."""

    causes: tuple[CauseName, ...] = Field(
        ("schedule", "data", "images", "age"), description="that start a retraining by themselves"
    )
    look_seconds: PositiveFloat = Field(60, description="between looks of `make up` whether there is a cause")
    settle_seconds: float = Field(60, ge=0, description="from the first cause to the start: what comes then is one run")
    max_age_days: PositiveFloat | None = Field(None, description="of the champion; none: it may be of any age")
    inbox: str | None = Field(
        None, min_length=1, description="folder, or s3://BUCKET/PREFIX, into which new images are put; none: no inbox"
    )
    min_images: PositiveInt = Field(1, description="images in the inbox that are worth a retraining")
    still_seconds: float = Field(10, ge=0, description="that a file of the inbox was left alone before it is taken")
    late_seconds: PositiveFloat = Field(3600, description="after which a retraining of the schedule is called late")
