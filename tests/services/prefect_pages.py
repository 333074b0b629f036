"""Prefect's pages, as a person uses them in a browser."""

from __future__ import annotations

from typing import Any

PATIENCE = 180_000  # milliseconds


def opened(browser: Any, prefect: str, login: str | None = None) -> Any:
    """Return a new page on Prefect's front page at ``prefect``, where ``login``, if it asks for one, was typed."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE)
    page.goto(f"{prefect}/v2/dashboard", wait_until="commit")
    if login:
        page.get_by_placeholder("admin:pass").fill(login)
        page.get_by_role("button", name="Login").click()
        page.get_by_text("Flow Runs", exact=True).first.wait_for()
    return page


def to_run(page: Any, prefect: str, identity: str, tab: str = "Logs") -> None:
    """Go to the page of a flow run."""
    page.goto(f"{prefect}/v2/runs/flow-run/{identity}?tab={tab}", wait_until="commit")


def open_form(page: Any, approve: str, name: str, reason: str = "") -> Any:
    """Open the form of the run whose page is shown, and fill it in; return the dialog."""
    page.get_by_role("button", name="Open menu").click()
    page.get_by_role("menuitem", name="Resume").click()
    form = page.get_by_role("dialog")
    form.get_by_role("combobox").first.click()
    page.get_by_role("option", name=approve, exact=True).click()
    for field, text in (("name", name), ("reason", reason)):
        form.get_by_label(field, exact=False).last.fill(text)
    return form


def send(form: Any) -> None:
    """Send what was filled in."""
    form.get_by_role("button", name="Resume").click()
    form.wait_for(state="hidden")
