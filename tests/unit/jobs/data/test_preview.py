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
    for number in range(12):
        save(own / f"{number}.png", noise((20 + number,) * 2, seed=number))
    assert sizes_line(project, own) == "sizes      20x20 to 31x31, median side 26 (12 different)"
    for number in range(12, 15):
        save(own / f"{number}.png", noise((31, 31), seed=number))
    assert sizes_line(project, own) == "sizes      20x20 to 31x31, median side 27 (12 different: 4 of 31x31, ...)"
    for number in range(15):
        save(own / f"{number}.png", noise((31, 31), seed=number))
    assert sizes_line(project, own) == "sizes      all 31x31"
