"""Runs to write to."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ganlib.tracking import runs
from ganlib.tracking.runs import Run
from ganlib.tracking.store import MlflowStore
from tests import factories

Begin = Callable[..., Run]


def begin_run(store: MlflowStore, resume: str | None = None, **tags: str) -> Run:
    """A run of nothing in particular."""
    return runs.start(
        store,
        "test",
        family="vae",
        params={"seed": 1},
        tags=tags,
        data=factories.data_version(),
        source=factories.SourceRevision(None, dirty=False),
        experiment="tests",
        resume=resume,
    )


@pytest.fixture
def begin(store: MlflowStore) -> Begin:
    """Start a run in the store, or resume one."""
    return lambda resume=None, **tags: begin_run(store, resume, **tags)
