"""The base of all that is configured or recorded."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base of every configuration object and result record: immutable, nothing unknown accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid")
