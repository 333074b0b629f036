"""The zoo. A family is one file here that names its class ``family``, and a row in params.yaml.

:mod:`ganlib.families.parts` holds what families are composed from, and what a search may try for their options.
"""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ganlib.config import Params, parse
from ganlib.core.errors import BadInput, unknown

if TYPE_CHECKING:
    from ganlib.data.spec import DatasetSpec
    from ganlib.families.parts.base import Family, FamilyOptions


def names() -> list[str]:
    """Names of all families, sorted. Imports none of them."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)


def require(name: str) -> str:
    """``name`` itself if it is a family's.

    Raises:
        BadInput: it is not; the nearest name is offered.
    """
    if name not in names():
        raise unknown("family", name, names())
    return name


AUTO = "auto"
"""In place of names: every family that can be trained on the data."""


def require_all(selection: Sequence[str]) -> tuple[str, ...]:
    """Return ``selection`` without repeats, each checked; :data:`AUTO` alone stays what it is.

    Raises:
        BadInput: none given, or one is not a family.
    """
    if not selection:
        raise BadInput(f"no family given. Known: {', '.join(names())}, or {AUTO} for all that fit the data.")
    if list(selection) == [AUTO]:
        return (AUTO,)
    return tuple(dict.fromkeys(require(name) for name in selection))


def fitting(candidates: Sequence[str], spec: DatasetSpec) -> tuple[str, ...]:
    """Return the names in ``candidates``, or for :data:`AUTO` those of all families that can be trained on ``spec``.

    Raises:
        BadInput: one of them cannot, or none can.
    """
    if list(candidates) != [AUTO]:
        for name in candidates:
            require_fit(name, spec)
        return tuple(candidates)
    if not (fit := able(spec)):
        raise BadInput(f"no family can be trained on {spec.name}.")
    return fit


def about(name: str) -> str:
    """What family ``name`` is, in a line: the first of its file's docstring. The file is read, not imported."""
    spec = find_spec(f"{__name__}.{require(name)}")
    source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def module(name: str) -> ModuleType:
    """The file of family ``name``, imported."""
    return import_module(f"ganlib.families.{require(name)}")


def load(name: str) -> type[Family]:
    """The class of family ``name``."""
    return module(name).family  # type: ignore[no-any-return]


def build(name: str, options: FamilyOptions, spec: DatasetSpec) -> Family:
    """Return family ``name`` for the images that ``spec`` describes, with fresh weights from torch's generator.

    Raises:
        BadInput: as :func:`require_fit`.
    """
    require_fit(name, spec, options)
    return load(name).kind(spec)(options, spec)


def unfit(name: str, spec: DatasetSpec, options: FamilyOptions | None = None) -> str | None:
    """Return why family ``name``, or with these ``options``, cannot be trained on ``spec``; None if it can."""
    if problem := load(name).unfit(spec):
        return f"{name} does not fit {spec.name}: {problem.rstrip('.')}."
    if options and (problem := options.unfit(spec.image)):
        return f"families.{name}.{problem}."
    return None


def require_fit(name: str, spec: DatasetSpec, options: FamilyOptions | None = None) -> None:
    """Check that family ``name`` can be trained on ``spec``.

    Raises:
        BadInput: it cannot; says why, and which families can.
    """
    problem = unfit(name, spec, options)
    if problem and options and not load(name).unfit(spec):
        raise BadInput(problem)
    if problem:
        raise BadInput(f"{problem} These do: {', '.join(able(spec)) or 'none'}.")


def able(spec: DatasetSpec) -> tuple[str, ...]:
    """Return the names of the families that can be trained on ``spec``, sorted."""
    return tuple(name for name in names() if unfit(name, spec) is None)


def options(name: str, row: Mapping[str, Any]) -> FamilyOptions:
    """The options of family ``name``: its defaults with ``row`` (of params.yaml) laid over them.

    A learning rate alone leaves the rest of the family's optimiser as it is.

    Raises:
        BadInput: an unknown option or a value that does not fit.
    """
    kind = load(name).Options
    return parse(kind, _laid_over(kind().model_dump(), row), where=f"families.{name}")


def configured(params: Params, name: str) -> FamilyOptions:
    """The options of family ``name`` as ``params`` has them. Raises as :func:`options`."""
    return options(name, params.families.get(name, {}))


def for_data(params: Params, name: str, spec: DatasetSpec, images: int) -> FamilyOptions:
    """The options of family ``name`` for a training on ``images`` images such as ``spec`` describes.

    What ``params`` leave to the number of images is filled in: see :mod:`ganlib.families.parts.few`.

    Raises:
        BadInput: as :func:`options` and :func:`require_fit`.
    """
    configured_options = configured(params, name)
    require_fit(name, spec, configured_options)
    return configured_options.for_images(images, spec.image)


def _laid_over(defaults: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """``defaults`` with ``row`` on top, mapping by mapping."""
    return {**defaults} | {
        key: _laid_over(defaults[key], value)
        if isinstance(value, Mapping) and isinstance(defaults.get(key), Mapping)
        else value
        for key, value in row.items()
    }
