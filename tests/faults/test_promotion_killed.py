"""A promoter that is killed between any two of its steps leaves the old champion or the new one, and blocks nobody."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from ganlib.config import GateConfig
from ganlib.project import Project
from ganlib.registry.promote import promote
from ganlib.registry.versions import CHALLENGER, CHAMPION, PREVIOUS, Registry
from ganlib.tracking.store import Store, connect
from tests import factories

pytestmark = [pytest.mark.faults, pytest.mark.slow]

NAME = "mnist-generator"
WRITES = ("set_model_version_tag", "log_text", "set_registered_model_alias", "delete_registered_model_alias")
STEPS = 5  # gate tag, report, alias previous, alias champion, challenger's alias removed


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Champion 1, challenger 2, which is better."""
    store = connect(factories.project(tmp_path_factory.mktemp("registry")))
    for seed, fid in ((0, 10), (1, 5)):
        path = tmp_path_factory.mktemp("graphs") / f"{seed}.onnx"
        factories.graph(path, seed)
        factories.registered(store, path, fid)
        if seed == 0:
            promoted(store, "1")
    return store.project


def promoted(store: Store, reference: str) -> bool:
    registry = Registry(store, NAME)
    return promote(registry, registry.resolve(reference), policy=GateConfig(), state=store.project.state).promoted


def _promote_and_die(root: Path, step: int) -> None:
    """Promote version 2, and be killed just before write number ``step`` (from 0) reaches MLflow."""
    store = connect(Project(root))
    done = 0

    def deadly(write: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal done
            if done == step:
                os.kill(os.getpid(), signal.SIGKILL)
            done += 1
            return write(*arguments, **options)

        return call

    for name in WRITES:
        setattr(store.client, name, deadly(getattr(store.client, name)))
    promoted(store, "2")


@pytest.mark.parametrize("step", range(STEPS + 1))
def test_a_killed_promoter_leaves_the_old_champion_or_the_new_one_and_the_next_one_finishes(
    before: Project, tmp_path: Path, step: int
) -> None:
    project = Project(tmp_path / "project")
    shutil.copytree(before.root, project.root)
    child = multiprocessing.get_context("spawn").Process(target=_promote_and_die, args=(project.root, step))
    child.start()
    child.join(300)
    assert child.exitcode == (0 if step == STEPS else -signal.SIGKILL)
    store = connect(project)
    champion = Registry(store, NAME).alias(CHAMPION)
    assert champion is not None
    assert champion.version == (1 if step <= 3 else 2)
    if champion.version == 1:
        assert promoted(store, "2")
    aliases = store.client.get_registered_model(NAME).aliases
    assert {name: int(aliases[name]) for name in (CHAMPION, PREVIOUS)} == {CHAMPION: 2, PREVIOUS: 1}
    assert step == 4 or CHALLENGER not in aliases
