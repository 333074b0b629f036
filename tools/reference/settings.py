"""The page about ``params.yaml``, from the records that check it."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ganlib.config import Params
from ganlib.core.record import Record
from tools.reference.text import item, markdown

_LIMITS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
_NAMES = {int: "whole number", float: "number", str: "text", bool: "true or false", Any: "any value"}
_TOP = """# Settings

Every key of `params.yaml`, from the records that check it. `--set SECTION.KEY=VALUE` overrides one for one run; a
variable `GANLIB_SERVICES_KEY` overrides a key of `services`. Written by `make reference`.
"""


def page() -> str:
    """Return the page, a section of ``params.yaml`` a section."""
    parts = [_TOP]
    for name, field in Params.model_fields.items():
        parts += [f"## {name}", "", *_section(name, field), ""]
    return "\n".join(parts).rstrip() + "\n"


def _section(name: str, field: FieldInfo) -> Iterator[str]:
    if name == "families":
        yield "A row a family that is trained here: its options, over the family's own"
        yield "([what all have](families.md#familyoptions); `ganlib families` lists them)."
        return
    if (kind := _record(field.annotation)) is None:
        raise TypeError(f"the section {name} is no record")
    yield from (markdown(kind.__doc__ or "").partition("\n")[0], "")
    if get_origin(field.annotation) is dict:
        yield from ("A row has a name of yours and these keys:", "")
    yield from _keys(kind)


def _keys(kind: type[Record]) -> Iterator[str]:
    """The keys of a record, and below them those of the records that they hold."""
    for key, each in kind.model_fields.items():
        yield item(key, _notes(each), markdown(each.description or ""))
        if (inner := _record(each.annotation)) is not None:
            yield from (f"    {row}" for row in _keys(inner))


def _record(annotation: Any) -> type[Record] | None:
    """The record that an annotation is of, or holds."""
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return annotation
    return next((record for each in get_args(annotation) if (record := _record(each)) is not None), None)


def _notes(field: FieldInfo) -> list[str]:
    return [_words(field.annotation), *_limits(field.metadata), _default(field)]


def _words(kind: Any) -> str:
    """An annotation in words."""
    arguments = get_args(kind)
    match get_origin(kind):
        case origin if origin is Annotated:
            return "; ".join([_words(arguments[0]), *_limits(arguments[1:])])
        case origin if origin is Literal:
            return " or ".join(f"`{value}`" for value in arguments)
        case origin if origin in (Union, UnionType):
            return " or ".join(_words(each) for each in arguments if each is not NoneType)
        case origin if origin is tuple:
            inner = arguments[:1] if arguments[1:] == (...,) else arguments
            return f"list of {' and '.join(dict.fromkeys(map(_words, inner)))}"
        case origin if origin is dict:
            return f"rows of {_words(arguments[1])}"
    if isinstance(kind, type) and issubclass(kind, Record):
        return "these keys"
    return _NAMES[kind]


def _limits(metadata: Any) -> Iterator[str]:
    """What annotated-types and pydantic say that a value must be, beyond its type."""
    for limit in metadata:
        for key, words in _LIMITS.items():
            if (value := getattr(limit, key, None)) is not None:
                yield f"{words} {_number(value)}"
        if pattern := getattr(limit, "pattern", None):
            yield f"matching `{pattern}`"


def _number(value: float) -> str:
    return f"2^{value.bit_length() - 1}" if isinstance(value, int) and value > 2**32 else f"{value:g}"


def _default(field: FieldInfo) -> str:
    """A field's default as YAML has it; a section's is that of its keys."""
    value = field.get_default(call_default_factory=True)
    match value:
        case None | bool():
            return f"default: {str(value).lower().replace('none', 'null')}"
        case Record() | dict():
            return ""
        case tuple():
            return f"default: `[{', '.join(map(str, value))}]`"
        case "":
            return "default: empty"
    return "required" if value is PydanticUndefined else f"default: `{value}`"
