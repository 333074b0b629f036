"""A registry with a champion that was trained on a data version, as the causes see it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ganlib import config
from ganlib.config import GateConfig, Params
from ganlib.jobs.triggers.situation import Situation
from ganlib.registry.promote import promote
from ganlib.registry.registry import Registry
from ganlib.tracking.store import MlflowStore
from tests import factories
from tests.conftest import ROOT

PARAMS = config.load(ROOT / "params.yaml", ["services.retrain_schedule=''"])
MD5 = "d" * 32 + ".dir"


@pytest.fixture
def champion(store: MlflowStore) -> Registry:
    """Version 1 is champion, trained on the data version :data:`MD5`, which ``dvc.lock`` records."""
    registry = Registry(store, PARAMS.registry.model)
    factories.bare_version(store, 1, 10)
    store.client.set_model_version_tag(registry.name, "1", "data_version", MD5)
    assert promote(registry, registry.get(1), policy=GateConfig(), state=store.project.state).promoted
    pin(store, MD5)
    return registry


def pin(store: MlflowStore, md5: str) -> None:
    """Have ``dvc.lock`` record ``md5`` as the prepared data."""
    outs = f"outs:\n    - path: data/prepared\n      md5: {md5}\n      size: 1\n      nfiles: 1\n"
    (store.project.root / "dvc.lock").write_text(f"schema: '2.0'\nstages:\n  prepare:\n    cmd: x\n    {outs}")


def settings(causes: list[str], services: dict[str, Any] | None = None, **triggers: Any) -> Params:
    """The committed params.yaml with other triggers."""
    changes: dict[str, Any] = {"triggers": PARAMS.triggers.model_copy(update={"causes": tuple(causes), **triggers})}
    changes["services"] = PARAMS.services.model_copy(update=services or {})
    return PARAMS.model_copy(update=changes)


def at(store: MlflowStore, params: Params, *, days: float = 0) -> Situation:
    """The state of things so many days from now."""
    return Situation(store.project, params, store, datetime.now(UTC) + timedelta(days=days))
