"""From what people call a version, of whichever model, to the version."""

from __future__ import annotations

import logging

from ganlib.config import Params
from ganlib.registry import names
from ganlib.registry.champion import Champion
from ganlib.registry.registry import CHAMPION, Registry, Version


def resolve_version(registry: Registry, reference: str) -> Version:
    """Return the version that ``reference`` names: ``3``, ``v3``, an alias, ``models:/NAME@ALIAS``, ``models:/NAME/3``.

    It is one of ``registry`` unless the reference names another registered model of the same store.

    Raises:
        BadInput: it is none of these, or nothing of that name exists.
        Unavailable: MLflow does not answer.
    """
    name, alias, number = names.parse(reference, registry.name)
    if name != registry.name:
        registry = Registry(registry.store, name)
    if number is not None:
        return registry.get(number)
    version = registry.alias(alias)
    if version is None:
        raise names.absent(registry.store, name, alias, registry.versions())
    return version


def resolve_model(registry: Registry, params: Params, reference: str) -> Version:
    """Return the version to use where ``reference`` is given: ``champion`` is what :class:`Champion` says.

    A line of the log says where the champion is not the version that the alias is on.

    Raises:
        BadInput: it is no reference, or nothing of that name exists.
        Unavailable: MLflow does not answer.
    """
    name, alias, number = names.parse(reference, registry.name)
    if number is not None or alias != CHAMPION:
        return resolve_version(registry, reference)
    choice = Champion(Registry(registry.store, name), params).choose()
    if choice.note:
        logging.getLogger("ganlib").warning("%s", choice.note)
    return choice.version
