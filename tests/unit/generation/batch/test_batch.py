"""Folders of generated images: deterministic, resumable, and safe from each other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from ganlib.core.errors import BadInput, NoSpace, Unavailable
from ganlib.core.files import sha256_bytes, sha256_file
from ganlib.generation.batch import manifest as manifests
from ganlib.generation.batch.batch import Manifest, generate, verify
from ganlib.generation.batch.card import BESIDE
from ganlib.generation.session import OnnxModel
from ganlib.generation.storage.base import SHARDS_LIMIT
from ganlib.generation.storage.lock import locked
from tests.reports import Listener

NOT_OF_THE_JOB = {".lock", *BESIDE}
COUNT, SEED = 200, 11


def make(model: OnnxModel, out: Path, **changes: Any) -> Manifest:
    """200 images of seed 11 in shards of 60, unless ``changes`` say otherwise."""
    return generate(model, out=out, **{"count": COUNT, "seed": SEED, "shard_size": 60, **changes})


def files(out: Path) -> dict[str, bytes]:
    """Everything under ``out`` by relative name, locks aside."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name not in NOT_OF_THE_JOB
    }


def pictures(out: Path) -> dict[str, bytes]:
    """The PNG files by name, whatever shard they are in."""
    return {path.name: path.read_bytes() for path in out.rglob("*.png")}


@pytest.fixture(scope="module")
def done(model: OnnxModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished job. Tests that change it work on a copy."""
    out = tmp_path_factory.mktemp("batch") / "out"
    make(
        model,
        out,
        origin={"reference": "models:/m@champion", "version": 7, "aliases": ["champion"], "run_id": "r1"},
    )
    return out


@pytest.fixture
def copy(done: Path, tmp_path: Path) -> Path:
    """The finished job, to be spoilt."""
    return shutil.copytree(done, tmp_path / "copy")


# What is made


def test_the_files_are_the_model_s_images(model: OnnxModel, done: Path) -> None:
    expected = model.images(SEED, 0, COUNT)
    for index in range(COUNT):
        with Image.open(done / f"shard-{index // 60:05d}" / f"{index:08d}.png", formats=["PNG"]) as image:
            assert image.mode == "L"
            np.testing.assert_array_equal(np.asarray(image), expected[index, 0])
    assert len(list(done.rglob("*.png"))) == COUNT


def test_every_file_says_that_it_is_synthetic_and_what_made_it(model: OnnxModel, done: Path) -> None:
    with Image.open(done / "shard-00001" / "00000063.png", formats=["PNG"]) as image:
        assert "trainedAlgorithmicMedia" in image.text.pop("XML:com.adobe.xmp")  # type: ignore[attr-defined]
        assert image.text == {  # type: ignore[attr-defined]
            "ganlib:synthetic": "trainedAlgorithmicMedia",
            "ganlib:model_sha256": model.sha256,
            "ganlib:seed": str(SEED),
            "ganlib:index": "63",
        }


def test_the_manifest_says_what_was_made_from_what_with_what(model: OnnxModel, done: Path) -> None:
    manifest = json.loads((done / "manifest.json").read_text())
    assert manifest["complete"] is True
    assert manifest["synthetic"] is True
    assert (manifest["count"], manifest["seed"], manifest["shard_size"], manifest["block"]) == (
        COUNT,
        SEED,
        60,
        64,
    )
    assert manifest["model_sha256"] == model.sha256
    assert manifest["model_metadata"]["family"] == "dcgan"
    assert manifest["origin"]["version"] == 7
    assert manifest["provider"] == "CPUExecutionProvider"
    assert set(manifest["versions"]) == {"architecture", "numpy", "onnxruntime", "zlib"}
    assert [shard["count"] for shard in manifest["shards"]] == [60, 60, 60, 20]


def test_digests_can_be_checked_without_ganlib(done: Path) -> None:
    manifest = json.loads((done / "manifest.json").read_text())
    every = b""
    for shard in manifest["shards"]:
        folder = done / shard["name"]
        digests = [sha256_file(path) for path in sorted(folder.glob("*.png"))]
        all_digests = [*digests, sha256_file(folder / "metadata.jsonl")]
        lines = (folder / "SHA256SUMS").read_text().splitlines()
        assert [line.split("  ")[0] for line in lines] == all_digests
        assert sha256_bytes(bytes.fromhex("".join(all_digests))) == shard["sha256"]
        every += bytes.fromhex("".join(digests))
    assert sha256_bytes(every) == manifest["digest"]


@pytest.mark.parametrize("batch_size", [1, 64, 100, 4096])
def test_the_batch_size_changes_no_byte(model: OnnxModel, done: Path, tmp_path: Path, batch_size: int) -> None:
    make(
        model,
        tmp_path / "out",
        batch_size=batch_size,
        origin=json.loads((done / "manifest.json").read_text())["origin"],
    )
    assert files(tmp_path / "out") == files(done)


@pytest.mark.parametrize("shard_size", [1, 7, 64, 200, 10**6])
def test_the_shard_size_changes_no_image_and_not_the_digest(
    model: OnnxModel, done: Path, tmp_path: Path, shard_size: int
) -> None:
    manifest = make(model, tmp_path / "out", shard_size=shard_size)
    assert pictures(tmp_path / "out") == pictures(done)
    assert manifest.digest == manifests.read(done).digest  # type: ignore[union-attr]


def test_a_larger_job_starts_with_the_images_of_a_smaller_one(model: OnnxModel, done: Path, tmp_path: Path) -> None:
    make(model, tmp_path / "out", count=COUNT + 77)
    assert pictures(done).items() <= pictures(tmp_path / "out").items()


# Resuming


def test_a_second_call_keeps_everything_as_it_is(model: OnnxModel, copy: Path) -> None:
    stamps = {
        path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file() and path.name not in NOT_OF_THE_JOB
    }
    manifest = make(model, copy)
    assert manifest == manifests.read(copy)
    assert manifest.origin["version"] == 7
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())


def test_exactly_the_missing_shards_are_made_again(model: OnnxModel, done: Path, copy: Path) -> None:
    shutil.rmtree(copy / "shard-00000")
    shutil.rmtree(copy / "shard-00002")
    kept = {path: path.stat().st_ino for name in ("shard-00001", "shard-00003") for path in (copy / name).iterdir()}
    told: list[tuple[str, int, int]] = []
    make(model, copy, report=Listener(lambda stage, done, total, figures: told.append((stage, done, total))))
    assert files(copy) == files(done)
    assert all(path.stat().st_ino == inode for path, inode in kept.items())
    assert told[-1] == ("generate", 120, 120)


def spoil_bytes(out: Path) -> None:
    """One altered pixel."""
    path = out / "shard-00001" / "00000070.png"
    path.write_bytes(path.read_bytes().replace(b"IDAT", b"IDAX"))


def spoil_empty(out: Path) -> None:
    """What a power cut leaves of a file that was never forced to disk."""
    (out / "shard-00001" / "00000070.png").write_bytes(b"")


def spoil_missing(out: Path) -> None:
    """A file deleted by hand."""
    (out / "shard-00001" / "00000070.png").unlink()


def spoil_sums(out: Path) -> None:
    """A damaged list of digests."""
    (out / "shard-00001" / "SHA256SUMS").write_bytes(b"\xff")


def spoil_extra(out: Path) -> None:
    """A file that does not belong there."""
    (out / "shard-00001" / "notes.txt").write_text("mine")


def spoil_scratch(out: Path) -> None:
    """What a killed process leaves."""
    shutil.copytree(out / "shard-00001", out / ".shard-00001.part")
    shutil.rmtree(out / "shard-00001")
    (out / ".manifest.json.abc.part").write_text("{")


@pytest.mark.parametrize("spoil", [spoil_bytes, spoil_empty, spoil_missing, spoil_sums, spoil_extra, spoil_scratch])
def test_a_damaged_shard_is_made_again_byte_for_byte(model: OnnxModel, done: Path, copy: Path, spoil: Any) -> None:
    spoil(copy)
    make(model, copy)
    assert files(copy) == files(done)


def test_a_job_that_was_interrupted_says_so_until_it_is_finished(model: OnnxModel, done: Path, tmp_path: Path) -> None:
    def stop(stage: str, done: int, total: int, facts: Any = None) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        # It hears of image 256 first, within the third shard.
        make(model, out, count=500, shard_size=100, report=Listener(stop))
    assert sorted(path.name for path in out.iterdir()) == [
        ".lock",
        "manifest.json",
        "shard-00000",
        "shard-00001",
    ]
    assert manifests.read(out).complete is False  # type: ignore[union-attr]
    assert not verify(out).ok
    resumed = make(model, out, count=500, shard_size=100)
    assert resumed == make(model, tmp_path / "other", count=500, shard_size=100)
    assert verify(out).ok


def test_a_job_begun_with_other_versions_is_not_finished_with_these(model: OnnxModel, copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["versions"]["onnxruntime"] = "1.0.0"
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert make(model, copy).complete  # nothing to make: fine
    shutil.rmtree(copy / "shard-00002")
    before = files(copy)
    with pytest.raises(BadInput, match=r"begun with onnxruntime 1\.0\.0, now "):
        make(model, copy)
    assert files(copy) == before


def test_a_job_of_another_kind_of_processor_is_not_finished_here(model: OnnxModel, copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    shutil.rmtree(copy / "shard-00002")
    manifest["versions"]["architecture"] = "another"
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BadInput, match=r"begun with architecture another, now "):
        make(model, copy)
    del manifest["versions"]["architecture"]  # as it was before it was recorded
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert make(model, copy).complete
    assert verify(copy).ok


# Refusals: nothing is changed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"count": 0}, "count must be at least 1"),
        ({"count": -1}, "count must be at least 1"),
        ({"shard_size": 0}, "shard size must be at least 1"),
        ({"batch_size": 0}, "batch size must be at least 1"),
        ({"seed": -1}, "seed -1"),
        ({"seed": 2**64}, "seed"),
    ],
)
def test_numbers_out_of_range_are_refused(
    model: OnnxModel, tmp_path: Path, changes: dict[str, int], words: str
) -> None:
    with pytest.raises(BadInput, match=words) as caught:
        make(model, tmp_path / "out", **changes)
    assert caught.value.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_more_images_than_fit_are_refused_at_once_with_the_bytes_needed(model: OnnxModel, tmp_path: Path) -> None:
    with pytest.raises(NoSpace, match=r"no space at .*out: [\d,]{20,} bytes needed") as caught:
        make(model, tmp_path / "out", count=10**18)
    assert caught.value.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_an_output_that_cannot_be_a_folder_is_refused(model: OnnxModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BadInput, match="is a file"):
        make(model, tmp_path / "file")
    with pytest.raises(BadInput, match="cannot write"):
        make(model, tmp_path / "file" / "out")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_with_other_things_in_it_is_left_alone(model: OnnxModel, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(BadInput, match=r"is not empty \(thesis\.tex\)"):
        make(model, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_of_another_job_is_left_alone_and_the_differences_are_listed(model: OnnxModel, copy: Path) -> None:
    before = files(copy)
    with pytest.raises(BadInput) as caught:
        make(model, copy, seed=12, count=300, shard_size=50)
    text = str(caught.value)
    assert "seed is 11, not 12; count is 200, not 300; shard_size is 60, not 50" in text
    assert "\n" not in text
    assert files(copy) == before


def test_another_model_is_another_job(model_path: Path, copy: Path, tmp_path: Path) -> None:
    changed = onnx.load(model_path)
    changed.metadata_props.add(key="note", value="retrained")
    onnx.save_model(changed, tmp_path / "other.onnx")
    with pytest.raises(BadInput, match="model_sha256 is"):
        make(OnnxModel(tmp_path / "other.onnx"), copy)


def test_a_damaged_manifest_is_not_written_over(model: OnnxModel, copy: Path) -> None:
    (copy / "manifest.json").write_text("{")
    with pytest.raises(BadInput, match="damaged"):
        make(model, copy)
    assert (copy / "manifest.json").read_text() == "{"


def test_a_folder_that_another_process_works_in_is_refused_at_once(model: OnnxModel, copy: Path) -> None:
    before = files(copy)
    with locked(copy), pytest.raises(Unavailable, match=r"another process \(pid \d+\) is making images"):
        make(model, copy)
    assert files(copy) == before
    make(model, copy)


def test_a_lock_left_by_a_dead_process_holds_nobody_up(model: OnnxModel, tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("999999")
    assert make(model, tmp_path).complete


def test_more_shards_than_a_manifest_can_name_are_refused(model: OnnxModel, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"raise --shard-size|files needed|no space"):
        generate(model, out=tmp_path / "out", count=SHARDS_LIMIT + 1, seed=3, shard_size=1, file_format="npy")
    assert not (tmp_path / "out").exists()


def test_a_job_that_another_machine_begins_between_two_looks_is_ours(
    model: OnnxModel, done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look finds nothing, and the second one files: the manifest was there before them."""
    shutil.copytree(done, out := tmp_path / "out")
    read, looks = manifests.read, []

    def late(place: Any) -> Manifest | None:
        looks.append(place)
        return None if len(looks) == 1 else read(place)

    monkeypatch.setattr(manifests, "read", late)
    assert make(model, out).digest == read(done).digest
