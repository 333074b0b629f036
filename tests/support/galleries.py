"""A project whose registry has what a gallery shows: models of each contract, decisions, curves, a name with markup."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ganlib.config import load
from ganlib.core.project import Project
from ganlib.jobs.promotion.promote import promote
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking.store import connect
from tests import factories
from tests.support import graphs
from tests.support.specs import CAPTIONS, ICONS, SHOP

PLAIN, MARKUP, WORDS = "mnist-generator", "<b>shop & co", "icons-generator"
"""Registered models: of noise alone; of classes, with a name that is HTML; of captions."""


def write(folder: Path) -> Project:
    """Version 1 of PLAIN is champion, version 2 was refused; the other two models have a champion each."""
    project = factories.project(folder, factories.empty_database())
    store = connect(project)
    for number, fid in ((1, 20), (2, 90)):
        graphs.write(project.root / f"{number}.onnx", seed=number)
        version = factories.registered(store, project.root / f"{number}.onnx", fid)
        for step in range(1, 4):
            store.client.log_metric(version.run_id, "quality/validation_fid", fid + 30 / step, step=step * 100)
            store.client.log_metric(version.run_id, "loss/my term", 1 / step, step=step * 100)
        promote(project, load(project.params_file), str(number))
    graphs.write(project.root / "shop.onnx", 3, "label", SHOP)
    graphs.write(project.root / "icons.onnx", 4, "caption", ICONS, CAPTIONS)
    for name, graph in {MARKUP: "shop.onnx", WORDS: "icons.onnx"}.items():
        factories.registered(store, project.root / graph, 5, name)
        Registry(store, name).set_alias(CHAMPION, 1)
    return project


def champions(project: Project) -> Mapping[str, Path]:
    """The champions' graphs, by the names of their models."""
    files = {PLAIN: "1.onnx", MARKUP: "shop.onnx", WORDS: "icons.onnx"}
    return {name: project.root / file for name, file in files.items()}
