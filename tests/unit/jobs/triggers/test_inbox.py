"""What lies in an inbox, what may be taken out of it, and what is set aside and why."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ganlib.config import TriggersConfig
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.data.importing.decode import Rules
from ganlib.jobs.triggers import inbox
from tests.unit.data.importing.pictures import encoded, noise, save

RULES = Rules(size=16, channels=3, fit="crop", background=(255, 255, 255), white=255)


def test_a_file_is_ready_once_it_was_left_alone(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "1.png")
    save(tmp_path / "quarantine" / "old.png")
    (tmp_path / ".hidden.png").write_bytes(b"x")
    (tmp_path / "link.png").symlink_to(tmp_path / "cat" / "1.png")
    changed = (tmp_path / "cat" / "1.png").stat().st_ctime
    assert inbox.scan(tmp_path, 10, changed + 9) == ((), ("cat/1.png",))
    assert inbox.scan(tmp_path, 10, changed + 10) == (("cat/1.png",), ())
    os.utime(tmp_path / "cat" / "1.png", (1, 1))  # a copy that keeps the original's time
    assert inbox.scan(tmp_path, 10, time.time()).ready == ()


def test_a_file_that_grows_while_it_is_read_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "1.png")
    whole = Path.read_bytes

    def grows(here: Path) -> bytes:
        content = whole(here)
        with path.open("ab") as stream:
            stream.write(b"more")
        return content

    assert inbox.read(tmp_path, "1.png")
    monkeypatch.setattr(Path, "read_bytes", grows)
    assert inbox.read(tmp_path, "1.png") is None
    assert inbox.read(tmp_path, "gone.png") is None


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("cat/1.png", encoded(noise()), None),
        ("cat/1.jpg", encoded(noise()), None),  # of another kind than its name says: read all the same
        ("cat/1.txt", b"hello", "its name does not end as that of a picture (PNG, JPEG"),
        ("1.png", encoded(noise()), "it lies in no folder of a class (cat, dog)"),
        ("bird/1.png", encoded(noise()), "the data set has no class 'bird', only cat, dog"),
        ("cat/1.png", b"", "not a picture of a known format"),
        ("cat/1.png", encoded(noise((64, 64)))[:-200], "damaged"),
    ],
)
def test_what_cannot_be_used_says_why(tmp_path: Path, name: str, content: bytes, reason: str | None) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    found = inbox.objection(tmp_path, name, RULES, ("cat", "dog"))
    assert found == reason or (reason and found and found.startswith(reason))


def test_a_file_that_is_set_aside_keeps_its_reason_beside_it_and_takes_no_others_place(tmp_path: Path) -> None:
    for content in (b"one", b"two"):
        (tmp_path / "bird").mkdir(exist_ok=True)
        (tmp_path / "bird" / "1.png").write_bytes(content)
        arrival = inbox.read(tmp_path, "bird/1.png")
        assert arrival
        inbox.set_aside(tmp_path, arrival, "damaged")
    aside = {path.name: path.read_text() for path in (tmp_path / "quarantine" / "bird").iterdir()}
    other = f"1-{arrival.sha256[:8]}.png"
    assert aside == {
        "1.png": "one", "1.png.txt": "bird/1.png: damaged\n", other: "two", f"{other}.txt": "bird/1.png: damaged\n",
    }  # fmt: skip


@pytest.mark.parametrize(("mode", "words"), [(None, "is no folder. Make it"), (0o500, "may not be written")])
def test_an_inbox_that_cannot_be_used_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int | None, words: str
) -> None:
    if mode:
        (tmp_path / "in").mkdir(mode)
        monkeypatch.setattr(os, "access", lambda path, wanted: False)  # root may write anywhere
    with pytest.raises(BadInput, match=words):
        inbox.folder_of(Project(tmp_path), TriggersConfig(inbox="in"))
