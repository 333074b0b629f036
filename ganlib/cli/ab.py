"""``ganlib ab``: two versions in use at once, and which of them does better."""

from __future__ import annotations

from typing import Annotated

import typer

from ganlib.cli.app import open_project, show
from ganlib.cli.help import Verbs
from ganlib.cli.options import Json, RegisteredModel, Set
from ganlib.core.errors import BadInput

app = Verbs(no_args_is_help=True)

Version = Annotated[str, typer.Argument(help="A version number, an alias or a models:/ URI.")]
Key = Annotated[str, typer.Argument(help="What names an item: a customer, a request, an image's number.")]


@app.command()
def start(
    a: Version,
    b: Version,
    split: Annotated[str, typer.Option(metavar="90/10", help="Percentages of keys that get a and b.")] = "50/50",
    outcome: Annotated[str, typer.Option(help="binary (0 or 1) or number.")] = "binary",
    level: Annotated[
        float, typer.Option(help="Probability, at most, of ever calling equals different: above 0 and below 1.")
    ] = 0.05,
    model: RegisteredModel = None,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Begin a test of two versions; each registered model has one at a time."""
    project, params = open_project(overrides)
    from ganlib.abtest import experiment as ab

    test = ab.start(project, params, a, b, share_a=ab.split(split), outcome=outcome, level=level, model=model)
    show(
        test,
        as_json=as_json,
        text=lambda: (
            f"A/B test {test.number}: version {test.a.version} for {100 * test.share_a:g}% of keys, "
            f"version {test.b.version} for the rest"
        ),
    )


@app.command()
def assign(key: Key, model: RegisteredModel = None, as_json: Json = False) -> None:
    """Say which version makes the item of a key; the same one for as long as the test runs."""
    project, params = open_project()
    from ganlib.abtest import experiment as ab

    assignment = ab.assign(project, model or params.registry.model, key)
    show(assignment, as_json=as_json, text=lambda: assignment.uri)


@app.command()
def record(
    key: Key,
    outcome: Annotated[str, typer.Argument(help="0 or 1, or a number, as the test was started.")],
    model: RegisteredModel = None,
    as_json: Json = False,
) -> None:
    """Record what came of an item; the same again is not counted twice."""
    project, params = open_project()
    from ganlib.abtest import experiment as ab

    try:
        value = float(outcome)
    except ValueError:
        raise BadInput(f"outcome {outcome!r} is no number. Nothing was recorded.") from None
    done = ab.record(project, model or params.registry.model, key, value)
    show(done, as_json=as_json, text=lambda: f"{done.key}: {done.value:g} for {done.side}")


@app.command()
def report(model: RegisteredModel = None, as_json: Json = False) -> None:
    """Say which does better, and whether that is settled; it may be asked after every outcome."""
    project, params = open_project()
    from ganlib.abtest import experiment as ab

    comparison = ab.report(project, model or params.registry.model)
    show(comparison, as_json=as_json, text=comparison.summary)


@app.command()
def stop(
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    model: RegisteredModel = None,
    as_json: Json = False,
) -> None:
    """End the test; its outcomes stay, and its versions may be pruned."""
    project, params = open_project()
    from ganlib.abtest import experiment as ab

    test = ab.stop(project, model or params.registry.model, reason=reason)
    show(test, as_json=as_json, text=lambda: f"A/B test {test.number} ended; its outcomes: ganlib ab report")
