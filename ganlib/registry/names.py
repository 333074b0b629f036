"""From what people call a version to its model, alias or number, and what to tell them where there is none."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ganlib import families, pretrained
from ganlib.core.errors import BadInput
from ganlib.tracking import history
from ganlib.tracking.store import Absent, MlflowStore

if TYPE_CHECKING:
    from ganlib.registry.version import Listing

# Nine digits: what a database's integer holds.
_URI = re.compile(r"models:/(?P<name>[A-Za-z0-9._-]+)(?:@(?P<alias>[A-Za-z0-9._-]+)|/(?P<version>[0-9]{1,9}))")
_NUMBER = re.compile(r"(?:version|v)?[ .]?#?([0-9]{1,9})", re.IGNORECASE)  # MLflow allows no alias of this form
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_FORMS = "a version number such as 3, an alias such as champion, models:/NAME@ALIAS or models:/NAME/VERSION"


class VersionReference(NamedTuple):
    """A registered model's name, and an alias of it or the number of a version."""

    name: str
    alias: str
    number: int | None


def number(text: str) -> int | None:
    """Return the version number that ``text`` stands for: 3, v3, #3 or version 3; None if it is none."""
    match = _NUMBER.fullmatch(text.strip())
    return int(match[1]) if match else None


def parse(text: str, name: str) -> VersionReference:
    """Return what ``text`` names; of the model ``name`` unless it says another.

    Raises:
        BadInput: it has no form that a version's name has.
    """
    if (version := number(text)) is not None:
        return VersionReference(name, "", version)
    if match := _URI.fullmatch(text):
        version = int(match["version"]) if match["version"] else None
        return VersionReference(match["name"], match["alias"] or "", version)
    if text.endswith(".onnx") or text.startswith("runs:/"):
        raise BadInput(
            f"{text!r} is no version of the registry, and one is wanted here. A run's graph becomes one by: "
            "ganlib register RUN_ID"
        )
    if text.startswith(pretrained.PREFIX):
        raise BadInput(
            f"{text!r} is no version of the registry, and one is wanted here. It becomes one by: "
            f"ganlib registry import {text}"
        )
    if _ALIAS.fullmatch(text):
        return VersionReference(name, text, None)
    raise BadInput(f"{no_file(text) or f'{text!r} names no version.'} Wanted is {_FORMS}.{_guess(text)}")


def absent(store: MlflowStore, name: str, alias: str, versions: Sequence[Listing]) -> Absent:
    """There is no ``alias`` among ``versions`` of the model ``name``: what it may be instead, and what there is."""
    if problem := no_file(alias):
        return Absent(f"{name} has no {alias!r}. {problem}")
    if alias in families.names():
        return Absent(
            f"{name} has no {alias!r}: that is a family, and a model is wanted. {_of_family(store, alias, versions)}"
        )
    if not versions:
        return Absent(
            f"{name} has no {alias!r}: nothing of that name is registered. Train and register: ganlib retrain; or take "
            f"a model that ships with ganlib: {pretrained.EXAMPLE}"
        )
    aliases = sorted({alias for version in versions for alias in version.aliases})
    near = get_close_matches(alias, aliases, n=1, cutoff=0.6)
    offer = f" Did you mean {near[0]!r}?" if near else ""
    numbers = _listed([str(version.version) for version in versions])
    return Absent(f"{name} has no {alias!r}.{offer} Aliases: {', '.join(aliases) or 'none'}; versions: {numbers}.")


def no_file(text: str) -> str:
    """Return what is wrong with ``text`` as a model's file, if it looks like one; else nothing."""
    path = Path(text)
    if "://" in text:
        return f"{text} is not fetched from there: download it, and name the .onnx file."
    if text and path.is_dir():
        return f"{text} is a folder, not a model: name the .onnx file in it."
    if text and path.is_file():
        return f"{text} is a file, but no ONNX model: the name of one ends in .onnx."
    return ""


def _of_family(store: MlflowStore, family: str, versions: Sequence[Listing]) -> str:
    runs = history.newest(store, family)
    if not runs:
        offer = f"; or take the one that ships with ganlib: {pretrained.PREFIX}{family}"
        return f"No run of it has finished: ganlib train {family}{offer if family in pretrained.names() else ''}"
    hint = f"Its newest runs: {', '.join(f'runs:/{run}' for run in runs)}."
    theirs = [str(version.version) for version in versions if version.family == family]
    return (
        f"{hint} Its versions: {_listed(theirs)}."
        if theirs
        else f"{hint} None of them is a version: ganlib register {runs[0]}"
    )


def _listed(names: Collection[str], most: int = 8) -> str:
    return ", ".join([*list(names)[:most], *(["..."] if len(names) > most else [])])


def _guess(text: str) -> str:
    """What somebody meant who left a part of a URI out."""
    for start in ("models:/", "models:"):
        whole = start + text.removeprefix(start)
        if _URI.fullmatch(whole) and whole != text:
            return f" Did you mean {whole!r}?"
    return ""
