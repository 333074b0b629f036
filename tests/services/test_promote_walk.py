"""README's section *Promote*, word for word: a person in Chromium, and at a terminal, beside the servers of `make up`.

What is clicked, typed and run is read from README itself, so that the two cannot drift apart. With
GANLIB_SCREENSHOTS=docs/images the picture of docs/operations.md is taken anew.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganlib.config import load
from ganlib.core.project import Project
from ganlib.jobs.images.generate import generate
from ganlib.jobs.images.request import GenerateRequest
from ganlib.jobs.promotion.promote import promote
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.page import TAKEN_BACK
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking.store import connect
from tests import factories
from tests.services import project as projects
from tests.services.walk import PATIENCE, SECTION, opened, set_alias, to_model, told, until
from tests.support.screenshots import picture

pytestmark = [pytest.mark.services, pytest.mark.slow]

NAME = "mnist-generator"
COLLAPSED = (0.325, *(0.075,) * 9)
BLUE = told(r"The blue \*([^*]+)\* is another thing")
OVERRULE = told(r"To overrule the gate, (.*?)\. ").replace("`", "")
COMMANDS = [line.strip().partition("#")[0].strip() for line in SECTION.splitlines() if line.startswith("    ganlib ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = projects.make(tmp_path_factory.mktemp("walk") / "project")
    params = yaml.safe_load((made / "params.yaml").read_text())
    params["gate"]["limits"]["class_excess"] = {"at_most": 3.0}
    (made / "params.yaml").write_text(yaml.safe_dump(params))
    return made


@pytest.fixture(scope="module")
def mlflow(folder: Path) -> Iterator[str]:
    """URL of the MLflow of `make up`, with all its services."""
    done = projects.run(folder, "pipelines", "services", "up", "--json", timeout=900)
    assert done.returncode == 0, done.stderr
    yield str(json.loads(done.stdout)["mlflow"]["url"])
    down = projects.run(folder, "pipelines", "services", "down")
    assert down.returncode == 0, down.stderr


@pytest.fixture(scope="module")
def registry(folder: Path, mlflow: str) -> Iterator[Registry]:
    """Version 1 is champion with an FID of 20; 2, with 10, was refused: collapsed; 3, with 5, is undecided."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", mlflow)
        project = Project(folder)
        store, params = connect(project), load(project.params_file)
        factories.graph(folder / "1.onnx")
        for number, fid, digits in ((1, 20, factories.EVEN), (2, 10, COLLAPSED), (3, 5, factories.EVEN)):
            if number > 1:
                factories.variant(folder / "1.onnx", folder / f"{number}.onnx", str(number))
            factories.registered(store, folder / f"{number}.onnx", fid, class_shares=digits)
            if number < 3:
                assert promote(project, params, str(number)).promoted == (number == 1)
        yield Registry(store, NAME)


@pytest.fixture(scope="module")
def page(browser: Any) -> Any:
    return opened(browser)


def used(registry: Registry, tmp_path: Path) -> int:
    """The version that a batch of the default model is made with now."""
    project = registry.store.project
    done = generate(
        project, load(project.params_file), CHAMPION, GenerateRequest(out=str(tmp_path / os.urandom(4).hex()), count=1)
    )
    return int(str(done.manifest.origin["version"]))


def test_make_ui_opens_the_registered_model(folder: Path, mlflow: str, registry: Registry, tmp_path: Path) -> None:
    assert told(r"`make ui` (opens the registered model) in MLflow")
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {opened}\n')
    browser.chmod(0o755)
    done = projects.run(folder, "pipelines", "services", "up", "--open", BROWSER=str(browser))
    assert done.returncode == 0, done.stderr
    assert opened.read_text().splitlines()[0] == f"{mlflow}/#/models/{NAME}"


def test_the_way_through_the_page_is_readmes_and_the_list_says_what_to_promote(
    page: Any, mlflow: str, registry: Registry
) -> None:
    to_model(page, mlflow, NAME)
    row = page.get_by_role("row").filter(has_text="Version 2")
    for words in ("refused: mode collapse", "10 [9.5, 10.5]", "Refused by the gate"):
        row.get_by_text(words).first.wait_for()
    page.get_by_role("row").filter(has_text="Version 1").get_by_text("passed").first.wait_for()
    page.get_by_role("link", name="Version 2", exact=True).click()
    page.get_by_text("mode collapse: most frequent class 0 with 32.5% of the images").first.wait_for()
    page.get_by_text("against 20 [19.5, 20.5] of version 1").wait_for()
    page.get_by_role("button", name=BLUE).wait_for()
    with page.expect_popup() as popped:
        page.get_by_role("link", name="Gate report").click()
    popped.value.frame_locator("iframe").get_by_text("version 2 refused").first.wait_for(timeout=PATIENCE)
    popped.value.close()


def test_a_refused_version_is_never_used_and_the_page_says_that_it_was_taken_back_and_how_to_overrule_that(
    page: Any, mlflow: str, registry: Registry, folder: Path, tmp_path: Path
) -> None:
    to_model(page, mlflow, NAME)
    set_alias(page, 2)
    assert used(registry, tmp_path) == 1
    until(page, lambda: TAKEN_BACK in registry.tags(2))
    assert used(registry, tmp_path) == 1
    assert registry.aliases()[CHAMPION] == 1
    until(page, lambda: registry.get(2).description.startswith("Taken back"))
    page.reload()
    page.get_by_role("cell", name=told(r"the tag `([^`]+)` says why")).wait_for()
    page.get_by_text("refused by the gate: mode collapse: most frequent class 0 with 32.5%").first.wait_for()
    page.get_by_text(f"To overrule: {OVERRULE}.").first.wait_for()
    picture(page, "taken-back")
    text = (folder / "params.yaml").read_text()
    assert "external: revert" in text
    key, value = told(r"set `registry\.(external: accept)` in").split(": ")
    (folder / "params.yaml").write_text(text.replace("external: revert", f"{key}: {value}"))
    to_model(page, mlflow, NAME)
    set_alias(page, 2)
    assert used(registry, tmp_path) == 2
    until(page, lambda: registry.get(2).description.startswith("Champion since"))
    assert registry.aliases()[CHAMPION] == 2
    page.reload()
    page.get_by_text("Champion since").first.wait_for()
    (folder / "params.yaml").write_text(text)
    assert used(registry, tmp_path) == 2, "what was accepted stays"


def test_a_version_that_the_gate_passes_stays_and_is_recorded_as_promoted(
    page: Any, mlflow: str, registry: Registry, tmp_path: Path
) -> None:
    to_model(page, mlflow, NAME)
    set_alias(page, 3)
    assert used(registry, tmp_path) == 3
    until(page, lambda: registry.get(3).description.startswith("Champion since"))
    entry = Ledger(registry.store, NAME).read().entries()[-1]
    assert (entry.kind, entry.from_version, entry.to_version) == ("promoted", 2, 3)


def test_the_commands_below_do_what_they_say(folder: Path, registry: Registry, mlflow: str) -> None:
    """With the numbers of versions that are there: the next one instead of 7, and the champion instead of 6."""
    factories.variant(folder / "1.onnx", folder / "4.onnx", "4")
    challenger = factories.registered(registry.store, folder / "4.onnx", 1).version
    champion = registry.aliases()[CHAMPION]
    numbers = {"7": str(challenger), "6": str(champion)}
    said = {}
    for command in COMMANDS:
        words = [numbers.get(word, word) for word in shlex.split(command)]
        done = projects.run(folder, *words, MLFLOW_TRACKING_URI=mlflow)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        said[" ".join(words[1:3])] = done.stdout
    assert "refused: mode collapse" in said["registry list"]
    assert f"version {challenger} promoted to champion (against version {champion})" in said[f"promote {challenger}"]
    assert f"rolled-back {challenger} -> {champion}" in " ".join(said["registry history"].split())
    assert registry.aliases()[CHAMPION] == challenger, "--again insisted"
    assert "threes look like eights" in said["registry history"]
