"""Shards as folders of PNG files."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganlib.generation.batch.batch import verify
from ganlib.generation.conditions import choose
from ganlib.generation.png import Encoder
from ganlib.jobs.images.repair import repair
from tests.unit.generation.formats.suite import KINDS, FormatSuite, Models, Read, files, make, read_pngs


class TestPng(FormatSuite):
    form, suffix = "png", ""

    def read(self, shard: Path) -> Read:
        read, found = read_pngs([file.read_bytes() for file in sorted(shard.glob("*.png"))])
        if "class" in found[0]:
            named = dict(sorted({(int(facts["label"]), facts["class"]) for facts in found}))
            read.class_names = tuple(named.values())
        return read

    def victim(self, shard: Path) -> Path:
        return shard / "00000070.png"

    def sums(self, shard: Path) -> Path:
        return shard / "SHA256SUMS"

    def test_an_image_s_file_is_the_same_in_whatever_job(self, models: Models, tmp_path: Path) -> None:
        for name, start, count in (("all", 0, 150), ("first", 0, 70), ("rest", 70, 80)):
            make(models.labelled, tmp_path / name, "png", start=start, count=count)
        one = {path.name: path.read_bytes() for path in (tmp_path / "all").rglob("*.png")}
        assert one == {p.name: p.read_bytes() for name in ("first", "rest") for p in (tmp_path / name).rglob("*.png")}

    @pytest.mark.parametrize("spoil", KINDS)
    def test_damage_to_the_metadata_is_found_and_mended(
        self, job: Path, tmp_path: Path, spoil: Callable[[Path], None]
    ) -> None:
        out = shutil.copytree(job, tmp_path / "out")
        spoil(out / "shard-00001/metadata.jsonl")
        assert getattr(verify(out), KINDS[spoil]) == ("shard-00001/metadata.jsonl",)
        assert repair(None, None, out).remade == ("shard-00001",)
        assert files(out) == files(job)

    def test_an_image_of_a_named_class_says_its_name(self, models: Models, tmp_path: Path) -> None:
        make(models.labelled, tmp_path / "out", "png", condition=choose(models.labelled, "1"), count=1)
        _, (facts,) = read_pngs([(tmp_path / "out/shard-00000/00000000.png").read_bytes()])
        assert facts["label"] == "1"
        assert facts.get("class") == {"mnist": None, "shop": "shoe"}[models.labelled.spec.name]


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 16, 16), (3, 128, 128), (3, 5, 300), (1, 300, 1)])
def test_pillow_reads_the_pixels_that_were_encoded(shape: tuple[int, int, int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, *shape), np.uint8)
    for image, data in zip(images, Encoder(model_sha256="0" * 64, seed=1).encode(images, 5), strict=True):
        with Image.open(io.BytesIO(data), formats=["PNG"]) as opened:
            opened.load()
            assert (opened.mode, opened.size) == ("L" if shape[0] == 1 else "RGB", (shape[2], shape[1]))
            np.testing.assert_array_equal(np.stack([np.asarray(channel) for channel in opened.split()]), image)
