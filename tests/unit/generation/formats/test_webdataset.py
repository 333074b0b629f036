"""Shards as tar files of WebDataset."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from ganlib.generation.formats.webdataset import header
from tests.unit.generation.formats.suite import FormatSuite, Models, Read, make, read_pngs


class TestWebDataset(FormatSuite):
    form, suffix = "webdataset", ".tar"

    def read(self, shard: Path) -> Read:
        with tarfile.open(shard) as archive:
            members = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
            assert {(member.mtime, member.uid, member.uname) for member in archive.getmembers()} == {(0, 0, "")}
        stems = list(dict.fromkeys(name.partition(".")[0] for name in members))
        assert list(members) == [f"{stem}.{end}" for stem in stems for end in ("png", "json", "cls", "txt")
                                 if f"{stem}.{end}" in members]  # fmt: skip
        inside, _ = read_pngs([members[f"{stem}.png"] for stem in stems])
        facts = [json.loads(members[f"{stem}.json"]) for stem in stems]
        assert all(fact["synthetic"] for fact in facts)
        labels = [int(members[f"{stem}.cls"]) for stem in stems] if inside.label else None
        named = {(label, fact["class"]) for label, fact in zip(labels or (), facts, strict=False) if "class" in fact}
        return Read(
            inside.images,
            [fact["index"] for fact in facts],
            [fact["seed"] for fact in facts],
            labels,
            [members[f"{stem}.txt"].decode() for stem in stems] if inside.caption else None,
            tuple(dict(sorted(named)).values()),
        )


@pytest.mark.parametrize("size", [0, 1, 511, 512, 1680, 8**11 - 1])
@pytest.mark.parametrize("name", ["00000000.png", f"{2**63 - 1}.json"])
def test_a_header_of_a_tar_file_is_the_one_that_tarfile_writes(name: str, size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = size
    assert header(name, size) == member.tobuf(tarfile.USTAR_FORMAT)


def test_a_webdataset_is_the_file_that_tarfile_writes(models: Models, tmp_path: Path) -> None:
    make(models.labelled, tmp_path / "out", "webdataset")
    for path in (tmp_path / "out").glob("*.tar"):
        with tarfile.open(path) as read, tarfile.open(tmp_path / "w.tar", "w", format=tarfile.USTAR_FORMAT) as written:
            for member in read:
                written.addfile(member, read.extractfile(member))
        assert path.read_bytes() == (tmp_path / "w.tar").read_bytes()
