"""The reference is what the source says just now, whole, and its links lead somewhere."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from griffe import Parser, visit

from tests.conftest import ROOT
from tools.reference import pages, python, settings
from tools.reference.contents import PAGES, Page
from tools.reference.text import markdown, slug

FOLDER = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    return pages()


def headings(text: str) -> list[str]:
    """Headings of a page outside of its blocks of code."""
    return re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), flags=re.MULTILINE)


def test_the_pages_are_those_of_the_source(reference: dict[str, str]) -> None:
    files = {page.name: page.read_text(encoding="utf-8") for page in FOLDER.glob("*.md")}
    stale = sorted(name for name in files.keys() | reference.keys() if files.get(name) != reference.get(name))
    assert stale == [], "`make reference` writes them anew"


def test_every_docstring_is_understood(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="griffe"):
        documented = python.load(PAGES)
        for page in PAGES:
            python.page(page, documented[page.name], {})
    assert caplog.messages == []


def test_every_anchor_is_there_once(reference: dict[str, str]) -> None:
    anchors = {name: Counter(map(slug, headings(text))) for name, text in reference.items()}
    assert {name: twice for name, found in anchors.items() if (twice := [a for a, n in found.items() if n > 1])} == {}
    for name, text in reference.items():
        for page, anchor in re.findall(r"\]\(([\w-]*\.md)?#([\w-]+)\)", text):
            assert anchor in anchors[page or name], f"{name}: {page}#{anchor}"


def imports() -> Iterator[tuple[str, str]]:
    """Modules and names that the pages of docs tell to import."""
    for page in [ROOT / "README.md", *ROOT.glob("docs/*.md")]:
        for module, names in re.findall(
            r"^ *from ganlib\.([\w.]+) import (.+)$", page.read_text("utf-8"), re.MULTILINE
        ):
            yield from ((module, name) for name in names.split(", "))


def test_what_docs_tell_to_import_is_in_it(reference: dict[str, str]) -> None:
    text = "\n".join(reference.values())
    assert {module for module, _ in imports()} <= {module for page in PAGES for module in page.modules}
    assert [name for _, name in imports() if f"### {name}\n" not in text and f"- `{name}` (" not in text] == []


TOY = '''
"""A module."""

LIMIT = 3
"""The most, as in ``<name>``."""

class Toy(Base):
    """A toy of :class:`Toy`; 2**64 * 3."""

    size: int = Field(4, ge=1, description="of it, <= 9")
    note: Annotated[str | None, "default: {toy.note}"] = None
    _hidden: int

    def __init__(self, size: int) -> None:
        self.place = size

    @classmethod
    def play(cls, first: int, *rest: str, fast: bool = False, **more: int) -> int:
        """Play; see :attr:`size` and :func:`elsewhere.f`.

        Args:
            first: how
                long.

        Raises:
            ValueError, OSError: it is
                broken.
        """

def _inner() -> None:
    """Nobody's."""
'''


def test_a_module_becomes_a_page(tmp_path: Path) -> None:
    module = visit("ganlib.toy", tmp_path / "toy.py", TOY, docstring_parser=Parser.google)
    links = python.targets({"toys": (module,)})
    text = python.page(Page("toys", "Toys", "To play with.", ()), (module,), links)
    assert (
        text
        == """# Toys

To play with.

From the docstrings; written by `make reference`.

- [`ganlib.toy`](#ganlibtoy)

## ganlib.toy

A module.

- `LIMIT` (`3`): The most, as in `<name>`.

### Toy

Of `Base`.

```python
Toy(size: int)
```

A toy of [`Toy`](toys.md#toy); 2\\*\\*64 \\* 3.

Fields:

- `size` (`int`; at least `1`; default: `4`): of it, &lt;= 9
- `note` (`str | None`; default: `None`): default: `toy.note`

#### Toy.play()

```python
@classmethod
play(first: int, *rest: str, fast: bool = False, **more: int) -> int
```

Play; see [`size`](toys.md#toy) and `elsewhere.f`.

Args:

- `first`: how long.

Raises:

- `ValueError`, `OSError`: it is broken.
"""
    )


def test_a_section_that_is_not_known_is_told(tmp_path: Path) -> None:
    module = visit(
        "toy", tmp_path / "toy.py", '"""A toy.\n\nWarns:\n    UserWarning: often.\n"""', docstring_parser=Parser.google
    )
    with pytest.raises(ValueError, match="toy has a section 'warns'"):
        python.page(PAGES[0], (module,), {})


def test_stars_and_angles_stay_what_they_are_but_in_code() -> None:
    assert markdown("2**3 < 9, ``a * b < c``") == r"2\*\*3 &lt; 9, `a * b < c`"


def test_settings_say_what_a_value_must_be() -> None:
    rows = settings.page().splitlines()
    assert "- `port` (whole number; at least 0; at most 65535; default: `8050`): 0: any free one" in rows
    assert "    - `at_most` (number; default: null): the highest value that passes" in rows
    assert any(row.startswith("- `precision` (`fp32` or `bf16`; default: `fp32`)") for row in rows)
