"""Where models are registered, and what the gate asks of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from ganlib.core.record import Record


class RegistryConfig(Record):
    """Names in MLflow."""

    model: str = Field(
        "mnist-generator",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
        description="the registered model; auto: NAME-generator, by the name of the data set",
    )
    experiment: str = Field(
        "mnist-generators", min_length=1, description="auto: NAME-generators, by the name of the data set"
    )
    external: Literal["revert", "accept"] = Field(
        "revert",
        description="a champion set in MLflow's page that no gate has passed: not used and taken back, or accepted",
    )
    approval: Literal["none", "required"] = Field(
        "none", description="required: a passed gate waits for a person: tag `approve` in MLflow's page, or --approve"
    )
    promoters: tuple[str, ...] = Field(
        (), description="users of MLflow who may promote, approve, roll back and prune (docs/security.md); none: all"
    )
    own_approval: bool = Field(True, description="whether who trained a version may approve it")
    licence: str = Field(
        "",
        max_length=100,
        pattern=r"^[A-Za-z0-9 .()+-]*$",
        description="of the models, for their cards: an SPDX identifier such as CC-BY-4.0; empty: not stated",
    )


class SigningConfig(Record):
    """Keys (docs/cards.md). Read from params.yaml alone: whom to trust is not for one run to say."""

    key: str | None = Field(
        None,
        description="PEM file of the private key that signs versions and ledger entries; null: nothing is signed",
    )
    public_keys: tuple[str, ...] = Field(
        (), description="PEM files of other keys whose signatures are trusted: colleagues', and earlier ones"
    )
    required: bool = Field(
        False, description="generate, serve and repair refuse models that none of these keys has signed"
    )


class Limit(Record):
    """What a figure may be at most, or must be at least."""

    at_most: float | None = Field(None, description="the highest value that passes")
    at_least: float | None = Field(None, description="the lowest value that passes")

    @model_validator(mode="after")
    def _one_of_both(self) -> Limit:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("a limit is either at_most or at_least a number")
        return self

    def holds(self, value: float) -> bool:
        """Whether ``value`` is within the limit; NaN is not."""
        return value <= self.at_most if self.at_most is not None else value >= float(self.at_least or 0)

    def __str__(self) -> str:
        """As in ``at most 0.05``."""
        return self.text("{:,.12g}".format)

    def text(self, of: Callable[[float], str]) -> str:
        """Return the limit for people, its value as ``of`` writes it: ``at most 5%``."""
        word, value = ("at most", self.at_most) if self.at_most is not None else ("at least", self.at_least)
        return f"{word} {of(float(value or 0))}"


LIMITS: Mapping[str, Limit | None] = {
    "class_excess": Limit(at_most=3.0),
    "class_distance": Limit(at_most=0.4),
    "diversity": Limit(at_least=0.5),
    "copies": Limit(at_most=0.05),
    "latency_ms": Limit(at_most=250),
    "onnx_bytes": Limit(at_most=50_000_000),
}
"""Of the gate where params.yaml says nothing else, by metric or by what the file costs."""
_OLD_LIMITS = {
    "max_digit_share": ("class_excess", "at_most", 10),  # of ten classes, in even shares
    "min_diversity": ("diversity", "at_least", 1),
    "max_copies": ("copies", "at_most", 1),
    "max_latency_ms": ("latency_ms", "at_most", 1),
    "max_bytes": ("onnx_bytes", "at_most", 1),
}
"""What policies in old ledgers say: their name -> the limit, its kind, and what the value is multiplied by."""


class GateConfig(Record):
    """What a challenger must show. The limits hold however good its FID is, and however fast it is."""

    level: float = Field(
        0.05, gt=0, lt=0.5, description="chance of a false promotion among all challengers since the last promotion"
    )
    min_improvement: float = Field(0.0, ge=0, description="the FID must be lower by more than this, at that level")
    prefer: Literal["quality", "speed_at_equal_quality"] = Field(
        "quality", description="whether a version may also replace the champion for its speed, if it is as good"
    )
    max_loss: float = Field(
        0.05,
        ge=0,
        description="of such a version: share of the champion's FID that it may lose, on top of what real images have",
    )
    min_speedup: float = Field(
        1.5, gt=1, description="of such a version: times the champion's images a second, in every round of the timings"
    )
    max_pixel_difference: int = Field(1, ge=0, le=255, description="grey levels between torch and onnxruntime")
    max_sibling_difference: float = Field(
        2.0, ge=0, le=255, description="grey levels on the mean between a sibling in fewer bits and its parent"
    )
    limits: dict[str, Limit | None] = Field(
        dict(LIMITS),
        validate_default=True,
        description="of single figures, each at_most or at_least a number; null: none",
    )

    @model_validator(mode="before")
    @classmethod
    def _of_an_old_policy(cls, values: Any) -> Any:
        """Read policies that ledgers hold from before limits were a table."""
        if not isinstance(values, Mapping) or not set(values) & set(_OLD_LIMITS):
            return values
        limits = dict(values.get("limits") or {})
        for old, (name, kind, factor) in _OLD_LIMITS.items():
            if old in values:
                limits[name] = {kind: values[old] * factor}
        if "class_distance" not in limits:
            limits["class_distance"] = None  # it was not asked for then
        return {name: value for name, value in values.items() if name not in _OLD_LIMITS} | {"limits": limits}

    @field_validator("limits")
    @classmethod
    def _over_the_defaults(cls, limits: dict[str, Limit | None]) -> dict[str, Limit | None]:
        return {**LIMITS, **limits}
