"""A project with two real versions, real images and a real artifact store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ganlib.config import Params, load
from ganlib.core.project import Project
from ganlib.jobs.images.generate import generate
from ganlib.jobs.images.request import GenerateRequest
from ganlib.jobs.promotion.promote import promote
from ganlib.tracking.store import connect
from tests import factories


@pytest.fixture(scope="module")
def made(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Version 1 is champion and has made the images in ``images``; version 2 is better and challenger."""
    project = factories.project(tmp_path_factory.mktemp("made") / "project", empty_database)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store = connect(project)
        factories.graph(project.root / "1.onnx")
        factories.variant(project.root / "1.onnx", project.root / "2.onnx", "another")
        for number, fid in ((1, 20), (2, 10)):
            factories.registered(store, project.root / f"{number}.onnx", fid)
            if number == 1:
                assert promote(project, load(project.params_file), "1").promoted
        generate(
            project,
            load(project.params_file),
            "champion",
            GenerateRequest(out=str(project.root / "images"), count=3, seed=5),
        )
        yield project


@pytest.fixture
def params(made: Project) -> Params:
    return load(made.params_file)
