"""Archives are read without being unpacked, and refused where they reach outside themselves or are too large."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ganlib.core.errors import BadInput
from ganlib.data.importing.files import open_files
from ganlib.data.importing.layout import Source
from tests.unit.data.builders import imported
from tests.unit.data.importing.pictures import class_folders, layout

KINDS = {"zip": ".zip", "tar": ".tar", "gztar": ".tar.gz", "bztar": ".tar.bz2", "xztar": ".tar.xz"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrapped", [True, False])
def test_an_archive_holds_what_its_folder_holds(tmp_path: Path, kind: str, wrapped: bool) -> None:
    own = class_folders(tmp_path / "own", ["cat", "dog"])
    base = "own" if wrapped else None
    root = tmp_path if wrapped else own
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), kind, root, base))
    assert packed.name == f"packed{KINDS[kind]}"
    one, two = imported(own, tmp_path / "one"), imported(packed, tmp_path / "two")
    assert one.files == two.files
    assert two.classes == {"cat": 6, "dog": 6}


@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_a_folder_in_an_archive_is_a_place_of_its_own(tmp_path: Path, kind: str) -> None:
    class_folders(tmp_path / "own" / "dist" / "png", ["cat", "dog"])
    (tmp_path / "own" / "read me.txt").write_text("x")
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), kind, tmp_path, "own"))
    with pytest.raises(BadInput) as refused:
        layout(packed)
    place = Path(str(refused.value).partition("--from ")[2])
    assert place == packed / "own" / "dist" / "png"
    assert layout(place).class_names == ("cat", "dog")
    with pytest.raises(BadInput, match="holds no folder own/nothing"):
        layout(packed / "own" / "nothing")


def test_files_of_file_managers_do_not_hide_the_one_folder_of_an_archive(tmp_path: Path) -> None:
    own = class_folders(tmp_path / "own", ["cat", "dog"])
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for path in own.rglob("*.png"):
            archive.write(path, path.relative_to(tmp_path))
            archive.writestr(f"__MACOSX/{path.relative_to(tmp_path).parent}/._{path.name}", b"x")
        archive.writestr("own/.DS_Store", b"x")
    assert layout(tmp_path / "p.zip").class_names == ("cat", "dog")
    assert layout(tmp_path / "p.zip").rest is None


def test_a_zip_with_the_separators_of_windows_holds_its_folders(tmp_path: Path) -> None:
    own = class_folders(tmp_path / "own", ["cat", "dog"])
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr("cat\\", b"")
        for path in own.rglob("*.png"):
            archive.write(path, str(path.relative_to(own)).replace("/", "\\"))
    assert layout(tmp_path / "p.zip").class_names == ("cat", "dog")
    one, two = imported(own, tmp_path / "one"), imported(tmp_path / "p.zip", tmp_path / "two")
    assert one.files == two.files


def test_a_backslash_in_a_name_of_a_usual_zip_is_a_part_of_it(tmp_path: Path) -> None:
    own = class_folders(tmp_path / "own", ["cat", "dog"])
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for path in own.rglob("*.png"):
            archive.write(path, f"{path.parent.name}/a\\{path.name}")
    assert layout(tmp_path / "p.zip").class_names == ("cat", "dog")


def tar_with(folder: Path, info: tarfile.TarInfo, data: bytes = b"") -> Path:
    path = folder / "evil.tar.gz"
    info.size = len(data)
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_tar_with_links_or_devices_is_refused(tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("a/1.png")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(BadInput, match=r"evil\.tar\.gz holds a link or a device \(a/1\.png\)"):
        layout(tar_with(tmp_path, info))


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/etc/x.png", "C:/x.png", "..\\x.png", "a\\..\\x.png"])
def test_names_outside_the_archive_are_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(BadInput, match=r"evil\.zip names a file outside itself"):
        layout(tmp_path / "evil.zip")
    with pytest.raises(BadInput, match=r"evil\.tar\.gz names a file outside itself"):
        layout(tar_with(tmp_path, tarfile.TarInfo(name), b"x"))


def test_a_zip_with_a_link_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("a/1.png")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(BadInput, match=r"holds a link or a device \(a/1\.png\)"):
        layout(tmp_path / "evil.zip")


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tar.xz"])
def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bomb{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("1.png", bytes(2_000_000))
    else:
        with tarfile.open(path, f"w:{suffix[5:]}") as archive:
            info = tarfile.TarInfo("1.png")
            info.size = 2_000_000
            archive.addfile(info, io.BytesIO(bytes(2_000_000)))
    with pytest.raises(BadInput, match=rf"bomb\{suffix} unpacks to more than 1,000,000 bytes \(data\.max_bytes"):
        Source(path, 1_000_000)


def test_a_compressed_tar_of_nothing_but_padding_is_refused_while_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganlib.data.importing.files.MOST_MEMBERS", 10)
    import gzip

    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(bytes(5_000_000)))
    with pytest.raises(BadInput, match="unpacks to more than 1,000,000 bytes"):
        Source(tmp_path / "bomb.tar.gz", 1_000_000)


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
@pytest.mark.parametrize("damage", ["cut", "garbage"])
def test_a_damaged_archive_is_refused_by_name(tmp_path: Path, suffix: str, damage: str) -> None:
    path = tmp_path / f"packed{suffix}"
    whole = tmp_path / "whole"
    class_folders(whole, ["cat", "dog"])
    kind = {".zip": "zip", ".tar": "tar", ".tar.gz": "gztar"}[suffix]
    shutil.make_archive(str(tmp_path / "packed"), kind, whole)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] if damage == "cut" else np.random.default_rng(0).bytes(5000))
    with pytest.raises(BadInput, match=rf"packed\{suffix} cannot be read as a"):
        layout(path)


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.png", b"x")
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"secret\.zip is encrypted \(1\.png\)"):
        layout(path)


def test_nothing_is_written_to_disk_beside_the_archive(tmp_path: Path) -> None:
    own = class_folders(tmp_path / "own", ["cat", "dog"])
    packed = Path(shutil.make_archive(str(tmp_path / "p" / "packed"), "gztar", own))
    files = open_files(packed, 10**9)
    with files.open("cat/000.png") as stream:
        assert stream.read() == (own / "cat" / "000.png").read_bytes()
    assert [path.name for path in packed.parent.iterdir()] == ["packed.tar.gz"]
