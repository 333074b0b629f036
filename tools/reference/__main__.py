"""Write docs/reference anew: ``make reference``."""

from __future__ import annotations

from pathlib import Path

from tools.reference import pages

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    new = pages()
    for page in FOLDER.glob("*.md"):
        if page.name not in new:
            page.unlink()
    for name, text in new.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"{FOLDER}: {len(new)} pages")
