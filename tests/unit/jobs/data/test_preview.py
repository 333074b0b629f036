"""What `ganlib data version --from PLACE --dry-run` prints."""

from __future__ import annotations

from pathlib import Path

from ganlib.core.project import Project
from ganlib.jobs.data.preview import preview_data
from tests import factories
from tests.unit.data.importing.pictures import noise, save


def sizes_line(project: Project, source: Path) -> str:
    text = str(preview_data(project, source=source, options={"size": 16}))
    return next(line.strip() for line in text.splitlines() if line.startswith("  sizes"))


def test_sizes_are_named_where_several_pictures_share_them(tmp_path: Path) -> None:
    project = factories.project(tmp_path, factories.empty_database())
    own = tmp_path / "own"
    for number in range(40):
        save(own / f"{number}.png", noise((20 + number,) * 2, seed=number))
    assert sizes_line(project, own) == "sizes      20x20 to 59x59, median side 39 (40 different)"
    for number in range(40, 43):
        save(own / f"{number}.png", noise((59, 59), seed=number))
    assert sizes_line(project, own).endswith("(40 different: 4 of 59x59, ...)")
    for number in range(43):
        save(own / f"{number}.png", noise((59, 59), seed=number))
    assert sizes_line(project, own) == "sizes      all 59x59"
