"""What pydantic says of a value, in the words of this project's users: what it must be, and what it is for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ganlib.core.errors import BadInput, unknown
from ganlib.core.redact import redacted

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "tuple": "a list, such as [a, b]",
    "list": "a list, such as [a, b]",
    "dict": "a section of keys with values",
    "model": "a section of keys with values",
    "finite": "a finite number",
    "date": "a date, such as 2026-01-31",
    "none": "empty",
}
_LIMITS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "above"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "below"),
}


def must(error: ErrorDetails) -> str:
    """Return what the value that pydantic refused must be or do, after "must"."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in _LIMITS:
        key, words = _LIMITS[kind]
        return f"be {words} {_number(context[key])}"
    if kind in ("literal_error", "enum"):
        return f"be {str(context['expected']).replace(chr(39), '')}"
    if kind in ("string_too_short", "too_short"):
        return "not be empty"
    if kind in ("string_too_long", "too_long"):
        return f"have at most {context['max_length']} {'characters' if kind == 'string_too_long' else 'entries'}"
    if kind == "value_error":  # of a check of ours, in our words
        return f"be another: {context.get('error', error['msg'])}"
    if noun := _KINDS.get(kind.partition("_")[0]):
        return f"be {noun}"
    return f"be another: {error['msg'][:1].lower()}{error['msg'][1:]}"


def refusal(model: type[BaseModel], error: ErrorDetails, where: str) -> BadInput:
    """Return ``error`` of ``model`` as one line; ``where`` says what the keys are of, such as ``params.yaml``."""
    location = error["loc"]
    if error["type"] == "extra_forbidden":
        return _unknown_key(model, location, where)
    return BadInput(f"{where}: {sentence(error, '.'.join(map(str, location)), _field(model, location))}")


def _unknown_key(model: type[BaseModel], location: tuple[int | str, ...], where: str) -> BadInput:
    """Offers the nearest key of the section, or else the same key in others."""
    name, keys = str(location[-1]), list(getattr(_model(model, location[:-1]), "model_fields", {}))
    elsewhere = [
        f"{section}.{name}"
        for section, field in model.model_fields.items()
        if name in getattr(field.annotation, "model_fields", {})
    ]
    if not elsewhere or get_close_matches(name, keys, n=1, cutoff=0.8):
        return unknown(f"key in {where}:", name, keys)
    *others, last = elsewhere
    offer = f"{', '.join(others)} or {last}" if others else last
    return BadInput(f"unknown key in {where}: {'.'.join(map(str, location))!r}. Did you mean {offer}?")


def _model(model: Any, location: Sequence[int | str]) -> Any:
    """The type of what lies at ``location``."""
    for part in location:
        fields = getattr(model, "model_fields", {})
        if part in fields:
            model = fields[part].annotation
        elif hasattr(model, "__args__"):  # a value of dict[str, Row], an entry of a list
            model = model.__args__[-1]
    return model


def _field(model: type[BaseModel], location: tuple[int | str, ...]) -> FieldInfo | None:
    """What is said of the key at ``location``; None of what is no field: a row, an entry of a list."""
    fields = getattr(_model(model, location[:-1]), "model_fields", {})
    return fields.get(location[-1]) if isinstance(location[-1], str) else None


def requirement(error: ErrorDetails, field: FieldInfo | None = None) -> str:
    """Return what is wrong with a value, to follow its name."""
    whole = {"missing": "is missing", "extra_forbidden": "is not known here"}
    return whole.get(error["type"]) or f"must {_by_pattern(error, field) or must(error)}"


def sentence(error: ErrorDetails, name: str, field: FieldInfo | None = None) -> str:
    """Say in one sentence what the value of ``name``, which ``field`` describes, must be, is, and is for."""
    value = error.get("input")
    actual = "" if error["type"] == "missing" else f", and is {as_text(value)}"
    note = f" ({field.description})" if field is not None and field.description else ""
    return f"{name} {requirement(error, field)}{actual}{note}.{nearest(value, error)}"


def as_text(value: Any) -> str:
    """Return a value as people write it, not too long and without passwords."""
    words = {None: "empty", True: "true", False: "false"}
    text = words[value] if value is None or isinstance(value, bool) else redacted(repr(value))
    return text if len(text) <= 80 else f"{text[:77]}..."


def _number(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def nearest(value: Any, error: ErrorDetails) -> str:
    """Return which of the allowed words was meant, perhaps."""
    words = re.findall(r"'([^']+)'", str(error.get("ctx", {}).get("expected", "")))
    near = get_close_matches(str(value).lower(), words, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def _by_pattern(error: ErrorDetails, field: FieldInfo | None) -> str:
    """What a pattern stands for: the field's examples, which say it to people."""
    if error["type"] != "string_pattern_mismatch":
        return ""
    examples: Sequence[Any] = (field.examples if field is not None else None) or ()
    return f"be {', '.join(map(str, examples))}" if examples else "have no other characters than letters, digits, . _ -"


_TYPER = re.compile(r"Invalid value for (.+?): Input should (.+)", re.DOTALL)


def usage(message: str) -> str:
    """Return what typer says of a command line, whose words about values are pydantic's."""
    plain = " ".join(message.split())
    if not (match := _TYPER.fullmatch(plain)):
        return f"{plain[:1].lower()}{plain[1:].rstrip('.?')}{'?' if plain.endswith('?') else '.'}" if plain else ""
    option, rest = match[1].strip("'"), match[2]
    words: Mapping[str, str] = {
        "be a valid integer": "be a whole number",
        "be a valid number": "be a number",
        "be a valid boolean": "be true or false",
        "be greater than or equal to": "be at least",
        "be less than or equal to": "be at most",
        "be greater than": "be above",
        "be less than": "be below",
    }
    for theirs, ours in words.items():
        if rest.startswith(theirs):
            return f"{option} must {ours}{rest.removeprefix(theirs).partition(',')[0]}."
    return f"{option} must {rest}."
