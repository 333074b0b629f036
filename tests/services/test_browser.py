"""A person at MLflow's own page, in a real Chromium against a real server; reconcile makes of it what the ledger says.

With GANLIB_SCREENSHOTS=docs/images the pictures of docs/operations.md are taken anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganlib.config import Params, load
from ganlib.core.project import Project
from ganlib.jobs.images.generate import generate
from ganlib.jobs.images.request import GenerateRequest
from ganlib.jobs.promotion.promote import promote
from ganlib.jobs.promotion.reconcile import reconcile
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.reconcile import APPROVE
from ganlib.registry.registry import Registry
from ganlib.registry.resolve import resolve_version
from ganlib.tracking.store import MlflowStore, connect
from tests import factories
from tests.support.screenshots import picture

pytestmark = [pytest.mark.services, pytest.mark.slow]

NAME = "in-the-page"  # the server is shared with other tests
PATIENCE = 90_000  # milliseconds; a page of MLflow takes five seconds on two idle cores


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = factories.project(tmp_path_factory.mktemp("project"))
    params = yaml.safe_load(project.params_file.read_text())
    params["registry"] |= {"model": NAME, "approval": "required"}
    project.params_file.write_text(yaml.safe_dump(params))
    return project


@pytest.fixture(scope="module")
def params(project: Project) -> Params:
    return load(project.params_file)


@pytest.fixture(scope="module")
def page(browser: Any) -> Any:
    opened = browser.new_page(viewport={"width": 1280, "height": 720})
    opened.set_default_timeout(PATIENCE)
    return opened


@pytest.fixture(scope="module")
def store(page: Any, project: Project, params: Params, mlflow_server: str) -> Iterator[MlflowStore]:
    """Version 1 is champion, approved by tag; version 2 passed the gate and awaits approval."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
        store = connect(project)
        factories.bare_version(store, 1, 20, name=NAME)
        assert promote(project, params, "1").awaiting
        Registry(store, NAME).tag(1, {APPROVE: "Ada"})
        assert reconcile(project, params).ok
        factories.graph(project.root / "2.onnx")
        factories.registered(store, project.root / "2.onnx", 10, name=NAME)
        assert promote(project, params, "2").awaiting
        yield store


def look(page: Any, name: str) -> None:
    """Keep a picture, without the assistant that MLflow opens beside its pages."""
    for close in page.locator("[data-component-id='mlflow.assistant.chat_panel.close']").all():
        close.click()
    picture(page, name)


def test_an_alias_set_in_the_page_is_recorded_and_the_next_batch_uses_that_version(
    page: Any, store: MlflowStore, project: Project, params: Params, tmp_path: Path
) -> None:
    assert resolve_version(Registry(store, NAME), "champion").version == 1
    page.goto(f"{store.uri}/#/models/{NAME}/versions/2")
    page.locator("[data-component-id*='modelversionviewaliaseditor']").first.click()
    form = page.get_by_role("dialog")
    form.get_by_role("combobox").fill("champion")
    page.keyboard.press("Enter")
    form.get_by_text("also being used on version 1").wait_for()
    picture(page, "set-champion")
    form.get_by_role("button", name="Save aliases").click()
    form.wait_for(state="hidden")
    page.get_by_text("@ champion").first.wait_for()

    done = reconcile(project, params)
    assert done.ok, done.summary()
    page.reload()
    page.get_by_text("@ champion").first.wait_for()
    look(page, "champion-set")
    entry = Ledger(store, NAME).read().entries()[-1]
    assert (entry.kind, entry.from_version, entry.to_version) == ("promoted", 1, 2)
    assert entry.who.startswith("a person, found by ")
    after = generate(project, params, "champion", GenerateRequest(out=str(tmp_path / "after"), count=2))
    assert after.manifest.origin["version"] == 2
    assert after.manifest.model_sha256 == Registry(store, NAME).get(2).sha256


def test_an_approval_typed_in_the_page_is_put_to_the_gate_and_the_answer_is_there(
    page: Any, store: MlflowStore, project: Project, params: Params
) -> None:
    page.goto(f"{store.uri}/#/models/{NAME}/versions/1")
    page.get_by_placeholder("Name").fill(APPROVE)
    page.get_by_placeholder("Value").fill("Grace")
    look(page, "approve")
    page.get_by_test_id("add-tag-button").click()
    page.get_by_role("cell", name="Grace").wait_for()

    done = reconcile(project, params)
    assert not done.ok, "version 1 is worse than the champion, 2"
    entry = Ledger(store, NAME).read().entries()[-1]
    assert (entry.kind, entry.from_version, entry.to_version) == ("refused", 2, 1)
    assert entry.who.startswith("Grace (tag approve), found by ")
    page.reload()
    page.get_by_text(f"refused (entry {entry.seq})").first.wait_for()
    assert resolve_version(Registry(store, NAME), "champion").version == 2
