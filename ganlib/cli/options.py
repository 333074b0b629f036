"""Options that several verbs and the flows take, and options that are the fields of a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from ganlib.core.errors import BadInput
from ganlib.core.options import note, spell_out

Result = TypeVar("Result")

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and progress as JSON events on stderr.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override one value of params.yaml for this run, such as train.seed=3 (repeatable).",
    ),
]
From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="PLACE",
        help="Use these images: a folder (of one folder a class, of pictures, or with a table), an archive, Parquet or "
        "IDX files; or a known data set by name, such as mnist, fashion-mnist or twemoji.",
    ),
]
Budget = Annotated[
    str | None, typer.Option(help="How long to train, whichever comes first: {budgets}; default: {train.budget}.")
]
Model = Annotated[
    str,
    typer.Option(
        help="models:/NAME@ALIAS, models:/NAME/VERSION, runs:/ID, a version, an alias, pretrained:NAME or .onnx file."
    ),
]
ModelArgument = Annotated[
    str,
    typer.Argument(help="models:/NAME@ALIAS, runs:/ID, a version, an alias, pretrained:NAME or an .onnx file."),
]

C2paCertificate = Annotated[
    Path | None,
    typer.Option(
        "--c2pa-cert",
        help="Sign each PNG file with this certificate (PEM, with its chain); default: they are unsigned.",
    ),
]
C2paKey = Annotated[
    Path | None, typer.Option("--c2pa-key", help="The certificate's private key (PEM); default: none, as above.")
]

RegisteredModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="A registered model, such as that of another data set; default: {registry.model}.",
    ),
]

_NAMES = {"file_format": "--format", "allow_cpu": "--allow-cpu", "fail_on_drift": "--fail-on-drift"}
"""Options that are called other than their field, and flags that have no opposite."""
_NUMBERS = ("count", "start")
"""Whole numbers so large that people write 1e6."""
_METAVARS = {**dict.fromkeys(_NUMBERS, "NUMBER"), "scheduler": "URL"}


def command(function: Callable[..., Result]) -> Callable[..., Result]:
    """Return ``function`` as a command for typer: each parameter that is a dataclass becomes an option a field."""
    return spell_out(function, _option)


def words(record: Any) -> Iterator[str]:
    """Give ``record``, a dataclass, as the words of a command line that :func:`command` reads back."""
    for field in fields(record):
        name, value = _NAMES.get(field.name, f"--{field.name.replace('_', '-')}"), getattr(record, field.name)
        if value == field.default:
            continue
        if isinstance(value, bool):
            yield name if value else f"--no-{name.removeprefix('--')}"
        else:
            yield f"{name}={value}"


def _option(parameter: Parameter) -> Parameter:
    kind, text = note(parameter.annotation)
    if not isinstance(text, str):  # it is an option of typer's already
        return parameter
    name = parameter.name
    option = typer.Option(
        *([_NAMES[name]] if name in _NAMES else []),
        help=text,
        metavar=_METAVARS.get(name),
        parser=_whole_of(f"--{name}") if name in _NUMBERS else None,
    )
    return parameter.replace(annotation=Annotated[kind, option])


def _whole_of(option: str) -> Callable[[Any], int]:
    """A parser for typer, which gives it the default, too."""

    def parse(text: Any) -> int:
        return whole(option, str(text))

    return parse


def whole(option: str, text: str) -> int:
    """Return ``text`` as a whole number; 1e6 and 2.5e3 are some, too.

    Raises:
        BadInput: it is not one. ``option`` names it.
    """
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    # A number of a million digits is refused before it is made.
    if not number.is_finite() or number.adjusted() > 30 or number != number.to_integral_value():
        raise BadInput(f"{option} {text}: not a whole number, such as 5000 or 1e6.")
    return int(number)
