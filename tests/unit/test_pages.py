"""Pages that follow others: translations have the same commands, links and rows, and llms.txt names every page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAIRS = [("README.md", "README.zh.md"), ("docs/tutorial.md", "docs/tutorial.zh.md")]
TRANSLATED = {"docs/tutorial.md": "docs/tutorial.zh.md"}
"""Links of the README to pages that are translated, too."""
LINK = re.compile(r"\]\(([^)]+)\)")
CHINESE = re.compile(r"[一-鿿]")


def commands(page: Path) -> list[str]:
    """The lines of its blocks of code, without their comments and what mermaid draws."""
    lines, language = [], ""
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            language = "" if language else line[3:]
        elif language in ("bash", "python") or (not language and line.startswith("    ")):
            lines.append(re.split(r"\s+#", line)[0].rstrip())
    return lines


def outline(page: Path) -> list[str]:
    """Headings and rows of tables, by how they begin."""
    return [line.split(" ", 1)[0] for line in page.read_text("utf-8").splitlines() if line.startswith(("#", "| "))]


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_a_translation_has_the_same_commands_headings_and_rows(english: str, chinese: str) -> None:
    assert commands(ROOT / chinese) == commands(ROOT / english)
    assert outline(ROOT / chinese) == outline(ROOT / english)


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_a_translation_leads_to_the_same_pages(english: str, chinese: str) -> None:
    found = {name: set(LINK.findall((ROOT / name).read_text("utf-8"))) for name in (english, chinese)}
    languages = {Path(english).name, Path(chinese).name}
    translated = {TRANSLATED.get(link, link) for link in found[english]}
    assert found[chinese] - languages == translated - languages
    folder = (ROOT / chinese).parent
    assert all((folder / link.partition("#")[0]).exists() for link in found[chinese] if "://" not in link)


@pytest.mark.parametrize("chinese", [chinese for _, chinese in PAIRS])
def test_its_prose_is_chinese(chinese: str) -> None:
    paragraphs = re.sub(r"```.*?```", "", (ROOT / chinese).read_text("utf-8"), flags=re.DOTALL).split("\n\n")
    prose = [text for text in paragraphs if not text.startswith(("    ", "[English]"))]
    assert all(CHINESE.search(text) or text == "# ganlib" for text in prose if text.strip())


def test_llms_txt_names_every_page_by_its_title() -> None:
    named = dict(re.findall(r"^- \[(.+?)\]\((.+?)\): ", (ROOT / "llms.txt").read_text("utf-8"), flags=re.MULTILINE))
    pages = {path: name for name, path in named.items()}
    assert all((ROOT / path).exists() for path in pages)
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        path = page.relative_to(ROOT).as_posix()
        assert path in pages or page.name == "index.md", f"{path} is not in llms.txt"
        title = page.read_text("utf-8").partition("\n")[0].removeprefix("# ")
        assert pages.get(path, title) == title or path.endswith(("README.md", ".zh.md")) or "/" not in path
