"""The pages of docs/reference: the command line, the settings, and what others import, in the words of the source."""

from __future__ import annotations

from tools.reference import commands, python, settings
from tools.reference.contents import PAGES


def pages() -> dict[str, str]:
    """Return the Markdown of every page by its file's name."""
    documented = python.load(PAGES)
    links = python.targets(documented)
    return {
        "cli.md": commands.page(),
        "settings.md": settings.page(),
        **{f"{page.name}.md": python.page(page, documented[page.name], links) for page in PAGES},
    }
