"""``params.yaml`` as frozen, checked objects.

Unknown keys and values that do not fit are refused with the key's full name and, for a key, the nearest valid one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from ganlib.core import wording
from ganlib.core.dataset_name import dataset_name
from ganlib.core.errors import BadInput, unknown
from ganlib.core.record import Record
from ganlib.core.seeds import NOISE_SEEDS, SEEDS

SERVICES = "GANLIB_SERVICES_"  # and a key of `services` in capitals: a variable of the environment that overrides it
_AUTO = "auto"


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


class TrainConfig(Record):
    """What holds for every family; a family's own options are in its row of ``families``."""

    families: tuple[str, ...] = Field(("dcgan", "vae"), description="what `ganlib retrain` trains")
    budget: str = Field("standard", description="a row of `budgets`")
    seed: int = Field(0, ge=0, lt=SEEDS, description="of all that is drawn")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", examples=["auto", "cpu", "cuda", "or cuda:0"])
    allow_cpu: bool = Field(False, description="where CUDA is asked for and there is none, take the CPU")
    threads: int = Field(0, ge=0, description="0: as OMP_NUM_THREADS says, or as many as this process may use")
    precision: Literal["fp32", "bf16"] = Field(
        "fp32", description="of the nets' passes: bf16 is torch.autocast; weights, losses and penalties stay float32"
    )
    compile: bool = Field(False, description="torch.compile for the nets that allow it (docs/performance.md)")
    cuda_graphs: bool = Field(True, description="on a GPU, record a step once and replay it, where the family allows")
    log_every: PositiveInt = Field(50, description="steps between reads of the losses to the host")
    grids: PositiveInt = Field(4, description="sample grids over a run")
    checkpoint_seconds: float = Field(60, gt=0, description="seconds between checkpoints")
    keep: PositiveInt = Field(2, description="last checkpoints kept, besides the best and the last healthy one")
    checks: int = Field(10, ge=0, description="validations of the moving average over a run; 0: none")
    seconds_per_check: float = Field(200, gt=0, description="a budget has no more checks than its seconds have these")
    check_share: float = Field(0.05, gt=0, description="of the training's time that checks may take; more is left out")
    check_samples: int = Field(5000, ge=2, description="images drawn for a check")
    patience: int = Field(0, ge=0, description="checks without a better one that end a run; 0: none do")
    unhealthy: Literal["stop", "rollback"] = Field(
        "stop", description="what to do with a run that breaks: stop it, or go back and halve the learning rates"
    )

    def checks_in(self, limits: Limits) -> int:
        """How many checks a run under ``limits`` has: short ones have none."""
        return (
            min(self.checks, int(limits.seconds // self.seconds_per_check)) if self.seconds_per_check else self.checks
        )


class Limits(Record):
    """A limit on training: whichever comes first."""

    steps: PositiveInt = Field(description="steps of training")
    seconds: float = Field(gt=0, description="seconds of training alone: no data, evaluation or export")


class Budget(Limits):
    """Limits by name, with exceptions for families that need less or more."""

    families: dict[str, Limits] = Field({}, description="limits of single families")


class EvaluateConfig(Record):
    """How a model is measured. Figures are comparable only where all of these are equal."""

    samples: int = Field(10_000, ge=100, description="images drawn; fewer where the training split is smaller")
    seed: int = Field(20260, ge=0, lt=SEEDS, description="of the images that are measured")
    bootstrap: int = Field(500, ge=50, description="bootstrap replicates")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="level of the intervals, a probability")
    kid_subsets: PositiveInt = Field(50, description="subsets that the KID is the mean of")
    kid_subset_size: int = Field(1000, ge=20, description="no more than samples, nor images of the test split")
    neighbours: int = Field(5, ge=1, le=50, description="k of precision, recall, density and coverage")


class ExportConfig(Record):
    """The ONNX graph and its parity certificate."""

    opset: int = Field(20, ge=18, description="version of ONNX's operators")
    parity_batches: tuple[PositiveInt, ...] = Field((1, 2, 7, 64, 1000), description="images in each compared batch")
    calibration_images: PositiveInt = Field(512, description="that set the scales of int8 siblings; whole blocks of 64")
    calibration_seed: int = Field(
        1, ge=0, lt=SEEDS, description="of those: another than evaluate.seed, which measures them"
    )


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
        "none", description="required: a passed gate waits for a person, who sets the tag `approve` in MLflow's page"
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
        word, value = ("at most", self.at_most) if self.at_most is not None else ("at least", self.at_least)
        return f"{word} {value:,.12g}"


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
    """What a challenger must show. All but the first two hold however good its FID is."""

    level: float = Field(
        0.05, gt=0, lt=0.5, description="chance of a false promotion among all challengers since the last promotion"
    )
    min_improvement: float = Field(0.0, ge=0, description="the FID must be lower by more than this, at that level")
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


class GenerateConfig(Record):
    """Defaults of a batch job."""

    count: PositiveInt = Field(1000, description="images")
    seed: int = Field(0, ge=0, lt=NOISE_SEEDS, description="of all that is drawn")
    shard_size: PositiveInt = Field(1000, description="images in a shard")


_HOST = r"^(\*|(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)$"
_ORIGIN = r"^(\*|https?://([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?)$"  # as browsers spell them


class ServeConfig(Record):
    """`ganlib serve`: where it listens, and what it grants."""

    host: str = Field(
        "127.0.0.1", min_length=1, description="there is no password: what is more than loopback is a choice"
    )
    port: int = Field(8050, ge=0, le=65535, description="0: any free one")
    root_path: str = Field(
        "",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        description="below which a proxy offers it, as in /gan; no slash at the end",
    )
    allowed_hosts: tuple[Annotated[str, Field(pattern=_HOST)], ...] = Field(
        (),
        description="names by which it may be asked, besides addresses and localhost: without a port, *.example.org or "
        "*. None: on loopback names without a dot, elsewhere any",
    )
    allowed_origins: tuple[Annotated[str, Field(pattern=_ORIGIN)], ...] = Field(
        (), description="whose pages may use the API in a browser: https://example.org, or *; its own always may"
    )
    poll_seconds: float = Field(5, gt=0, description="between looks at where aliases point")
    registry_seconds: float = Field(60, gt=0, description="that such a look may take before the registry is down")
    window_ms: float = Field(2, ge=0, le=1000, description="how long a request waits for others to share a block with")
    max_images: PositiveInt = Field(256, description="in one request")
    max_requests: PositiveInt = Field(256, description="for images, under way at once")
    max_body_bytes: PositiveInt = Field(65536, description="bytes of a request")
    max_connections: PositiveInt = Field(512, description="open at once; then who waits longest without a request goes")
    receive_seconds: float = Field(10, gt=0, description="for a request's headers to arrive, and again for its body")
    keep_alive_seconds: float = Field(
        75, gt=0, description="that a connection may be idle: more than a proxy's setting"
    )
    timeout_seconds: float = Field(30, gt=0, description="that a request waits for its images")
    drain_seconds: float = Field(30, ge=1, description="for requests under way when the server is told to end")


def _port(value: Any) -> Any:
    """What the word auto stands for; the ports below 1024 are the system's."""
    if value == "auto":
        return 0
    if isinstance(value, int) and 0 < value < 1024:
        raise ValueError("a port is from 1024 to 65535, or 0 or auto for any free one")
    return value


Port = Annotated[int, BeforeValidator(_port)]


class ServicesConfig(Record):
    """What `make up` starts, on loopback only.

    Where a checkout has to differ from its committed file, the environment does: GANLIB_SERVICES_MLFLOW_PORT=auto.
    """

    mlflow_port: Port = Field(5050, ge=0, le=65535, description="TCP port of MLflow; 0 or auto: any free one")
    prefect_port: Port = Field(4242, ge=0, le=65535, description="TCP port of Prefect; 0 or auto: any free one")
    outputs: tuple[str, ...] = Field(
        ("out",), description="folders and s3://BUCKET/FOLDER below which runs of deployments may write images"
    )
    sources: tuple[str, ...] = Field(
        (".",), description="folders below which they may read images, models and labels, besides `outputs`"
    )
    retrain_schedule: str = Field("0 3 * * 1", description="cron, UTC; empty for no schedule")
    reconcile_seconds: PositiveInt = Field(30, description="between looks at what people did in MLflow's page")


class Params(Record):
    """The whole of ``params.yaml``."""

    data: DataConfig = DataConfig()
    judge: JudgeConfig = JudgeConfig()
    train: TrainConfig = TrainConfig()
    budgets: dict[str, Budget]
    families: dict[str, dict[str, Any]]
    evaluate: EvaluateConfig = EvaluateConfig()
    export: ExportConfig = ExportConfig()
    registry: RegistryConfig = RegistryConfig()
    gate: GateConfig = GateConfig()
    generate: GenerateConfig = GenerateConfig()
    serve: ServeConfig = ServeConfig()
    services: ServicesConfig = ServicesConfig()

    @model_validator(mode="before")
    @classmethod
    def _names_by_the_data_set(cls, tree: Any) -> Any:
        """Put names in place of ``auto``: each data set has a registered model and an experiment of its own."""
        if not isinstance(tree, Mapping) or not isinstance(registry := tree.get("registry"), Mapping):
            return tree
        data = tree.get("data")
        row = data if isinstance(data, Mapping) else {}
        name = row.get("name") or dataset_name(str(row.get("source", "mnist")))
        names = {"model": f"{name}-generator", "experiment": f"{name}-generators"}
        auto = {key: value for key, value in names.items() if registry.get(key, _AUTO) == _AUTO}
        return {**tree, "registry": {**registry, **auto}}

    def limits(self, family: str, budget: str | None = None) -> Limits:
        """How long ``family`` trains under ``budget`` (default: ``train.budget``).

        Raises:
            BadInput: there is no such row of ``budgets``.
        """
        chosen = self.budgets[self.require_budget(budget)]
        return chosen.families.get(family, chosen)

    def require_budget(self, name: str | None = None) -> str:
        """``name``, or ``train.budget``, if it is a row of ``budgets``.

        Raises:
            BadInput: it is not; the nearest name is offered.
        """
        chosen = name or self.train.budget
        if chosen not in self.budgets:
            raise unknown("budget", chosen, self.budgets)
        return chosen


Model = TypeVar("Model", bound=BaseModel)
_POWER = re.compile(r"[+-]?\d+(\.\d+)?[eE]\+?\d{1,2}")


def load(path: Path, overrides: Iterable[str] = ()) -> Params:
    """Read ``path`` and apply ``overrides`` of the form ``section.key=value`` (value in YAML).

    Raises:
        BadInput: the file is missing or not YAML, a key (or a variable of the environment) is unknown, a value does
            not fit.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise BadInput(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise BadInput(f"{path} must be a mapping of sections.")
    given = list(overrides)
    for override in (*_of_environment(), *given):
        _apply(tree, override)
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        ours = any(f"{key}.".startswith(f"{override.partition('=')[0]}.") for override in given)
        raise wording.refusal(Params, first, where="--set" if ours else path.name) from None


def _of_environment() -> Iterator[str]:
    """What the environment overrides: how a machine's services are set is no part of an experiment."""
    for name in sorted(os.environ):
        if name.startswith(SERVICES):
            key = name.removeprefix(SERVICES).lower()
            if key not in ServicesConfig.model_fields:
                raise unknown("variable", name, [f"{SERVICES}{known.upper()}" for known in ServicesConfig.model_fields])
            yield f"services.{key}={os.environ[name]}"


def parse(model: type[Model], tree: Mapping[str, Any], where: str) -> Model:
    """Validate ``tree`` as ``model``; ``where`` prefixes key names in errors.

    Raises:
        BadInput: one line that names the first offending key (and the nearest valid one if it is unknown).
    """
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise wording.refusal(model, error.errors()[0], where) from None


def _apply(tree: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    if not equals or not name:
        raise BadInput(f"override {override!r} is not of the form section.key=value.")
    *parents, last = name.split(".")
    here = tree
    for rows in ("families", "budgets"):
        if parents and parents[0] not in Params.model_fields and parents[0] in (tree.get(rows) or ()):
            raise BadInput(f"unknown key in --set: {name!r}. Did you mean '{rows}.{name}'?")
    for part in parents:
        here = here.setdefault(part, {})
        if not isinstance(here, dict):
            raise BadInput(f"override {override!r}: {part} is not a section.")
    try:
        here[last] = _whole(yaml.safe_load(text))
    except yaml.YAMLError:
        raise BadInput(f"override {override!r}: {text!r} is not a YAML value.") from None


def _whole(value: Any) -> Any:
    """1e6 as the number that people mean by it: YAML takes it for text."""
    if isinstance(value, str) and _POWER.fullmatch(value) and float(value).is_integer():
        return int(float(value))
    return value
