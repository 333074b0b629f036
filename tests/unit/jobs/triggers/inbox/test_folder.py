"""An inbox that is a folder."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ganlib.config import TriggersConfig
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.jobs.triggers.inbox import inbox_of
from ganlib.jobs.triggers.inbox.folder import FolderInbox
from tests.support.inbox_suite import LATER, InboxPlace, InboxSuite


class FolderPlace(InboxPlace):
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inbox = FolderInbox(folder)

    def put(self, name: str, content: bytes) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(content)

    def delete(self, name: str) -> None:
        (self.folder / name).unlink()

    def contents(self) -> dict[str, bytes]:
        files = [path for path in self.folder.rglob("[!.]*") if path.is_file()]
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in files}


class TestFolderInbox(InboxSuite):
    @pytest.fixture
    def place(self, tmp_path: Path) -> FolderPlace:
        return FolderPlace(tmp_path)

    def test_a_link_is_none_of_its_files_and_a_copy_that_keeps_its_time_is_new(self, place: FolderPlace) -> None:
        place.put("1.png", b"x")
        (place.folder / "link.png").symlink_to(place.folder / "1.png")
        os.utime(place.folder / "1.png", (1, 1))
        assert place.inbox.scan(10, time.time()).ready == ()
        assert [file.name for file in place.inbox.scan(10, LATER).ready] == ["1.png"]

    def test_a_file_that_grows_while_it_is_read_waits(
        self, place: FolderPlace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = place.arrival("1.png", b"x").file
        whole = Path.read_bytes

        def grows(here: Path) -> bytes:
            content = whole(here)
            with here.open("ab") as stream:
                stream.write(b"more")
            return content

        monkeypatch.setattr(Path, "read_bytes", grows)
        assert place.inbox.read(file) is None


@pytest.mark.parametrize(
    ("place", "words"), [("in", "is no folder. Make it"), ("gs://bucket/in", "is neither a folder nor s3://BUCKET")]
)
def test_an_inbox_that_is_none_is_one_line(tmp_path: Path, place: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        inbox_of(Project(tmp_path), TriggersConfig(inbox=place))


def test_an_inbox_that_may_not_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(BadInput, match="may not be written"):
        FolderInbox(tmp_path).require_usable()
