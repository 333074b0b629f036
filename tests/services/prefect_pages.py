"""Prefect's pages, as a person uses them in a browser."""

from __future__ import annotations

from typing import Any

PATIENCE = 180_000
"""Milliseconds; a page of Prefect takes three seconds on two idle cores."""
_NO_GRAPH = "export const FlowRunGraph = () => null;"


def open_run(browser: Any, prefect: str, identity: str, login: str) -> Any:
    """Return a new page about the run ``identity`` of a flow, by a link to it; ``login`` is typed where it asks.

    It lacks the picture of the run's tasks, which a Chromium without a graphics card draws for minutes.
    """
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(PATIENCE)
    page.route("**/flow-run-graph-*.js", lambda route: route.fulfill(content_type="text/javascript", body=_NO_GRAPH))
    page.goto(f"{prefect}/v2/runs/flow-run/{identity}", wait_until="commit")
    page.get_by_placeholder("admin:pass").fill(login)
    page.get_by_role("button", name="Login").click()
    page.get_by_role("button", name="Open menu").wait_for()
    return page


def fill_in(page: Any, approve: str, name: str, reason: str) -> Any:
    """Open the form of the run whose page is shown, and fill it in; return the dialog."""
    page.get_by_role("button", name="Open menu").click()
    page.get_by_role("menuitem", name="Resume").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Select Approve").click()
    page.get_by_role("option", name=approve, exact=True).click()
    form.get_by_role("textbox", name="Name").fill(name)
    form.get_by_role("textbox", name="Reason").fill(reason)
    return form


def send(form: Any) -> None:
    """Send what was filled in."""
    form.get_by_role("button", name="Resume").click()
    form.wait_for(state="hidden")
