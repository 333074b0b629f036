"""One list of options for all who offer them: a function takes a record, and its callers give the record's fields."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from inspect import Parameter
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

Result = TypeVar("Result")


def spell_out(function: Callable[..., Result], offer: Callable[[Parameter], Parameter]) -> Callable[..., Result]:
    """Return ``function`` with each parameter that is a dataclass spelled out as the fields of that dataclass.

    A command line or a form that reads the signature of the result has the fields' names, types, notes and defaults.
    An empty text stands for an option that is not given where the default is None: forms and MLflow send that.

    Args:
        function: takes keywords only. Its annotations are evaluated now.
        offer: makes of each parameter what the command line or the form has in its place.
    """
    hints = get_type_hints(function, include_extras=True)
    records: dict[str, Any] = {name: kind for name, kind in hints.items() if name != "return" and is_dataclass(kind)}
    signature = inspect.Signature(
        [offer(parameter) for parameter in _parameters(inspect.signature(function), hints)],
        return_annotation=hints["return"],
    )

    @wraps(function)
    def wrapper(**options: Any) -> Result:
        bound = signature.bind(**options)
        bound.apply_defaults()
        values = {
            name: None if value == "" and signature.parameters[name].default is None else value
            for name, value in bound.arguments.items()
        }
        for name, kind in records.items():
            values[name] = kind(**{each.name: values.pop(each.name) for each in fields(kind)})
        return function(**values)

    wrapper.__signature__ = signature  # type: ignore[attr-defined]
    wrapper.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    return wrapper


def _parameters(signature: inspect.Signature, hints: dict[str, Any]) -> Iterator[Parameter]:
    for parameter in signature.parameters.values():
        kind = hints[parameter.name]
        if not is_dataclass(kind):
            yield parameter.replace(annotation=kind)
            continue
        kinds = get_type_hints(kind, include_extras=True)
        for each in fields(kind):
            default = Parameter.empty if each.default is MISSING else each.default
            yield Parameter(each.name, Parameter.KEYWORD_ONLY, annotation=kinds[each.name], default=default)


def note(annotation: Any) -> tuple[Any, Any]:
    """Return the type and the first note of ``Annotated[type, note]``; of any other annotation the note is None."""
    if get_origin(annotation) is not Annotated:
        return annotation, None
    kind, first, *_ = get_args(annotation)
    return kind, first
