"""Files are whole or absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganlib.core import files
from ganlib.core.errors import BadInput, NoSpace


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def fail() -> None:
        with files.atomic_path(path) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_a_write_replaces_and_is_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a"
    files.write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o644


def test_more_than_the_disk_holds_is_refused_with_path_and_bytes(tmp_path: Path) -> None:
    with pytest.raises(NoSpace, match=r"1,152,921,504,606,846,976 bytes needed") as caught:
        files.require_space(tmp_path / "not" / "there", 1 << 60)
    assert str(tmp_path) in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_full_device_keeps_the_old_file(tmp_path: Path) -> None:
    with pytest.raises(NoSpace), files.explained(tmp_path, 5):
        raise OSError(28, "No space left on device")


def test_a_file_in_the_way_of_a_folder_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(BadInput, match="cannot write"):
        files.require_writable(tmp_path / "f" / "x")


def test_digests_of_file_and_bytes_agree(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert files.sha256_file(tmp_path / "f") == files.sha256_bytes(b"abc")
    assert files.sha256_bytes(b"abc").startswith("ba7816bf")
