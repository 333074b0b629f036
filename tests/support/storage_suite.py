"""What every place for a job's files is held to: its file of tests says where it is, and inherits the rest."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from ganlib.core.errors import NoSpace
from ganlib.generation.batch import manifest as manifests
from ganlib.generation.batch import read_back
from ganlib.generation.batch.batch import generate, verify
from ganlib.generation.conditions import choose
from ganlib.generation.session import OnnxModel
from ganlib.generation.storage.base import Storage
from ganlib.jobs.images.repair import repair
from tests.support import graphs
from tests.support.specs import SHOP

DATA = bytes(range(256)) * 10


def publish(storage: Storage, name: str, files: dict[str, bytes], sums: str) -> None:
    """A shard of ``files`` (of one file, if it is called ""), as a job makes it appear."""
    part, beside = storage.scratch() / f".{name}.part", storage.scratch() / f".{name}.sha256.part"
    for inner, data in files.items():
        path = part / inner if inner else part
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    beside.write_text("sums")
    storage.publish(part, name, beside, sums)
    storage.flush()


class StorageSuite:
    """A subclass has a fixture ``storage``: empty, prepared, and the only one of its place."""

    def test_what_was_written_is_read_in_whole_in_part_and_by_its_digest(self, storage: Storage) -> None:
        storage.write("a.json", b"before")
        storage.write("a.json", DATA)
        assert storage.read("a.json") == DATA
        assert storage.size("a.json") == len(DATA)
        assert storage.sha256("a.json") == hashlib.sha256(DATA).hexdigest()
        with storage.open("a.json") as file:
            file.seek(250)
            assert file.read(10) == DATA[250:260]
            file.seek(0)
            assert file.read(3) == DATA[:3]

    def test_what_is_not_there_is_an_os_error_and_no_name(self, storage: Storage) -> None:
        for ask in (storage.read, storage.size, storage.sha256, storage.open):
            with pytest.raises(OSError):
                ask("nothing")
        assert not storage.exists("nothing")
        assert not storage.is_folder("nothing")
        assert storage.inside("nothing") == []

    def test_files_and_folders_are_told_apart(self, storage: Storage) -> None:
        publish(storage, "shard-00000", {"a.png": b"1", "deep/b.png": b"22"}, "shard-00000/SHA256SUMS")
        publish(storage, "shard-00001.npy", {"": b"333"}, "shard-00001.npy.sha256")
        assert [name for name in storage.names() if not name.startswith(".")] == [
            "shard-00000/", "shard-00001.npy", "shard-00001.npy.sha256",
        ]  # fmt: skip
        assert storage.is_folder("shard-00000")
        assert not storage.is_folder("shard-00001.npy")
        assert storage.exists("shard-00001.npy")
        inside = [name for name in storage.inside("shard-00000") if not storage.is_folder(f"shard-00000/{name}")]
        assert inside == ["SHA256SUMS", "a.png", "deep/b.png"]
        assert storage.read("shard-00000/deep/b.png") == b"22"

    def test_a_shard_takes_the_place_of_the_one_before_with_nothing_left_of_it(self, storage: Storage) -> None:
        publish(storage, "shard-00000", {"a.png": b"1", "b.png": b"2"}, "shard-00000/SHA256SUMS")
        publish(storage, "shard-00000", {"a.png": b"3"}, "shard-00000/SHA256SUMS")
        assert storage.inside("shard-00000") == ["SHA256SUMS", "a.png"]
        assert storage.read("shard-00000/a.png") == b"3"
        assert storage.read("shard-00000/SHA256SUMS") == b"sums"

    def test_what_cannot_fit_is_told_before_anything_is_made(self, storage: Storage) -> None:
        job = {"images": 10, "shard_bytes": 10, "files": (0, 2)}
        assert storage.require_room(shard_size=5, image_bytes=100, **job) >= 1000  # type: ignore[arg-type]
        with pytest.raises(NoSpace):
            storage.require_room(shard_size=10, image_bytes=10**17, **job)  # type: ignore[arg-type]

    @pytest.mark.parametrize("form", ["png", "npy", "zarr"])
    def test_a_job_is_made_verified_mended_and_read_back_there(
        self, storage: Storage, tmp_path: Path, form: str
    ) -> None:
        graphs.write(tmp_path / "g.onnx", condition="label", spec=SHOP)
        model = OnnxModel(tmp_path / "g.onnx")
        job = {"count": 30, "seed": 5, "shard_size": 12, "file_format": form, "condition": choose(model, "balanced"),
               "origin": {"reference": str(model.path)}}  # fmt: skip
        manifest = generate(model, out=storage, **job)  # type: ignore[arg-type]
        assert manifest == generate(model, out=tmp_path / "beside", **job)  # type: ignore[arg-type]
        assert manifests.read(storage) == manifest
        assert verify(storage).ok
        numbers, images = read_back.read(storage, manifest, 12, lambda done, total: None)
        np.testing.assert_array_equal(images, model.images(5, 0, 30, choose(model, "balanced"))[numbers])
        victim = {"png": "shard-00001/00000013.png", "npy": "shard-00001.npy", "zarr": "shard-00001.zarr/seed/c/0"}[
            form
        ]
        body = storage.read(victim)
        storage.write(victim, body[:-5])
        storage.write("notes.txt", b"mine")
        findings = verify(storage)
        assert (findings.truncated, findings.extra, findings.damaged) == ((victim,), ("notes.txt",), (1,))
        repair(None, None, storage)
        assert storage.read(victim) == body
        assert storage.read("notes.txt") == b"mine"
