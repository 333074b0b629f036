"""Docstrings as Markdown."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping

_ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):`~?([^`]+)`")
_CODE = re.compile(r"(`[^`\n]+`)")


def slug(heading: str) -> str:
    """Return the anchor of ``heading``, as the site and code hosts make it of letters, digits, ``_`` and ``-``."""
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def markdown(text: str, links: Mapping[str, str] = {}, scopes: Iterable[str] = ()) -> str:
    """Return the docstring ``text`` as Markdown: roles as links, double backticks as code, ``<`` as itself.

    Args:
        text: as the docstring has it.
        links: where names are documented.
        scopes: what a name may be relative to, such as the class around.
    """
    text = _ROLE.sub(lambda role: link(role[1], links, scopes), text.replace("``", "`"))
    parts = _CODE.split(text)
    return "".join(part if part.startswith("`") else _plain(part) for part in parts)


def _plain(text: str) -> str:
    """Text in which Markdown sees no marks: a docstring means its stars and angles as they are."""
    return text.replace("<", "&lt;").replace("*", r"\*")


def link(name: str, links: Mapping[str, str], scopes: Iterable[str] = ()) -> str:
    """Return ``name`` as code, with a link to where it is documented if it is."""
    for candidate in (*(f"{scope}.{name}" for scope in scopes), name):
        if candidate in links:
            return f"[`{name}`]({links[candidate]})"
    return f"`{name}`"


def fill(text: str) -> str:
    """Return ``text`` in lines as wide as those of the other pages."""
    return textwrap.fill(text, 128, break_long_words=False, break_on_hyphens=False)


def line(text: str) -> str:
    """Return ``text`` as one line, for the item of a list."""
    return " ".join(text.split())


def item(name: str, notes: Iterable[str], about: str) -> str:
    """Return the item of a list about ``name``, with ``notes`` such as its type and its default."""
    inner = "; ".join(note for note in notes if note)
    return f"- `{name}`" + (f" ({inner})" if inner else "") + (f": {line(about)}" if about else "")
