"""Finding what is missing, altered, truncated or extra."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ganlib.core.errors import BadInput
from ganlib.generation.batch.batch import generate, verify
from ganlib.generation.session import OnnxModel


@pytest.fixture(scope="module")
def done(model: OnnxModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished job of 50 images in shards of 20."""
    out = tmp_path_factory.mktemp("verify") / "out"
    generate(model, out=out, count=50, seed=0, shard_size=20)
    return out


@pytest.fixture
def out(done: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return shutil.copytree(done, tmp_path / "out")


def test_a_finished_job_is_all_there(out: Path) -> None:
    found = verify(out)
    assert found.ok
    assert found.images == 50
    assert found.summary() == "all of 50 images are there, unchanged."


def test_each_kind_of_damage_is_named_by_file(out: Path) -> None:
    (out / "shard-00000" / "00000003.png").unlink()
    shutil.rmtree(out / "shard-00001")
    cut = out / "shard-00002" / "00000041.png"
    cut.write_bytes(cut.read_bytes()[:-7])
    (out / "shard-00002" / "00000042.png").write_bytes(b"")
    swapped = out / "shard-00002" / "00000043.png"
    swapped.write_bytes((out / "shard-00002" / "00000044.png").read_bytes())
    (out / "shard-00002" / "mine.txt").write_text("x")
    (out / "notes").mkdir()
    found = verify(out)
    assert not found.ok
    assert found.missing == ("shard-00000/00000003.png", "shard-00001/")
    assert found.truncated == ("shard-00002/00000041.png", "shard-00002/00000042.png")
    assert found.altered == ("shard-00002/00000043.png",)
    assert found.extra == ("shard-00002/mine.txt", "notes/")
    assert "truncated: shard-00002/00000041.png" in found.summary().splitlines()


def test_an_image_altered_together_with_its_list_of_digests_is_found_by_the_manifest(out: Path) -> None:
    folder = out / "shard-00001"
    sums = (folder / "SHA256SUMS").read_text().splitlines(keepends=True)
    digest = sums[1].split("  ")[0]
    (folder / "00000020.png").write_bytes((folder / "00000021.png").read_bytes())
    (folder / "SHA256SUMS").write_text("".join([f"{digest}  00000020.png\n", *sums[1:]]))
    assert verify(out).altered == ("shard-00001/SHA256SUMS",)


def test_a_lost_or_unreadable_list_of_digests_is_named(out: Path) -> None:
    (out / "shard-00000" / "SHA256SUMS").unlink()
    (out / "shard-00001" / "SHA256SUMS").write_text("nonsense\n")
    found = verify(out)
    assert found.missing == ("shard-00000/SHA256SUMS",)
    assert found.altered == ("shard-00001/SHA256SUMS",)


def test_a_changed_digest_in_the_manifest_is_found(out: Path) -> None:
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["digest"] = "0" * 64
    (out / "manifest.json").write_text(json.dumps(manifest))
    assert verify(out).altered == ("manifest.json",)


def test_shards_named_in_the_manifest_are_not_looked_for_elsewhere(out: Path) -> None:
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["shards"][0]["name"] = "../../elsewhere"
    (out / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BadInput, match="its shards are not those of 50 images"):
        verify(out)


def test_a_folder_without_a_manifest_is_not_ours(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"has no manifest\.json"):
        verify(tmp_path)
