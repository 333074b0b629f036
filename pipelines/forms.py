"""What Prefect's page offers in the forms of the deployments: choices, defaults and limits from params.yaml."""

from __future__ import annotations

from typing import Any

from prefect import Flow

from ganlib import families as zoo
from ganlib.cli.flows import RUNNERS
from ganlib.config import Budget, Params
from ganlib.export.runtime import PROVIDERS
from ganlib.generation.manifest import FORMATS

_EXAMPLE = "train.seed=3"


def fill(params: Params, *, retrain: Flow[..., Any], train: Flow[..., Any], generate: Flow[..., Any]) -> None:
    """Put the choices of this project into the forms of three flows; the flows themselves take what they took."""
    names = zoo.names()
    several = {
        "anyOf": [
            {"type": "array", "title": "choose", "items": {"type": "string", "enum": names}},
            {"type": "string", "title": "type, as in dcgan,vae"},
        ],
        "default": list(params.train.families),
    }
    _describe(retrain, "families", several)
    _describe(train, "family", {"type": "string", "enum": names, "default": params.train.families[0]})
    budgets = {"type": "string", "enum": list(params.budgets), "default": params.train.budget}
    limits = "; ".join(f"{name}: {_minutes(budget)}" for name, budget in params.budgets.items())
    for flow in (retrain, train):
        _describe(flow, "budget", budgets, f"How long each family trains. {limits}.")
        _example(flow)
    for key, choices in (("file_format", FORMATS), ("provider", PROVIDERS), ("runner", RUNNERS)):
        _describe(generate, key, {"type": "string", "enum": list(choices)})
    _describe(generate, "count", {"type": "integer", "default": params.generate.count})
    _describe(generate, "seed", {"type": "integer", "default": params.generate.seed})
    _example(generate)


def _describe(flow: Flow[..., Any], name: str, schema: dict[str, Any], description: str | None = None) -> None:
    """Replace the types of a parameter by ``schema``; its title, place, default and description stay unless given."""
    field = flow.parameters.properties[name]
    for key in ("anyOf", "type", "enum", "items"):
        field.pop(key, None)
    field.update(schema)
    if description:
        field["description"] = description


def _example(flow: Flow[..., Any]) -> None:
    field = flow.parameters.properties["overrides"]
    field["examples"] = [[_EXAMPLE]]
    field["default"] = []
    field.pop("anyOf", None)
    field.update({"type": "array", "items": {"type": "string"}})
    field["description"] = f"Lines such as {_EXAMPLE}, over params.yaml for this run alone, which records them."


def _minutes(budget: Budget) -> str:
    """The limits of a budget in words."""
    exceptions = {limits.seconds for limits in budget.families.values()} - {budget.seconds}
    words = f"at most {budget.seconds / 60:.3g} min or {budget.steps:,} steps"
    return (
        f"{words} ({', '.join(f'some {seconds / 60:.2g} min' for seconds in sorted(exceptions))})"
        if exceptions
        else words
    )
