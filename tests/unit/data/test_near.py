"""Near copies are found, are on one side of every split, and what is merely alike is not taken for them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganlib.config import DataConfig
from ganlib.data import near
from ganlib.data.arrays import ArrayInMemory
from ganlib.data.divide import LEFT_OUT, TEST, divide
from ganlib.data.raw import RawData
from ganlib.data.spec import DatasetSpec, ImageShape
from tests.unit.data.importing.pictures import noise

CONFIG = DataConfig(source="own")


def stack(images: list[Image.Image]) -> np.ndarray:
    """uint8 [n, channels, height, width]."""
    return np.stack([np.atleast_3d(np.asarray(image)).transpose(2, 0, 1) for image in images])


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=0)
    return Image.open(buffer)


def scaled(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.resize((2 * width, 2 * height), Image.Resampling.BICUBIC).resize(image.size, Image.Resampling.LANCZOS)


def raw_of(images: np.ndarray, in_test: np.ndarray | None = None) -> RawData:
    shape = ImageShape(channels=images.shape[1], height=images.shape[2], width=images.shape[3])
    spec = DatasetSpec(name="own", image=shape)
    return RawData(spec, ArrayInMemory(images), np.zeros(len(images), np.int64), None, in_test, {})


def groups(images: np.ndarray) -> np.ndarray:
    return near.groups(raw_of(images), np.arange(len(images)))


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("side", [16, 28, 32, 64, 128])
def test_copies_that_were_recompressed_scaled_or_darkened_are_found(mode: str, side: int) -> None:
    once = [noise((side, side), mode, seed) for seed in range(60)]
    changed = [jpeg(once[3], 90), scaled(once[7]), once[11].point(lambda level: int(level * 0.9))]
    found = groups(stack(once + changed))
    assert found[60:].tolist() == [3, 7, 11]
    assert found[:60].tolist() == list(range(60)), "the others are alike to nobody"


def test_a_chain_of_near_copies_is_one_group_of_its_first() -> None:
    once = [noise((32, 32), "RGB", seed) for seed in range(5)]
    again = [jpeg(once[2], 90), scaled(once[2]), jpeg(scaled(once[2]), 70)]
    assert groups(stack(again + once)).tolist() == [0, 0, 0, 3, 4, 0, 6, 7]


def test_every_pair_is_met_across_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "BLOCK", 7)
    monkeypatch.setattr(near, "PAIRS", 2)
    once = [noise((32, 32), "RGB", seed) for seed in range(40)]
    found = groups(stack(once + [jpeg(image, 80) for image in reversed(once)]))
    assert found.tolist() == [*range(40), *reversed(range(40))]


def test_images_without_contrast_are_near_to_nobody() -> None:
    flat = np.full((6, 3, 32, 32), 100, np.uint8)
    flat += np.arange(6, dtype=np.uint8)[:, None, None, None]
    assert groups(flat).tolist() == list(range(6))


def test_the_same_shape_in_another_colour_is_another_image() -> None:
    circles = []
    for colour in ("red", "blue", "green", "orange"):
        image = Image.new("RGB", (32, 32), "white")
        image.paste(colour, (8, 8, 24, 24))
        circles.append(image)
    assert groups(stack(circles)).tolist() == [0, 1, 2, 3]


def test_where_too_much_is_alike_only_the_very_near_are_taken_for_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "MOST_CANDIDATES", 20)
    one = noise((32, 32), "RGB", 1)
    random = np.random.default_rng(0)
    alike = np.clip(stack([one] * 12).astype(int) + random.integers(-4, 5, (12, 3, 32, 32)), 0, 255).astype(np.uint8)
    assert groups(alike).tolist() == list(range(12))
    monkeypatch.setattr(near, "MOST_CANDIDATES", 200)
    assert groups(alike).tolist() == [0] * 12


def test_near_copies_are_on_one_side_and_counted() -> None:
    once = [noise((32, 32), "RGB", seed) for seed in range(300)]
    images = stack(once + [jpeg(image, 95) for image in once[:150]])
    division = divide(raw_of(images), CONFIG)
    np.testing.assert_array_equal(division.side[300:], division.side[:150])
    assert len(set(division.side[300:].tolist())) == 3
    assert division.twins is not None
    assert (division.twins.repeated, division.twins.near) == (0, 300)
    assert "300 images are nearly the same as another" in str(division.twins)


def test_training_images_near_to_a_test_split_of_the_sources_own_are_left_out() -> None:
    once = [noise((32, 32), "RGB", seed) for seed in range(200)]
    images = stack(once + [jpeg(image, 95) for image in once[:20]])
    in_test = np.arange(220) >= 180
    division = divide(raw_of(images, in_test), CONFIG)
    assert (division.side[180:] == TEST).all()
    assert (division.side[:20] == LEFT_OUT).all()
    assert division.twins is not None
    assert division.twins.left_out == 20


def test_a_large_group_stays_in_training() -> None:
    once = [noise((32, 32), "RGB", seed) for seed in range(300)]
    images = stack(once + [jpeg(once[0], quality) for quality in range(60, 90)])
    for seed in range(5):
        side = divide(raw_of(images), DataConfig(source="own", seed=seed)).side
        assert set(side[300:].tolist()) == {0}


def test_the_committed_data_version_is_divided_as_it_was_published(checkout: Path) -> None:
    from ganlib.data.mnist.dataset import MNIST

    once = stack([noise((28, 28), "L", seed) for seed in range(100)])
    images = np.concatenate([once, once[:10]])
    raw = raw_of(images, np.arange(110) >= 100)._replace(spec=MNIST, labels=np.arange(110) % 10)
    assert (divide(raw._replace(spec=MNIST), CONFIG).side[:10] == LEFT_OUT).all(), "exact copies are left out anywhere"
    nearly = stack([jpeg(Image.fromarray(image[0]), 90) for image in once[:10]])
    raw = raw._replace(images=ArrayInMemory(np.concatenate([once, nearly])))
    assert (divide(raw, CONFIG).side[:100] != LEFT_OUT).all()
