"""Every format: what readers find in it, that its bytes are a function of the job, and how damage is mended."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from ganlib.config import ExportConfig
from ganlib.core.errors import BadInput, Corrupt, GanlibError
from ganlib.core.files import sha256_file
from ganlib.data.mnist.captions import encode as encode_caption
from ganlib.data.mnist.dataset import MNIST
from ganlib.export.onnx import export
from ganlib.generation import formats
from ganlib.generation.batch import manifest as manifests
from ganlib.generation.batch.batch import Manifest, generate, verify
from ganlib.generation.batch.card import BESIDE
from ganlib.generation.conditions import Condition, choose, recorded
from ganlib.generation.conditions import texts as spoken
from ganlib.generation.formats.webdataset import header
from ganlib.generation.session import Drawn, OnnxModel
from ganlib.generation.storage.lock import locked
from ganlib.jobs.images.repair import repair

NOT_OF_THE_JOB = {".lock", *BESIDE}
COUNT, SHARD, SEED = 150, 60, 2**64 - 1
CAPTION = "一个粗的五"
FORMATS = formats.names()
SUFFIXES = {
    "png": "", "npy": ".npy", "npz": ".npz", "parquet": ".parquet", "webdataset": ".tar", "zarr": ".zarr",
}  # fmt: skip
every_format = pytest.mark.parametrize("form", FORMATS)


class Labelled(nn.Module):
    """As bright as the label, with a little noise."""

    def forward(self, noise: Tensor, label: Tensor) -> Tensor:
        level = (label.float() / 5 - 1).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)
        return (level + noise[:, :1, None, None] * 0.1).clamp(-1, 1)


class Captioned(nn.Module):
    """As bright as the caption's first byte, with a little noise."""

    def forward(self, noise: Tensor, caption: Tensor) -> Tensor:
        level = (caption[:, 0].float() / 128 - 1).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)
        return (level + noise[:, :1, None, None] * 0.1).clamp(-1, 1)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    path = tmp_path_factory.mktemp("labelled") / "g.onnx"
    export(Labelled(), 2, path, ExportConfig(parity_batches=(2,)), {}, MNIST, condition="label")
    return OnnxModel(path)


@pytest.fixture(scope="module")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    path = tmp_path_factory.mktemp("captioned") / "g.onnx"
    export(Captioned(), 2, path, ExportConfig(parity_batches=(2,)), {}, MNIST, condition="caption")
    return OnnxModel(path)


def make(model: OnnxModel, out: Path, form: str, **changes: Any) -> Manifest:
    """150 images in shards of 60, unless ``changes`` say otherwise."""
    return generate(
        model, out=out, **{"count": COUNT, "seed": SEED, "shard_size": SHARD, "file_format": form, **changes}
    )


def files(out: Path) -> dict[str, bytes]:
    """Everything under ``out`` by relative name, locks aside."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name not in NOT_OF_THE_JOB
    }


@dataclass
class Read:
    """What a reader with nothing of ours finds in a shard, as lists of rows."""

    images: np.ndarray
    index: list[int]
    seed: list[int]
    label: list[int] | None = None
    caption: list[str] | None = None


def texts(values: Any) -> list[str]:
    return [value.decode() for value in values.tolist()]


def read_arrays(arrays: Mapping[str, Any], names: Any) -> Read:
    return Read(
        arrays["image"],
        arrays["index"].tolist(),
        arrays["seed"].tolist(),
        arrays["label"].tolist() if "label" in names else None,
        texts(arrays["caption"]) if "caption" in names else None,
    )


def read_pngs(pngs: list[bytes]) -> Read:
    pixels, found = [], []
    for data in pngs:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            pixels.append(np.asarray(image)[None])
            found.append({name.removeprefix("ganlib:"): text for name, text in image.text.items()})  # type: ignore[attr-defined]
    return Read(
        np.stack(pixels),
        [int(facts["index"]) for facts in found],
        [int(facts["seed"]) for facts in found],
        [int(facts["label"]) for facts in found] if "label" in found[0] else None,
        [facts["caption"] for facts in found] if "caption" in found[0] else None,
    )


def read_png(path: Path) -> Read:
    return read_pngs([file.read_bytes() for file in sorted(path.glob("*.png"))])


def read_npy(path: Path) -> Read:
    records = np.load(path, mmap_mode="r", allow_pickle=False)
    return read_arrays(records, records.dtype.names)


def read_npz(path: Path) -> Read:
    with zipfile.ZipFile(path) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    with np.load(path, allow_pickle=False) as arrays:
        return read_arrays(arrays, arrays.files)


def read_parquet(path: Path) -> Read:
    table = pq.read_table(path)
    assert table.schema.metadata[b"ganlib:synthetic"] == b"trainedAlgorithmicMedia"
    rows = table.to_pydict()
    pixels = np.frombuffer(b"".join(rows["image"]), np.uint8).reshape(-1, 1, 28, 28)
    return Read(pixels, rows["index"], rows["seed"], rows.get("label"), rows.get("caption"))


def read_webdataset(path: Path) -> Read:
    with tarfile.open(path) as archive:
        members = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
        assert {(member.mtime, member.uid, member.uname) for member in archive.getmembers()} == {(0, 0, "")}
    stems = list(dict.fromkeys(name.partition(".")[0] for name in members))
    assert list(members) == [f"{stem}.{end}" for stem in stems for end in ("png", "json", "cls", "txt")
                             if f"{stem}.{end}" in members]  # fmt: skip
    inside = read_pngs([members[f"{stem}.png"] for stem in stems])
    facts = [json.loads(members[f"{stem}.json"]) for stem in stems]
    assert all(fact["synthetic"] for fact in facts)
    return Read(
        inside.images,
        [fact["index"] for fact in facts],
        [fact["seed"] for fact in facts],
        [int(members[f"{stem}.cls"]) for stem in stems] if inside.label else None,
        [members[f"{stem}.txt"].decode() for stem in stems] if inside.caption else None,
    )


@pytest.mark.parametrize("size", [0, 1, 511, 512, 1680, 8**11 - 1])
@pytest.mark.parametrize("name", ["00000000.png", f"{2**63 - 1}.json"])
def test_a_header_of_a_tar_file_is_the_one_that_tarfile_writes(name: str, size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = size
    assert header(name, size) == member.tobuf(tarfile.USTAR_FORMAT)


def test_a_webdataset_is_the_file_that_tarfile_writes(model: OnnxModel, tmp_path: Path) -> None:
    make(model, tmp_path / "out", "webdataset")
    for path in (tmp_path / "out").glob("*.tar"):
        with tarfile.open(path) as read, tarfile.open(tmp_path / "w.tar", "w", format=tarfile.USTAR_FORMAT) as written:
            for member in read:
                written.addfile(member, read.extractfile(member))
        assert path.read_bytes() == (tmp_path / "w.tar").read_bytes()


def read_zarr(path: Path) -> Read:
    """By the specification; the next test has the library itself read it, where it is installed."""
    assert json.loads((path / "zarr.json").read_text())["node_type"] == "group"
    arrays = {}
    for about in sorted(path.glob("*/zarr.json")):
        facts = json.loads(about.read_text())
        chunk = about.parent.joinpath("c", *["0"] * len(facts["shape"]))
        arrays[about.parent.name] = np.frombuffer(chunk.read_bytes(), facts["data_type"]).reshape(facts["shape"])
    if "caption" in arrays:
        arrays["caption"] = arrays["caption"].view("S64")[:, 0]
    return read_arrays(arrays, arrays)


READ = {
    "png": read_png, "npy": read_npy, "npz": read_npz, "parquet": read_parquet, "webdataset": read_webdataset,
    "zarr": read_zarr,
}  # fmt: skip


def check(manifest: Manifest, out: Path, model: OnnxModel, asked: Condition) -> None:
    """Every shard holds its images, and what was asked for each."""
    for shard in range(manifest.shard_count):
        indices = manifest.images(shard)
        read = READ[manifest.file_format](out / formats.load(manifest.file_format).shard_name(shard))
        np.testing.assert_array_equal(read.images, model.images(SEED, indices.start, len(indices), asked))
        assert read.index == list(indices)
        assert set(read.seed) == {SEED}
        rows, name = model.request(SEED, asked).rows(2, indices.start, indices.stop), asked.record.input_name
        assert read.label == (rows["label"].tolist() if name == "label" else None)
        said = spoken(rows["caption"]) if name == "caption" else None
        assert read.caption == said


# What is in them


@every_format
def test_readers_find_images_numbers_and_seed(model: OnnxModel, tmp_path: Path, form: str) -> None:
    manifest = make(model, tmp_path / "out", form)
    check(manifest, tmp_path / "out", model, choose(model))
    assert manifest.file_format == form
    assert [shard.name for shard in manifest.shards] == [f"shard-0000{shard}{SUFFIXES[form]}" for shard in range(3)]
    assert {"numpy", "onnxruntime"} <= set(manifest.versions)


@every_format
@pytest.mark.parametrize("asked", [None, "balanced"])
def test_readers_find_the_label_that_was_asked_for(
    labelled: OnnxModel, tmp_path: Path, form: str, asked: str | None
) -> None:
    wish = choose(labelled, asked)
    check(make(labelled, tmp_path / "out", form, condition=wish), tmp_path / "out", labelled, wish)


@every_format
@pytest.mark.parametrize("asked", [None, CAPTION])
def test_readers_find_the_caption_that_was_asked_for(
    captioned: OnnxModel, tmp_path: Path, form: str, asked: str | None
) -> None:
    wish = choose(captioned, None, asked)
    check(make(captioned, tmp_path / "out", form, condition=wish), tmp_path / "out", captioned, wish)


def test_the_zarr_library_reads_what_we_write_by_its_specification(captioned: OnnxModel, tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr", reason="no zarr: make install")
    make(captioned, tmp_path / "out", "zarr")
    group = zarr.open_group(tmp_path / "out" / "shard-00001.zarr", mode="r")
    assert sorted(group.array_keys()) == ["caption", "image", "index", "seed"]
    np.testing.assert_array_equal(group["image"][:], captioned.images(SEED, 60, 60))
    assert group["caption"].shape == (60, 64)
    assert group.attrs["ganlib:model_sha256"] == captioned.sha256


@every_format
def test_digests_can_be_checked_without_ganlib(model: OnnxModel, tmp_path: Path, form: str) -> None:
    make(model, tmp_path, form)
    lists = sorted(tmp_path.rglob("*SUMS" if form == "png" else "*.sha256"))
    assert len(lists) == 3
    for path in lists:
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", path.name], cwd=path.parent, check=True)


def test_no_format_needs_more_room_than_was_asked_of_the_file_system(captioned: OnnxModel, tmp_path: Path) -> None:
    for form in FORMATS:
        make(captioned, tmp_path / form, form, shard_size=COUNT)
        about = formats.load(form)
        taken = sum(len(data) for name, data in files(tmp_path / form).items() if name != manifests.FILE)
        assert taken < COUNT * about.image_bytes(captioned.spec) + about.shard_bytes


# The bytes are a function of the job


class Stopping(OnnxModel):
    """Stops like a Ctrl-C before the block of number ``stop_at``."""

    stop_at: int | None = None

    def blocks(self, *arguments: Any, **options: Any) -> Iterator[Drawn]:
        for number, drawn in enumerate(super().blocks(*arguments, **options)):
            if number == self.stop_at:
                raise KeyboardInterrupt
            yield drawn


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    form=st.sampled_from(FORMATS),
    shard_size=st.integers(1, 200) | st.sampled_from([63, 64, 65]),
    start=st.sampled_from([0, 1, 63, 64, 100, 2**40]),
    count=st.integers(1, 200),
    stops=st.lists(st.integers(0, 4), max_size=3),
    batch_sizes=st.tuples(st.none() | st.integers(1, 300), st.none() | st.integers(1, 300)),
)
def test_a_job_stopped_anywhere_and_resumed_has_the_bytes_of_one_that_never_was(
    model_path: Path,
    form: str,
    shard_size: int,
    start: int,
    count: int,
    stops: list[int],
    batch_sizes: tuple[int | None, int | None],
) -> None:
    job = {"count": count, "start": start, "shard_size": max(shard_size, count // 20)}
    stopping = Stopping(model_path)
    with tempfile.TemporaryDirectory() as folder:
        once, often = Path(folder) / "once", Path(folder) / "often"
        whole = make(OnnxModel(model_path), once, form, batch_size=batch_sizes[0], **job)
        for stop in stops:
            stopping.stop_at = stop
            with contextlib.suppress(KeyboardInterrupt):
                make(stopping, often, form, **job)
            names = {entry.name for entry in often.iterdir()} - NOT_OF_THE_JOB - {manifests.FILE}
            allowed = {formats.load(form).shard_name(shard) for shard in range(whole.shard_count)}
            assert names <= allowed | {f"{name}.sha256" for name in allowed}
        stopping.stop_at = None
        assert make(stopping, often, form, batch_size=batch_sizes[1], **job) == whole
        assert files(often) == files(once)
        assert verify(often).ok


@every_format
def test_a_job_from_a_later_image_on_extends_an_earlier_one(model: OnnxModel, tmp_path: Path, form: str) -> None:
    for name, start, count in (("all", 0, 150), ("first", 0, 70), ("rest", 70, 80)):
        make(model, tmp_path / name, form, start=start, count=count)
    read = {
        name: [READ[form](tmp_path / name / shard.name) for shard in manifests.read(tmp_path / name).shards]  # type: ignore[union-attr]
        for name in ("all", "first", "rest")
    }
    both = [*read["first"], *read["rest"]]
    np.testing.assert_array_equal(
        np.concatenate([part.images for part in both]), np.concatenate([part.images for part in read["all"]])
    )
    assert [index for part in both for index in part.index] == list(range(150))
    if form == "png":
        one = {path.name: path.read_bytes() for path in (tmp_path / "all").rglob("*.png")}
        two = {p.name: p.read_bytes() for name in ("first", "rest") for p in (tmp_path / name).rglob("*.png")}
        assert one == two


@pytest.mark.parametrize(("start", "count"), [(-1, 5), (2**63 - 4, 5), (2**64, 1)])
def test_numbers_that_no_image_can_have_are_refused(model: OnnxModel, tmp_path: Path, start: int, count: int) -> None:
    with pytest.raises(BadInput, match="start must be at least 0, and start \\+ count at most"):
        make(model, tmp_path / "out", "npy", start=start, count=count)
    assert not (tmp_path / "out").exists()


def test_another_start_or_format_is_another_job(model: OnnxModel, tmp_path: Path) -> None:
    make(model, tmp_path / "out", "npy")
    with pytest.raises(BadInput, match="start is 0, not 5; file_format is npy, not npz"):
        make(model, tmp_path / "out", "npz", start=5)


def test_the_nearest_format_is_offered(model: OnnxModel, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"unknown format 'parket'\. Did you mean 'parquet'") as caught:
        make(model, tmp_path / "out", "parket")  # type: ignore[arg-type]
    assert caught.value.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_every_name_has_its_file() -> None:
    assert set(FORMATS) == set(SUFFIXES) == set(READ)
    assert all(formats.load(form).image_bytes(MNIST) for form in FORMATS)


# Damage


@pytest.fixture(scope="module")
def jobs(model: OnnxModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished job of each format. Tests work on copies."""
    folder = tmp_path_factory.mktemp("jobs")
    for form in FORMATS:
        make(model, folder / form, form, origin={"reference": str(model.path)})
    return {form: folder / form for form in FORMATS}


def victim(out: Path, form: str) -> Path:
    """A file with pixels in the second shard."""
    shard = out / formats.load(form).shard_name(1)
    return {"png": shard / "00000070.png", "zarr": shard / "image/c/0/0/0/0"}.get(form, shard)


def remove(path: Path) -> None:
    path.unlink()


def alter(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut_to_a_few_bytes(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:12])


KINDS = {
    remove: "missing", alter: "altered", cut: "truncated", cut_in_half: "truncated", empty: "truncated",
    cut_to_a_few_bytes: "truncated",
}  # fmt: skip


@every_format
@pytest.mark.parametrize("spoil", KINDS)
def test_damage_is_found_by_kind_and_mended_byte_for_byte(
    jobs: dict[str, Path], tmp_path: Path, form: str, spoil: Any
) -> None:
    out = shutil.copytree(jobs[form], tmp_path / "out")
    assert verify(out).ok
    spoil(victim(out, form))
    found = verify(out)
    kinds = {kind: getattr(found, kind) for kind in ("missing", "altered", "truncated", "extra")}
    name = victim(out, form).relative_to(out).as_posix()
    assert kinds == {**dict.fromkeys(kinds, ()), KINDS[spoil]: (name,)}
    assert found.damaged == (1,)

    kept = {path: path.stat().st_ino for path in out.rglob("*") if "shard-00001" not in str(path)}
    done = repair(None, None, out)
    assert done.remade == (formats.load(form).shard_name(1),)
    assert files(out) == files(jobs[form])
    assert verify(out).ok
    assert all(path.stat().st_ino == inode for path, inode in kept.items()), "something else was touched"
    assert repair(None, None, out).summary() == "all of 150 images are there; nothing had to be made again."


@every_format
def test_lost_shards_and_lists_of_digests_are_mended_and_what_is_not_ours_is_left(
    jobs: dict[str, Path], tmp_path: Path, form: str
) -> None:
    out = shutil.copytree(jobs[form], tmp_path / "out")
    shard = out / formats.load(form).shard_name(0)
    shutil.rmtree(shard) if shard.is_dir() else shard.unlink()
    sums = out / "shard-00002" / "SHA256SUMS" if form == "png" else out / f"{formats.load(form).shard_name(2)}.sha256"
    sums.unlink()
    (out / "notes.txt").write_text("mine")
    done = repair(None, None, out)
    assert done.remade == (formats.load(form).shard_name(0), formats.load(form).shard_name(2))
    assert done.extra == ("notes.txt",)
    assert (out / "notes.txt").read_text() == "mine"
    (out / "notes.txt").unlink()
    assert files(out) == files(jobs[form])


@every_format
def test_a_shard_altered_together_with_its_digests_is_mended(jobs: dict[str, Path], tmp_path: Path, form: str) -> None:
    out = shutil.copytree(jobs[form], tmp_path / "out")
    file = victim(out, form)
    before = sha256_file(file)
    alter(file)
    sums = out / "shard-00001" / "SHA256SUMS" if form == "png" else out / f"{formats.load(form).shard_name(1)}.sha256"
    sums.write_text(sums.read_text().replace(before, sha256_file(file)))
    assert verify(out).damaged == (1,)
    repair(None, None, out)
    assert files(out) == files(jobs[form])


def test_a_stranger_inside_a_zarr_shard_is_extra(jobs: dict[str, Path], tmp_path: Path) -> None:
    out = shutil.copytree(jobs["zarr"], tmp_path / "out")
    (out / "shard-00000.zarr" / "image" / "c" / "0" / "mine").mkdir()
    (out / "shard-00000.zarr" / "image" / "c" / "0" / "mine" / "a.txt").write_text("x")
    assert verify(out).extra == ("shard-00000.zarr/image/c/0/mine/",)


# What repair refuses, before anything is changed


@pytest.fixture
def spoilt(jobs: dict[str, Path], tmp_path: Path) -> Path:
    """A finished job with a damaged shard."""
    out = shutil.copytree(jobs["npy"], tmp_path / "out")
    alter(victim(out, "npy"))
    return out


def change(out: Path, **values: Any) -> None:
    manifest = json.loads((out / manifests.FILE).read_text())
    (out / manifests.FILE).write_text(json.dumps({**manifest, **values}))


def refused(out: Path, words: str, **options: Any) -> BadInput:
    before = files(out)
    with pytest.raises(BadInput, match=words) as caught:
        repair(None, None, out, **options)
    assert files(out) == before
    return caught.value


def test_another_model_is_refused_by_its_sha256_before_it_is_opened(
    spoilt: Path, model_path: Path, tmp_path: Path
) -> None:
    other = onnx.load(model_path)
    other.metadata_props.add(key="note", value="retrained")
    onnx.save_model(other, tmp_path / "other.onnx")
    error = refused(spoilt, "were made by", model=str(tmp_path / "other.onnx"))
    assert sha256_file(model_path) in str(error)
    (tmp_path / "no.onnx").write_bytes(b"not a graph")
    refused(spoilt, "were made by", model=str(tmp_path / "no.onnx"))


def test_a_manifest_that_does_not_name_the_model_asks_for_it(spoilt: Path, model: OnnxModel) -> None:
    change(spoilt, origin={})
    refused(spoilt, "name it with --model")
    assert repair(None, None, spoilt, model=str(model.path)).remade == ("shard-00001.npy",)


def test_the_version_and_the_run_are_surer_names_than_an_alias(spoilt: Path) -> None:
    change(spoilt, origin={"reference": "champion", "model": "m", "version": 7, "run_id": "r"})
    refused(spoilt, "'models:/m/7'")
    change(spoilt, origin={"reference": "champion", "run_id": "r"})
    refused(spoilt, "'runs:/r'")


def test_an_unfinished_job_is_for_generate_to_finish(spoilt: Path) -> None:
    change(spoilt, complete=False, shards=[], digest=None)
    refused(spoilt, "run the same `ganlib generate` again")
    (spoilt / manifests.FILE).unlink()
    refused(spoilt, r"has no manifest\.json")


def test_other_versions_could_give_other_bytes(spoilt: Path) -> None:
    change(spoilt, versions={"numpy": "1.0", "onnxruntime": "1.0"})
    refused(spoilt, r"begun with numpy 1\.0, now ")


def test_another_way_of_making_noise_is_refused(spoilt: Path) -> None:
    change(spoilt, noise="another")
    refused(spoilt, "noise is another, not philox")


def test_a_shard_that_comes_out_differently_replaces_nothing(spoilt: Path) -> None:
    manifest = json.loads((spoilt / manifests.FILE).read_text())
    manifest["shards"][1]["sha256"] = "0" * 64
    change(spoilt, shards=manifest["shards"])
    before = files(spoilt)
    with pytest.raises(GanlibError, match="came out with other bytes") as caught:
        repair(None, None, spoilt)
    assert caught.value.exit_code == 1
    assert files(spoilt) == before


def test_a_changed_digest_of_everything_is_told_with_the_right_one(jobs: dict[str, Path], tmp_path: Path) -> None:
    out = shutil.copytree(jobs["npy"], tmp_path / "out")
    right = json.loads((out / manifests.FILE).read_text())["digest"]
    change(out, digest="0" * 64)
    with pytest.raises(Corrupt, match=f"expected sha256 {right}"):
        repair(None, None, out)


def test_a_folder_in_use_is_left_alone(spoilt: Path) -> None:
    before = files(spoilt)
    with locked(spoilt), pytest.raises(GanlibError, match="another process"):
        repair(None, None, spoilt)
    assert files(spoilt) == before


def test_a_file_of_labels_has_to_be_named_again_and_has_to_be_the_same(labelled: OnnxModel, tmp_path: Path) -> None:
    labels, out = tmp_path / "labels.txt", tmp_path / "out"
    labels.write_text("7\n3\n" * 75)
    make(labelled, out, "npz", condition=choose(labelled, str(labels)), origin={"reference": str(labelled.path)})
    before = files(out)
    (out / "shard-00002.npz").unlink()
    refused(out, "name that file with --labels")
    labels.write_text("7\n3\n" * 74 + "7\n7\n")
    refused(out, "these images were made with labels of", labels=str(labels))
    labels.write_text("7\n3\n" * 75)
    repair(None, None, out, labels=str(labels))
    assert files(out) == before


@pytest.mark.parametrize("asked", ["7", "balanced", "uniform"])
def test_what_was_asked_is_read_back_from_the_record(labelled: OnnxModel, asked: str) -> None:
    first = choose(labelled, asked)
    second = recorded(labelled, first.record)
    assert second.record == first.record
    np.testing.assert_array_equal(second.values(1, 2), first.values(1, 2))


@pytest.mark.parametrize("asked", [None, CAPTION, "a 'thin' \"seven\"\\ leaning left"])
def test_a_caption_is_read_back_from_the_record(captioned: OnnxModel, asked: str | None) -> None:
    first = choose(captioned, None, asked)
    second = recorded(captioned, first.record)
    assert second.record == first.record
    np.testing.assert_array_equal(second.values(1, 2), first.values(1, 2))
    if asked:
        np.testing.assert_array_equal(second.values(1, 2)[0], encode_caption(asked))  # type: ignore[index]


def test_what_cannot_fit_is_refused_before_anything_is_made(model: OnnxModel, tmp_path: Path) -> None:
    for form in FORMATS:
        with pytest.raises(BadInput, match="no space at"):
            make(model, tmp_path / "out", form, count=10**17, shard_size=10**6)
    assert not (tmp_path / "out").exists()
