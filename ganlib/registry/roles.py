"""Who may move the champion: ``promoters`` and ``own_approval`` of the section ``registry`` of params.yaml.

MLflow's own permissions say who can write to it at all. They do not tell who registers from who promotes: both write to
the registered model.
"""

from __future__ import annotations

from ganlib.config import RegistryConfig
from ganlib.core.errors import BadInput
from ganlib.registry.registry import Registry
from ganlib.registry.version import Version
from ganlib.tracking import history
from ganlib.tracking.login import login


def is_promoter(rules: RegistryConfig, name: str) -> bool:
    """Whether ``name`` may move the champion. Where nobody is named, everybody may."""
    return not rules.promoters or name in rules.promoters


def require_promoter(rules: RegistryConfig, act: str) -> None:
    """Let the user of this process do ``act``, as in "prune", or not.

    Raises:
        BadInput: others are named.
    """
    if not is_promoter(rules, name := login()):
        raise BadInput(f"{_no_promoter(rules, name, act)}. Nothing was changed.")


def promoter_objection(rules: RegistryConfig, name: str, act: str) -> str | None:
    """Return why ``name`` may not do ``act``, if others are named; an empty one stands for somebody who gave none."""
    return None if is_promoter(rules, name) else _no_promoter(rules, name or "who gives no name", act)


def objection(registry: Registry, rules: RegistryConfig, version: Version, name: str) -> str | None:
    """Return why ``name`` may not approve ``version``, if so; empty names stand for somebody who gave none."""
    if reason := promoter_objection(rules, name, "approve"):
        return reason
    if rules.own_approval or version.run_id is None:
        return None
    if not name:
        return "an approval needs a name, as nobody approves a run of their own (registry.own_approval)"
    if history.read(registry.store, version.run_id).tags.get("mlflow.user") == name:
        return f"{name} trained version {version.version}, and another has to approve it (registry.own_approval)"
    return None


def _no_promoter(rules: RegistryConfig, name: str, act: str) -> str:
    return f"{name} may not {act}: registry.promoters in params.yaml names {', '.join(rules.promoters)}"
