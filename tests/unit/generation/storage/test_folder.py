"""A job's files in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganlib.core.errors import BadInput, Unavailable
from ganlib.generation.storage import locate
from ganlib.generation.storage.base import Storage
from ganlib.generation.storage.folder import Folder
from tests.support.storage_suite import StorageSuite, publish


class TestFolder(StorageSuite):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        made = locate(tmp_path / "job")
        assert isinstance(made, Folder)
        made.prepare()
        return made

    def test_its_lock_keeps_a_second_process_out_and_is_let_go(self, storage: Storage) -> None:
        with storage.locked(), pytest.raises(Unavailable, match="another process"), storage.locked():
            pass
        with storage.locked():
            pass

    def test_parts_of_what_was_killed_are_swept_and_nothing_else(self, storage: Storage, tmp_path: Path) -> None:
        publish(storage, "shard-00000.npy", {"": b"1"}, "shard-00000.npy.sha256")
        storage.write("notes.txt", b"mine")
        (tmp_path / "job" / ".shard-00001.npy.part").write_bytes(b"half")
        (tmp_path / "job" / ".manifest.json.123.part").write_bytes(b"half")
        storage.sweep()
        assert storage.names() == ["notes.txt", "shard-00000.npy", "shard-00000.npy.sha256"]

    def test_a_file_is_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(BadInput, match="is a file; the images need a folder"):
            locate(tmp_path / "file").names()
