"""``params.yaml`` as frozen, checked objects.

Unknown keys and values that do not fit are refused with the key's full name and, for a key, the nearest valid one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError, model_validator

from ganlib.config.costs import CostsConfig as CostsConfig
from ganlib.config.data import DataConfig as DataConfig
from ganlib.config.data import EvaluateConfig as EvaluateConfig
from ganlib.config.data import JudgeConfig as JudgeConfig
from ganlib.config.promotion import GateConfig as GateConfig
from ganlib.config.promotion import Limit as Limit
from ganlib.config.promotion import RegistryConfig as RegistryConfig
from ganlib.config.promotion import SigningConfig as SigningConfig
from ganlib.config.services import ANONYMOUS as ANONYMOUS
from ganlib.config.services import GenerateConfig as GenerateConfig
from ganlib.config.services import MarkConfig as MarkConfig
from ganlib.config.services import ServeConfig as ServeConfig
from ganlib.config.services import ServicesConfig as ServicesConfig
from ganlib.config.training import Budget as Budget
from ganlib.config.training import DistillConfig as DistillConfig
from ganlib.config.training import ExportConfig as ExportConfig
from ganlib.config.training import Limits as Limits
from ganlib.config.training import TrainConfig as TrainConfig
from ganlib.config.triggers import CAUSES as CAUSES
from ganlib.config.triggers import TriggersConfig as TriggersConfig
from ganlib.core import wording
from ganlib.core.dataset_name import dataset_name
from ganlib.core.errors import BadInput, unknown
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.core.yaml_parse import parse_yaml

SERVICES = "GANLIB_SERVICES_"  # and a key of `services` in capitals: a variable of the environment that overrides it
_AUTO = "auto"
_SIGNING = "signing"


class Params(Record):
    """The whole of ``params.yaml``."""

    data: DataConfig = DataConfig()
    judge: JudgeConfig = JudgeConfig()
    train: TrainConfig = TrainConfig()
    budgets: dict[str, Budget]
    families: dict[str, dict[str, Any]]
    distill: DistillConfig = DistillConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    export: ExportConfig = ExportConfig()
    registry: RegistryConfig = RegistryConfig()
    signing: SigningConfig = SigningConfig()
    gate: GateConfig = GateConfig()
    generate: GenerateConfig = GenerateConfig()
    mark: MarkConfig = MarkConfig()
    serve: ServeConfig = ServeConfig()
    services: ServicesConfig = ServicesConfig()
    costs: CostsConfig = CostsConfig()
    triggers: TriggersConfig = TriggersConfig()

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
        row = self.budgets[self.require_budget(budget)]
        return row.families.get(family, row)

    def require_budget(self, name: str | None = None) -> str:
        """``name``, or ``train.budget``, if it is a row of ``budgets``.

        Raises:
            BadInput: it is not; the nearest name is offered.
        """
        row = name or self.train.budget
        if row not in self.budgets:
            raise unknown("budget", row, self.budgets)
        return row


Model = TypeVar("Model", bound=BaseModel)
_POWER = re.compile(r"[+-]?\d+(\.\d+)?[eE]\+?\d{1,2}")


def load(path: Path, overrides: Iterable[str] = ()) -> Params:
    """Read ``path`` and apply ``overrides`` of the form ``section.key=value`` (value in YAML).

    Raises:
        BadInput: the file is missing or not YAML, a key (or a variable of the environment) is unknown, a value does
            not fit.
    """
    try:
        tree = parse_yaml(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise BadInput(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise BadInput(f"{path} must be a mapping of sections.")
    options = list(overrides)
    for override in (*_of_environment(), *options):
        _apply(tree, override)
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        ours = any(f"{key}.".startswith(f"{override.partition('=')[0]}.") for override in options)
        raise wording.refusal(Params, first, where="--set" if ours else path.name) from None


def servers(project: Project) -> ServicesConfig:
    """Return which servers ``project`` uses, as its params.yaml and the environment say; none where there is no file.

    Raises:
        BadInput: as :func:`load` does.
    """
    return load(project.params_file).services if project.params_file.is_file() else ServicesConfig()


def _of_environment() -> Iterator[str]:
    """What the environment overrides: how a machine's services are set is no part of an experiment."""
    for name in sorted(os.environ):
        if name.startswith(SERVICES):
            key = name.removeprefix(SERVICES).lower()
            if key not in ServicesConfig.model_fields:
                raise unknown("variable", name, [f"{SERVICES}{field.upper()}" for field in ServicesConfig.model_fields])
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
    if (parents or [last])[0] == _SIGNING:
        raise BadInput(f"override {override!r}: whom to trust is not for one run to say. Set it in params.yaml.")
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
