"""docs/tutorial.md as a notebook: ``python -m tests.support.notebook`` writes docs/tutorial.ipynb anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jupytext
import nbformat

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
NOTEBOOK = PAGE.with_suffix(".ipynb")

_PLACE = "import os\n\nos.chdir(os.pardir)  # commands are given in the project's folder, and this file lies in docs/"

_HEADER = "---\njupyter:\n  jupytext:\n    main_language: python\n---\n"  # else it is that of the first block, bash


def notebook() -> Any:
    """Return the page as a notebook: its blocks of bash and of Python are cells, all between them is text."""
    page = jupytext.reads(_HEADER + PAGE.read_text(encoding="utf-8"), fmt="md")
    page.cells.insert(0, nbformat.v4.new_code_cell(_PLACE))
    for place, cell in enumerate(page.cells):
        cell["id"] = f"cell-{place}"  # nbformat's own are random, and the same page is the same file
    page.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return page


if __name__ == "__main__":
    nbformat.write(notebook(), NOTEBOOK)
