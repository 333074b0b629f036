"""Who uses `champion` while a person has set the alias on a version that the gate refused: real servers."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import requests
import yaml

from ganlib.config import load
from ganlib.core.project import Project
from ganlib.jobs.promotion.promote import promote
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking.store import connect
from tests import factories
from tests.services import project as projects
from tests.services.test_serving import serving, until

pytestmark = pytest.mark.services

NAME = "earned-generator"  # the server is shared with other tests
ACCEPT = ("--set", "registry.external=accept")


@pytest.fixture
def registry(tmp_path: Path, mlflow_server: str, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Version 1 is champion; version 2 was refused."""
    project = factories.project(tmp_path / "project")
    params = yaml.safe_load(project.params_file.read_text())
    params["registry"]["model"] = NAME
    project.params_file.write_text(yaml.safe_dump(params))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    store, loaded = connect(project), load(project.params_file)
    factories.graph(tmp_path / "1.onnx")
    factories.variant(tmp_path / "1.onnx", tmp_path / "2.onnx", "2")
    for number, fid in ((1, 10), (2, 30)):
        factories.registered(store, tmp_path / f"{number}.onnx", fid, name=NAME)
        assert promote(project, loaded, str(number)).promoted == (number == 1)
    return Registry(store, NAME)


def generated(project: Project, *more: str) -> tuple[bool, str]:
    """Whether `ganlib generate` used version 2, and what it said to people."""
    out = project.root / "out" / ("accept" if more else "revert")
    words = ("ganlib", "generate", "--model", f"models:/{NAME}@champion", "--count", "1", "--out", str(out), *more)
    done = projects.run(project.root, *words, PYTHONPATH=str(projects.ROOT))
    assert done.returncode == 0, done.stderr
    return '"version": 2' in (out / "manifest.json").read_text(), done.stderr


def test_a_refused_version_with_the_alias_is_never_used_until_policy_accepts_it(registry: Registry) -> None:
    project, two = registry.store.project, registry.get(2)
    name = f"models:/{NAME}@champion"
    served_two, stop = threading.Event(), threading.Event()
    with serving(project, name, mlflow=registry.store.uri, poll_seconds=0.1) as served:

        def ask() -> None:
            while not stop.is_set():
                answer = requests.get(f"{served.url}/v1/images", timeout=60)
                if answer.headers["X-Ganlib-Model-Sha256"] == two.sha256:
                    served_two.set()

        asker = threading.Thread(target=ask)
        asker.start()
        try:
            registry.set_alias(CHAMPION, 2)
            until(lambda: any("version 2 was given the alias champion by hand" in line for line in served.lines))
            used, said = generated(project)
            assert not used
            assert "the gate refused it" in said
            assert said.count("version 1 is used") == 1
        finally:
            stop.set()
            asker.join()
        assert not served_two.is_set()
    with serving(project, name, mlflow=registry.store.uri) as served:
        assert served.event["models"]["champion"] != two.sha256, "one that starts now does not use it either"
    assert generated(project, *ACCEPT)[0]
    project.params_file.write_text(project.params_file.read_text().replace("external: revert", "external: accept"))
    with serving(project, name, mlflow=registry.store.uri) as served:
        assert served.event["models"]["champion"] == two.sha256
