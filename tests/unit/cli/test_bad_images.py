"""What `ganlib data version --from` is not to take, as a user gives it: one line, exit code 2, and nothing changed."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.test_cli import ganlib, refused
from tests.unit.data.builders import dvc_project
from tests.unit.data.importing.pictures import class_folders, noise, save


def one_picture(place: Path) -> None:
    save(place / "1.png")


def two_sizes(place: Path) -> None:
    for number in range(12):
        save(place / f"{number}.png", noise((32, 32) if number else (28, 28), seed=number))


def a_table_of_more(place: Path) -> None:
    for number in range(12):
        save(place / f"{number}.png", noise(seed=number))
    rows = [f"{number}.png,{'ab'[number % 2]}" for number in range(12)]
    rows[3], rows[7] = "none.png,a", "../7.png,b"
    (place / "metadata.csv").write_text("\n".join(["file,label", *rows]))


def a_table_that_lacks_a_label(place: Path) -> None:
    a_table_of_more(place)
    (place / "metadata.csv").write_text("\n".join(["file,label", "0.png,a", "1.png,", "2.png,b"]))


def a_link(place: Path) -> None:
    with tarfile.open(place / "p.tar", "w") as archive:
        info = tarfile.TarInfo("a/1.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)


def a_link_in_a_zip(place: Path) -> None:
    info = zipfile.ZipInfo("a/1.png")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(place / "p.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")


def outside(place: Path) -> None:
    with zipfile.ZipFile(place / "p.zip", "w") as archive:
        archive.writestr("../../x.png", b"x")


def a_bomb(place: Path) -> None:
    with tarfile.open(place / "p.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("a/1.png")
        info.size = 2_000_000
        archive.addfile(info, io.BytesIO(bytes(info.size)))


BAD: dict[str, tuple[Callable[[Path], object], str, list[str]]] = {
    "an empty folder": (lambda place: None, "own holds no pictures. Wanted: a folder a class", []),
    "one class": (lambda place: class_folders(place, ["cat"]), "one class only ('cat'); at least two", []),
    "one picture": (one_picture, "1 picture is too few: a data set has at least 10", []),
    "two sizes": (two_sizes, "of 2 sizes: 32x32 (11, such as 1.png), 28x28 (1, such as 0.png)", ["--fit", "none"]),
    "a table of more": (a_table_of_more, "2 of 12 rows: row 5 (none.png), row 9 (../7.png)", []),
    "a table that lacks a label": (a_table_that_lacks_a_label, "has no label, 1 of 3 rows: row 3", []),
    "a link": (a_link, "p.tar holds a link or a device (a/1.png)", ["p.tar"]),
    "a link in a zip": (a_link_in_a_zip, "p.zip holds a link or a device (a/1.png)", ["p.zip"]),
    "outside": (outside, "p.zip names a file outside itself (../../x.png)", ["p.zip"]),
    "a bomb": (a_bomb, "p.tar.gz unpacks to more than 1,000,000 bytes (data.max_bytes", ["p.tar.gz"]),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project where archives may unpack to a megabyte."""
    project = dvc_project(tmp_path_factory.mktemp("bad") / "project")
    text = project.params_file.read_text()
    assert text.count("max_bytes: 20000000000") == 1
    project.params_file.write_text(text.replace("max_bytes: 20000000000", "max_bytes: 1000000"))
    return project.root


def everything(root: Path) -> dict[Path, bytes | None]:
    """Each file's content, without locks and logs."""
    return {
        path: path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
        if not {".ganlib", "tmp", "ganlib"} & set(path.relative_to(root).parts)
    }


@pytest.mark.parametrize("dry", [False, True], ids=["", "dry run"])
@pytest.mark.parametrize("name", BAD)
def test_bad_images_are_one_line_and_change_nothing(root: Path, tmp_path: Path, name: str, dry: bool) -> None:
    draw, message, words = BAD[name]
    place = tmp_path / "own"
    place.mkdir()
    draw(place)
    inside = words[:1] if words and words[0].startswith("p.") else []
    before = everything(root)
    source = place / inside[0] if inside else place
    options = [*words[len(inside) :], *(["--dry-run"] if dry else [])]
    line = refused(ganlib("data", "version", "--from", source, *options, cwd=root))
    assert message in line
    assert everything(root) == before
