"""README's section *Promote*, word for word: a person in Chromium, and at a terminal, beside the servers of `make up`.

What is clicked, typed and run is read from README itself, so that the two cannot drift apart. With
GANLIB_SCREENSHOTS=docs/images the picture of docs/operations.md is taken anew.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Iterator
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
from tests.conftest import ROOT
from tests.services import project as projects

pytestmark = [pytest.mark.services, pytest.mark.slow]

NAME = "mnist-generator"
PATIENCE = 180_000  # milliseconds; a page of MLflow takes five seconds on two idle cores
COLLAPSED = (0.325, *(0.075,) * 9)
SECTION = (ROOT / "README.md").read_text().partition("\n## Promote\n")[2].partition("\n## ")[0]


def told(pattern: str) -> str:
    """What README's section says at ``pattern``, on one line."""
    found = re.search(pattern, " ".join(SECTION.split()))
    assert found, f"README's section Promote says nothing like {pattern!r}"
    return found[1]


WAY = re.findall(r"[*`]([^*`]+)[*`]", told(r"the way there is: (switch to .*?)\. "))
DIALOG = re.findall(r"[*`]([^*`]+)[*`]", told(r"To promote a version there, (click .*?)\. The blue"))
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
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.set_default_timeout(PATIENCE)
    # MLflow tells of its newest page in a dialog, and opens an assistant: closed as soon as they come up.
    opened.add_locator_handler(
        opened.get_by_role("button", name="Try it now"), lambda: opened.get_by_role("button", name="Try it now").click()
    )
    opened.add_locator_handler(
        opened.locator("[data-component-id='mlflow.assistant.chat_panel.close']"),
        lambda: opened.locator("[data-component-id='mlflow.assistant.chat_panel.close']").click(),
    )
    return opened


def picture(page: Any, name: str) -> None:
    if folder := os.environ.get("GANLIB_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def until(page: Any, condition: Callable[[], bool]) -> None:
    """Wait for what the servers do by themselves: ten minutes, should the machine be busy."""
    for _ in range(600):
        if condition():
            return
        page.wait_for_timeout(1000)
    pytest.fail("it did not happen")


def walk(page: Any, mlflow: str) -> None:
    """From MLflow's front page to the registered model, as README says."""
    page.goto(mlflow, wait_until="commit")
    for words in WAY:
        page.get_by_text(words, exact=True).first.click()
    page.get_by_role("heading", name=NAME).wait_for()


def set_alias(page: Any, number: int) -> None:
    """On the model's page, to version ``number``, and there what README says to click and type."""
    page.get_by_role("link", name=f"Version {number}", exact=True).click()
    page.get_by_role("heading", name=f"Version {number}").wait_for()
    add, beside, typed, save = DIALOG
    page.get_by_text(f"{beside}:").first.wait_for()
    page.get_by_role("button", name=add, exact=True).or_(page.get_by_title(f"Edit {beside.lower()}")).first.click()
    form = page.get_by_role("dialog")
    form.get_by_role("combobox").fill(typed)
    page.keyboard.press("Enter")
    form.get_by_role("button", name=save).click()
    form.wait_for(state="hidden")


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
    walk(page, mlflow)
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
    walk(page, mlflow)
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
    walk(page, mlflow)
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
    walk(page, mlflow)
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
