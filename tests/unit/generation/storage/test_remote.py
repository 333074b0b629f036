"""A job's files in a store of fsspec's, here one in memory; tests/services has one that speaks S3."""

from __future__ import annotations

from collections.abc import Iterator

import fsspec
import pytest

from ganlib.core.errors import BadInput, Unavailable
from ganlib.generation.storage import locate
from ganlib.generation.storage.base import Storage
from ganlib.generation.storage.remote import Remote
from tests.support.storage_suite import StorageSuite


class TestRemote(StorageSuite):
    @pytest.fixture
    def storage(self) -> Iterator[Storage]:
        store = fsspec.filesystem("memory")
        store.mkdirs("/suite", exist_ok=True)
        made = locate("memory://suite/job")
        assert isinstance(made, Remote)
        made.prepare()
        yield made
        store.rm("/suite", recursive=True)

    def test_a_manifest_is_created_once(self, storage: Storage) -> None:
        storage.create("manifest.json", b"first")
        with pytest.raises(Unavailable, match="has begun a job"):
            storage.create("manifest.json", b"second")
        assert storage.read("manifest.json") == b"first"

    def test_a_url_that_names_no_place_or_no_kind_of_store_is_refused(self) -> None:
        with pytest.raises(BadInput, match="names no bucket"):
            locate("memory://")
        with pytest.raises(BadInput, match="nowhere"):
            locate("nowhere://bucket/job")
