"""What Prefect's page offers in the forms of the deployments: choices, defaults and limits from params.yaml."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import reduce
from inspect import Parameter, getdoc
from operator import or_
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args

from prefect.deployments.runner import RunnerDeployment
from prefect.utilities.callables import ParameterSchema
from pydantic import create_model

from ganlib import families as zoo
from ganlib.cli.flows import RUNNERS
from ganlib.config import Budget, Params
from ganlib.core.options import note, spell_out
from ganlib.export.runtime import PROVIDERS
from ganlib.generation import formats

_EXAMPLE = "train.seed=3"
_KEY = re.compile(r"\{([a-z]+\.[a-z_]+)\}")

_ClosedForm = create_model("_ClosedForm", __base__=ParameterSchema, additionalProperties=(bool, False))
"""A form that takes no other parameters: Prefect would start a run with them, which crashes and does not say why."""

Fields = dict[str, dict[str, Any]]
Result = TypeVar("Result")


def fill(deployment: RunnerDeployment, params: Params) -> None:
    """Put the choices of this project into the form of ``deployment``. What a flow itself takes is unchanged.

    Prefect's server then refuses any other parameter, by whatever way it comes, and names it.
    """
    # There is no public way: Prefect makes the schema of the flow's signature, which knows no params.yaml.
    fields: Fields = deployment._parameter_openapi_schema.properties  # noqa: SLF001  (Prefect's, made anew from a flow's signature)
    if deployment.flow_name in ("retrain", "train"):
        _training(fields, params)
    elif deployment.flow_name == "generate":
        for key, choices in (("file_format", formats.names()), ("provider", PROVIDERS), ("runner", RUNNERS)):
            fields[key]["enum"] = list(choices)
        fields["count"]["default"] = params.generate.count
        fields["seed"]["default"] = params.generate.seed
    if "overrides" in fields:
        fields["overrides"]["examples"] = [[_EXAMPLE]]
        fields["overrides"]["default"] = []
        text = f"Lines such as {_EXAMPLE}, laid over params.yaml for this run alone, which records them."
        fields["overrides"]["description"] = text
    schema = deployment._parameter_openapi_schema.model_dump()  # noqa: SLF001  (as above)
    deployment._parameter_openapi_schema = _ClosedForm(**schema, additionalProperties=False)  # noqa: SLF001  (as above)


def offer(defaults: Mapping[str, Any], **notes: str) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Return a decorator for a flow that takes records: its form then has a field for each field of the records.

    Args:
        defaults: what a field has in the form in place of its own default.
        notes: what the form says of a field in place of its own note.
    """

    def decorate(function: Callable[..., Result]) -> Callable[..., Result]:
        lines = []

        def offer(parameter: Parameter) -> Parameter:
            kind, help_text = note(parameter.annotation)
            default = defaults.get(parameter.name, parameter.default)
            if default is not None and isinstance(kind, UnionType):
                kind = reduce(or_, [each for each in get_args(kind) if each is not NoneType])
            text = notes.get(parameter.name) or getattr(help_text, "help", help_text)
            text = _KEY.sub(r"`\1` of params.yaml", text)
            lines.append(f"    {parameter.name}: {text}")
            return parameter.replace(annotation=kind, default=default)

        flat = spell_out(function, offer)
        flat.__doc__ = "\n".join([str(getdoc(function)), "", "Args:", *lines])  # where Prefect looks for them
        return flat

    return decorate


def _training(fields: Fields, params: Params) -> None:
    names = zoo.names()
    if "family" in fields:
        fields["family"] |= {"enum": names, "default": params.train.families[0]}
    else:
        several, *others = fields["families"]["anyOf"]
        several["items"]["enum"] = [*names, zoo.AUTO]
        fields["families"] |= {"anyOf": [several, *others], "default": list(params.train.families)}
        fields["families"]["description"] = "What to train, side by side; by the API also one text, such as dcgan,vae."
    text, *others = fields["budget"]["anyOf"]
    text["enum"] = list(params.budgets)
    limits = "; ".join(f"{name}: {_limits(budget)}" for name, budget in params.budgets.items())
    fields["budget"] |= {"default": params.train.budget, "description": f"How long each family trains. {limits}."}


def _limits(budget: Budget) -> str:
    """The limits of a budget in words."""
    others = {limits.seconds for limits in budget.families.values()} - {budget.seconds}
    words = f"at most {_time(budget.seconds)} or {budget.steps:,} steps"
    return f"{words} (some families {_time(max(others))})" if others else words


def _time(seconds: float) -> str:
    return f"{seconds / 60:.2g} min" if seconds >= 60 else f"{seconds:.0f} s"
