"""Whose an inbox behind a URL is, here one in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from ganlib.core.errors import BadInput
from ganlib.core.object_store import ObjectStore
from ganlib.core.project import Project
from ganlib.jobs.triggers.inbox import owner


@pytest.fixture
def objects() -> Iterator[ObjectStore]:
    yield ObjectStore("memory://owned/in")
    fsspec.filesystem("memory").rm("/owned", recursive=True)


def checkout(folder: Path) -> Project:
    (folder / ".ganlib").mkdir(parents=True)
    return Project(folder)


def test_an_inbox_is_the_first_checkouts_until_its_owner_is_deleted(objects: ObjectStore, tmp_path: Path) -> None:
    first, second = checkout(tmp_path / "first"), checkout(tmp_path / "second")
    assert owner.other(objects, first) is None
    owner.claim(objects, first)
    owner.claim(objects, first)
    assert owner.other(objects, first) is None
    assert (owner.other(objects, second) or "").endswith(f":{first.root}")
    with pytest.raises(
        BadInput, match=rf"belongs to the checkout \S+:{first.root}, .* delete memory://owned/in/\.ganlib"
    ):
        owner.claim(objects, second)
    objects.client.rm_file(objects.at(owner.FILE))
    owner.claim(objects, second)
    assert owner.other(objects, first)


def test_of_two_that_begin_at_the_same_moment_one_is_owner(
    objects: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = checkout(tmp_path / "first"), checkout(tmp_path / "second")
    create = ObjectStore.create

    def late(store: ObjectStore, name: str, data: bytes) -> None:
        monkeypatch.setattr(ObjectStore, "create", create)
        owner.claim(objects, first)
        create(store, name, data)

    monkeypatch.setattr(ObjectStore, "create", late)
    with pytest.raises(BadInput, match="belongs to the checkout"):
        owner.claim(objects, second)
    assert owner.other(objects, first) is None


def test_a_copy_of_a_checkout_is_another_and_what_cannot_be_read_is_nobodys(
    objects: ObjectStore, tmp_path: Path
) -> None:
    first, copy = checkout(tmp_path / "first"), checkout(tmp_path / "copy")
    owner.claim(objects, first)
    for path in first.state.iterdir():
        (copy.state / path.name).write_bytes(path.read_bytes())
    assert owner.other(objects, copy)
    objects.write(owner.FILE, b"mine!")
    assert owner.other(objects, first) == "unknown"
