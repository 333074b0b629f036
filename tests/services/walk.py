"""What README's section *Promote* says to click and type in MLflow's page, and the steps of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import ROOT

PATIENCE = 180_000
"""Milliseconds; a page of MLflow takes five seconds on two idle cores."""
SECTION = (ROOT / "README.md").read_text().partition("\n## Promote\n")[2].partition("\n## ")[0]


def told(pattern: str) -> str:
    """Return what README's section says at ``pattern``, on one line."""
    match = re.search(pattern, " ".join(SECTION.split()))
    assert match, f"README's section Promote says nothing like {pattern!r}"
    return match[1]


WAY = re.findall(r"[*`]([^*`]+)[*`]", told(r"the way there is: (switch to .*?)\. "))
DIALOG = re.findall(r"[*`]([^*`]+)[*`]", told(r"To promote a version there, (click .*?)\. The blue"))


def opened(browser: Any, **options: Any) -> Any:
    """Return a new page, which closes what MLflow puts before its pages: news in a dialog, and an assistant."""
    page = browser.new_page(viewport={"width": 1280, "height": 800}, **options)
    page.set_default_timeout(PATIENCE)
    for button in (
        page.get_by_role("button", name="Try it now"),
        page.locator("[data-component-id='mlflow.assistant.chat_panel.close']"),
    ):
        page.add_locator_handler(button, _click)
    return page


def _click(button: Any) -> None:
    button.click()


def to_model(page: Any, mlflow: str, name: str) -> None:
    """Go from MLflow's front page to the registered model ``name``, as README says."""
    page.goto(mlflow, wait_until="commit")
    for words in WAY:
        page.get_by_text(name if words == "mnist-generator" else words, exact=True).first.click()
    page.get_by_role("heading", name=name).wait_for()


def set_alias(page: Any, number: int) -> None:
    """Go on from the model's page to version ``number``, and do there what README says to click and type."""
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


def until(page: Any, condition: Callable[[], Any]) -> Any:
    """Wait for what the servers do by themselves, and return it: ten minutes, should the machine be busy."""
    for _ in range(600):
        if result := condition():
            return result
        page.wait_for_timeout(1000)
    pytest.fail("it did not happen")
