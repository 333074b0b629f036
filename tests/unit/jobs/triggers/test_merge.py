"""What stays in ``data/merged``: images that left the inbox are nowhere else."""

from __future__ import annotations

from pathlib import Path

from ganlib.jobs.triggers.merge import LINEAGE, remove_former


def fill(folder: Path, *names: str) -> Path:
    for name in (LINEAGE, *names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_only_what_the_present_source_has_as_well_is_removed(tmp_path: Path) -> None:
    merged = tmp_path / "merged"
    source = fill(merged / "new", "cat/1.png", "cat/2.png")
    fill(merged / "before", "cat/1.png")
    other = fill(merged / "another-set", "cat/1.png", "bird/1.png")
    fill(merged / "new.half", "cat/3.png")
    remove_former(merged, source)
    assert set(merged.iterdir()) == {source, other}
    elsewhere = tmp_path / "mine"
    elsewhere.mkdir()
    remove_former(merged, elsewhere)
    assert set(merged.iterdir()) == {source, other}, "the data source is a folder of the user's now"
