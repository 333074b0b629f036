"""What every inbox is held to: its file of tests says where it is, and inherits the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ganlib.jobs.triggers.inbox.base import Arrival, Inbox

LATER = 4e9
"""Unix time at which all files have been left alone."""


class InboxPlace(ABC):
    """An inbox, empty and the only one of its place, as those who put images into it see it."""

    inbox: Inbox

    @abstractmethod
    def put(self, name: str, content: bytes) -> None:
        """Write a file over what is there."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove a file."""

    @abstractmethod
    def contents(self) -> dict[str, bytes]:
        """All files by name, but hidden ones."""

    def arrival(self, name: str, content: bytes) -> Arrival:
        """What the inbox reads of a file that was just put there."""
        self.put(name, content)
        (file,) = (file for file in self.inbox.scan(0, LATER).ready if file.name == name)
        arrival = self.inbox.read(file)
        assert arrival
        return arrival


class InboxSuite:
    """A subclass has a fixture ``place``."""

    def test_a_file_is_ready_once_it_was_left_alone(self, place: InboxPlace) -> None:
        for name in ("dog/2.png", "cat/1.png", "quarantine/old.png", ".hidden.png", "cat/Thumbs.db"):
            place.put(name, b"x")
        cat, dog = place.inbox.scan(0, LATER).ready
        assert (cat.name, dog.name) == ("cat/1.png", "dog/2.png")
        place.delete("dog/2.png")
        assert place.inbox.scan(10, cat.last_change + 9) == ((), (cat,))
        assert place.inbox.scan(10, cat.last_change + 10) == ((cat,), ())

    def test_what_is_read_is_the_file_that_was_listed(self, place: InboxPlace) -> None:
        arrival = place.arrival("cat/1 & ü.png", b"before")
        assert (arrival.name, arrival.content) == ("cat/1 & ü.png", b"before")
        place.put(arrival.name, b"longer than before")
        assert place.inbox.read(arrival.file) is None, "it waits for the next look"
        place.delete(arrival.name)
        assert place.inbox.read(arrival.file) is None

    def test_what_was_replaced_since_it_was_read_stays(self, place: InboxPlace) -> None:
        first, second = place.arrival("1.png", b"one"), place.arrival("2.png", b"two")
        place.put("2.png", b"six")
        for arrival in (first, second):
            place.inbox.remove(arrival)
            place.inbox.remove(arrival)
        assert place.contents() == {"2.png": b"six"}

    def test_a_file_that_is_set_aside_has_its_reason_beside_it_and_takes_no_others_place(
        self, place: InboxPlace
    ) -> None:
        for content in (b"one", b"two"):
            arrival = place.arrival("bird/1.png", content)
            place.inbox.set_aside(arrival, "damaged")
        other = f"quarantine/bird/1-{arrival.sha256[:8]}.png"
        assert place.contents() == {
            "quarantine/bird/1.png": b"one",
            "quarantine/bird/1.png.txt": b"bird/1.png: damaged\n",
            other: b"two",
            f"{other}.txt": b"bird/1.png: damaged\n",
        }
        assert place.inbox.scan(0, LATER) == ((), ())

    def test_who_may_take_images_out_leaves_nothing_by_trying(self, place: InboxPlace) -> None:
        place.put("1.png", b"x")
        place.inbox.require_usable()
        assert place.inbox.other_owner() is None
        with place.inbox.hold():
            assert place.inbox.other_owner() is None
        assert place.contents() == {"1.png": b"x"}
