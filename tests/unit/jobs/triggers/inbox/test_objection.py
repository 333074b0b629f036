"""What cannot be used as an image of the data set, and why."""

from __future__ import annotations

import pytest

from ganlib.data.importing.decode import Rules
from ganlib.jobs.triggers.inbox.base import InboxFile, arrival_of
from ganlib.jobs.triggers.inbox.objection import objection
from tests.unit.data.importing.pictures import encoded, noise

RULES = Rules(size=16, channels=3, fit="crop", background=(255, 255, 255), white=255)


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
def test_what_cannot_be_used_says_why(name: str, content: bytes, reason: str | None) -> None:
    arrival = arrival_of(InboxFile(name, 0.0, len(content), "stamp"), content)
    found = objection(arrival, RULES, ("cat", "dog"))
    assert found == reason or (reason and found and found.startswith(reason))
