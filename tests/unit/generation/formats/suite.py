"""What every format is held to: its file of tests says how a stranger reads it, and inherits the rest."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_file
from ganlib.generation import formats
from ganlib.generation.batch import manifest as manifests
from ganlib.generation.batch import read_back
from ganlib.generation.batch.batch import Manifest, generate, verify
from ganlib.generation.batch.card import BESIDE
from ganlib.generation.conditions import Condition, choose
from ganlib.generation.conditions import texts as spoken
from ganlib.generation.session import ImageBlock, OnnxModel
from ganlib.generation.storage import locate
from ganlib.jobs.images.repair import repair

NOT_OF_THE_JOB = {".lock", *BESIDE}
COUNT, SHARD, SEED = 150, 60, 2**64 - 1
GIVEN = "一个粗的五"


class Models(NamedTuple):
    """Of one shape."""

    plain: OnnxModel
    labelled: OnnxModel
    captioned: OnnxModel


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
    class_names: tuple[str, ...] = ()
    """What the labels stand for; empty where the format, or the shard, does not say."""


def read_arrays(arrays: Mapping[str, Any], names: Any) -> Read:
    """What arrays by name hold."""
    return Read(
        arrays["image"],
        arrays["index"].tolist(),
        arrays["seed"].tolist(),
        arrays["label"].tolist() if "label" in names else None,
        [value.decode() for value in arrays["caption"].tolist()] if "caption" in names else None,
        tuple(arrays["class_names"].tolist()) if "class_names" in names else (),
    )


def read_pngs(pngs: list[bytes]) -> tuple[Read, list[dict[str, str]]]:
    """What Pillow finds in PNG files, and all that their texts say."""
    pixels, found = [], []
    for data in pngs:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            channels = [np.asarray(channel) for channel in image.split()]
            pixels.append(np.stack(channels))
            found.append({name.removeprefix("ganlib:"): text for name, text in image.text.items()})  # type: ignore[attr-defined]
    read = Read(
        np.stack(pixels),
        [int(facts["index"]) for facts in found],
        [int(facts["seed"]) for facts in found],
        [int(facts["label"]) for facts in found] if "label" in found[0] else None,
        [facts["caption"] for facts in found] if "caption" in found[0] else None,
    )
    return read, found


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


class Stopping(OnnxModel):
    """Stops like a Ctrl-C before the block of number ``stop_at``."""

    stop_at: int | None = None

    def blocks(self, *arguments: Any, **options: Any) -> Iterator[ImageBlock]:
        for number, drawn in enumerate(super().blocks(*arguments, **options)):
            if number == self.stop_at:
                raise KeyboardInterrupt
            yield drawn


class FormatSuite:
    """A subclass names its format and reads it."""

    form: ClassVar[str]
    suffix: ClassVar[str]
    says_names: ClassVar[bool] = True
    """Whether a shard says what labels stand for; the manifest does in any case."""

    def read(self, shard: Path) -> Read:
        raise NotImplementedError

    def victim(self, shard: Path) -> Path:
        """A file with pixels."""
        return shard

    def sums(self, shard: Path) -> Path:
        """The list of the shard's digests."""
        return shard.with_name(f"{shard.name}.sha256")

    def check(self, out: Path, model: OnnxModel, condition: Condition, **changes: Any) -> Manifest:
        """Make a job: every shard holds its images, and what was asked for each."""
        manifest = make(model, out, self.form, condition=condition, **changes)
        for shard in manifest.shards:
            read, stop = self.read(out / shard.name), shard.start + shard.count
            np.testing.assert_array_equal(read.images, model.images(SEED, shard.start, shard.count, condition))
            assert read.index == list(range(shard.start, stop))
            assert set(read.seed) == {SEED}
            rows = model.request(SEED, condition).rows(model.noise_dim, shard.start, stop)
            assert read.label == (rows["label"].tolist() if "label" in rows else None)
            assert read.caption == (spoken(rows["caption"]) if "caption" in rows else None)
            named = "label" in rows and model.spec.name != "mnist" and self.says_names
            assert read.class_names == (model.spec.class_names if named else ())
        return manifest

    # What is in it

    def test_readers_find_images_numbers_and_seed(self, models: Models, tmp_path: Path) -> None:
        manifest = self.check(tmp_path / "out", models.plain, choose(models.plain))
        assert manifest.file_format == self.form
        assert [shard.name for shard in manifest.shards] == [f"shard-0000{k}{self.suffix}" for k in range(3)]
        assert {"numpy", "onnxruntime"} <= set(manifest.versions)
        assert manifests.read(tmp_path / "out").dataset == models.plain.spec  # type: ignore[union-attr]

    @pytest.mark.parametrize("option", [None, "balanced"])
    def test_readers_find_the_label_that_was_asked_for(
        self, models: Models, tmp_path: Path, option: str | None
    ) -> None:
        self.check(tmp_path / "out", models.labelled, choose(models.labelled, option))

    @pytest.mark.parametrize("caption", [None, GIVEN])
    def test_readers_find_the_caption_that_was_asked_for(
        self, models: Models, tmp_path: Path, caption: str | None
    ) -> None:
        self.check(tmp_path / "out", models.captioned, choose(models.captioned, None, caption))

    def test_what_is_read_back_is_what_was_made(self, models: Models, tmp_path: Path) -> None:
        manifest = make(models.labelled, tmp_path / "out", self.form, start=1000)
        numbers, images = read_back.read(locate(tmp_path / "out"), manifest, 90, lambda done, total: None)
        assert len(numbers) == len(images) == len(set(numbers.tolist())) == 90
        np.testing.assert_array_equal(images, models.labelled.images(SEED, 1000, 150)[numbers - 1000])

    def test_digests_can_be_checked_without_ganlib(self, models: Models, tmp_path: Path) -> None:
        for shard in make(models.plain, tmp_path, self.form).shards:
            path = self.sums(tmp_path / shard.name)
            subprocess.run(["sha256sum", "--check", "--strict", "--quiet", path.name], cwd=path.parent, check=True)

    def test_it_takes_no_more_room_than_was_asked_of_the_file_system(self, models: Models, tmp_path: Path) -> None:
        about = formats.load(self.form)
        for at, model in enumerate(models):
            make(model, tmp_path / str(at), self.form, shard_size=COUNT)
            taken = sum(len(data) for name, data in files(tmp_path / str(at)).items() if name != manifests.FILE)
            assert taken < COUNT * about.image_bytes(model.spec) + about.shard_bytes

    def test_what_cannot_fit_is_refused_before_anything_is_made(self, models: Models, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="no space at"):
            make(models.plain, tmp_path / "out", self.form, count=10**17, shard_size=10**6)
        assert not (tmp_path / "out").exists()

    # Its bytes are a function of the job

    @settings(
        max_examples=8, deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )  # fmt: skip
    @given(
        shard_size=st.integers(1, 200) | st.sampled_from([63, 64, 65]),
        start=st.sampled_from([0, 1, 63, 64, 100, 2**40]),
        count=st.integers(1, 200),
        stops=st.lists(st.integers(0, 4), max_size=3),
        batch_sizes=st.tuples(st.none() | st.integers(1, 300), st.none() | st.integers(1, 300)),
    )
    def test_a_job_stopped_anywhere_and_resumed_has_the_bytes_of_one_that_never_was(
        self,
        models: Models,
        shard_size: int,
        start: int,
        count: int,
        stops: list[int],
        batch_sizes: tuple[int | None, int | None],
    ) -> None:
        job = {"count": count, "start": start, "shard_size": max(shard_size, count // 20)}
        stopping = Stopping(models.labelled.path)
        with tempfile.TemporaryDirectory() as folder:
            once, often = Path(folder) / "once", Path(folder) / "often"
            whole = make(models.labelled, once, self.form, batch_size=batch_sizes[0], **job)
            for stop in stops:
                stopping.stop_at = stop
                with contextlib.suppress(KeyboardInterrupt):
                    make(stopping, often, self.form, **job)
                names = {entry.name for entry in often.iterdir()} - NOT_OF_THE_JOB - {manifests.FILE}
                allowed = {formats.load(self.form).shard_name(shard) for shard in range(whole.shard_count)}
                assert names <= allowed | {f"{name}.sha256" for name in allowed}
            stopping.stop_at = None
            assert make(stopping, often, self.form, batch_size=batch_sizes[1], **job) == whole
            assert files(often) == files(once)
            assert verify(often).ok

    def test_a_job_from_a_later_image_on_extends_an_earlier_one(self, models: Models, tmp_path: Path) -> None:
        read = {}
        for name, start, count in (("all", 0, 150), ("first", 0, 70), ("rest", 70, 80)):
            made = make(models.plain, tmp_path / name, self.form, start=start, count=count)
            read[name] = [self.read(tmp_path / name / shard.name) for shard in made.shards]
        both = [*read["first"], *read["rest"]]
        np.testing.assert_array_equal(
            np.concatenate([part.images for part in both]), np.concatenate([part.images for part in read["all"]])
        )
        assert [index for part in both for index in part.index] == list(range(150))

    # Damage

    @pytest.fixture
    def job(self, models: Models, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A finished job."""
        out = tmp_path_factory.mktemp("job") / "out"
        make(models.labelled, out, self.form, origin={"reference": str(models.labelled.path)})
        return out

    @pytest.mark.parametrize("spoil", KINDS)
    def test_damage_is_found_by_kind_and_mended_byte_for_byte(self, job: Path, tmp_path: Path, spoil: Any) -> None:
        out = shutil.copytree(job, tmp_path / "out")
        assert verify(out).ok
        victim = self.victim(out / formats.load(self.form).shard_name(1))
        spoil(victim)
        found = verify(out)
        kinds = {kind: getattr(found, kind) for kind in ("missing", "altered", "truncated", "extra")}
        assert kinds == {**dict.fromkeys(kinds, ()), KINDS[spoil]: (victim.relative_to(out).as_posix(),)}
        assert found.damaged == (1,)

        kept = {path: path.stat().st_ino for path in out.rglob("*") if "shard-00001" not in str(path)}
        assert repair(None, None, out).remade == (formats.load(self.form).shard_name(1),)
        assert files(out) == files(job)
        assert verify(out).ok
        assert all(path.stat().st_ino == inode for path, inode in kept.items()), "something else was touched"
        assert repair(None, None, out).summary() == "all of 150 images are there; nothing had to be made again."

    def test_lost_shards_and_lists_of_digests_are_mended_and_what_is_not_ours_is_left(
        self, job: Path, tmp_path: Path
    ) -> None:
        out = shutil.copytree(job, tmp_path / "out")
        first, _, last = (out / formats.load(self.form).shard_name(shard) for shard in range(3))
        shutil.rmtree(first) if first.is_dir() else first.unlink()
        self.sums(last).unlink()
        (out / "notes.txt").write_text("mine")
        done = repair(None, None, out)
        assert done.remade == (first.name, last.name)
        assert done.extra == ("notes.txt",)
        assert (out / "notes.txt").read_text() == "mine"
        (out / "notes.txt").unlink()
        assert files(out) == files(job)

    def test_a_shard_altered_together_with_its_digests_is_mended(self, job: Path, tmp_path: Path) -> None:
        out = shutil.copytree(job, tmp_path / "out")
        shard = out / formats.load(self.form).shard_name(1)
        file, sums = self.victim(shard), self.sums(shard)
        before = sha256_file(file)
        alter(file)
        sums.write_text(sums.read_text().replace(before, sha256_file(file)))
        assert verify(out).damaged == (1,)
        repair(None, None, out)
        assert files(out) == files(job)
