"""Every format and kind of pixels becomes an array by a rule that is written down."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganlib.data.importing.decode import Fit, Rules, Unreadable, decode, from_pixels, read_header
from tests.unit.data.importing.pictures import encoded, noise

WHITE = (255, 255, 255)


def rules(size: int = 32, channels: Any = 3, fit: Fit = "crop", background: Any = WHITE, white: int = 255) -> Rules:
    return Rules(size, channels, fit, background, white)


def read(data: bytes, how: Rules) -> np.ndarray:
    return decode(io.BytesIO(data), how)


def plain(image: Image.Image) -> np.ndarray:
    """uint8 [3, height, width]."""
    return np.asarray(image.convert("RGB")).transpose(2, 0, 1)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_a_lossless_picture_of_the_size_asked_for_keeps_every_pixel(kind: str) -> None:
    image = noise()
    data = encoded(image, kind, **({"lossless": True} if kind == "WEBP" else {}))
    np.testing.assert_array_equal(read(data, rules()), plain(image))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF"])
def test_lossy_formats_come_near(kind: str) -> None:
    image = noise()
    assert np.abs(read(encoded(image, kind), rules()).astype(int) - plain(image)).mean() < 12


def test_grey_pictures_give_one_channel_and_three_equal_ones_where_asked() -> None:
    data = encoded(noise(mode="L"))
    one, three = read(data, rules(channels=1)), read(data, rules())
    assert one.shape == (1, 32, 32)
    np.testing.assert_array_equal(three, np.repeat(one, 3, axis=0))


def test_colour_becomes_grey_by_its_luma() -> None:
    data = encoded(Image.new("RGB", (32, 32), (200, 100, 50)))
    assert set(read(data, rules(channels=1)).ravel()) == {124}  # 0.299 R + 0.587 G + 0.114 B


def test_black_and_white_becomes_0_and_255() -> None:
    data = encoded(Image.new("1", (32, 32), 1), "TIFF")
    assert set(read(data, rules(channels=1)).ravel()) == {255}


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_show_the_background(mode: str) -> None:
    image = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    image.paste((255, 255, 255, 255), (0, 0, 16, 32))
    data = encoded(image.quantize(4) if mode == "P" else image.convert(mode))
    seen = read(data, rules(background=(10, 20, 30)))
    assert seen[:, 0, 0].tolist() == [255, 255, 255]
    assert seen[:, 0, 31].tolist() == [10, 20, 30]


def test_half_transparent_pixels_are_mixed() -> None:
    data = encoded(Image.new("RGBA", (32, 32), (0, 0, 0, 128)))
    assert set(read(data, rules()).ravel()) == {127}


def test_cmyk_becomes_rgb() -> None:
    data = encoded(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), "JPEG", quality=95)
    red, green, blue = read(data, rules())[:, 16, 16].tolist()
    assert (red > 240, green < 15, blue < 15) == (True, True, True)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [9, 12, 16])
def test_more_than_8_bits_are_scaled_by_the_white_of_the_whole_data_set(kind: str, bits: int) -> None:
    values = np.linspace(0, 2**bits - 1, 32 * 32).astype(np.uint16).reshape(32, 32)
    data = encoded(Image.fromarray(values), kind)
    header = read_header(io.BytesIO(data))
    assert header.peak == 2**bits - 1
    seen = read(data, rules(channels=1, white=2**bits - 1))
    np.testing.assert_allclose(seen[0], values * (255 / (2**bits - 1)), atol=0.51)


def test_more_than_8_bits_of_which_0_is_white_are_turned() -> None:
    """As radiographs are kept: TIFF's photometric interpretation is 0."""
    values = np.repeat(np.array([[0, 1000, 4095, 4095]], np.uint16), 4, axis=0)
    data = encoded(Image.fromarray(values), "TIFF", tiffinfo={262: 0})
    np.testing.assert_array_equal(read(data, rules(4, 1, white=4095))[0, 0], [255, 193, 0, 0])


@pytest.mark.parametrize("turn", range(1, 9))
def test_the_turn_that_a_telephone_notes_is_applied(turn: int) -> None:
    upright = noise((32, 32), seed=turn)
    turns = {2: [0], 3: [3], 4: [1], 5: [5], 6: [2], 7: [6], 8: [4]}  # what undoes each is applied by the writer
    stored = upright
    for each in turns.get(turn, []):
        stored = stored.transpose(Image.Transpose(each))
    exif = Image.Exif()
    exif[0x0112] = turn
    seen = read(encoded(stored, "PNG", exif=exif), rules())
    np.testing.assert_array_equal(seen, plain(upright))


def test_the_first_of_several_frames_is_taken() -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green", "blue")]
    for kind in ("GIF", "TIFF", "WEBP", "MPO"):
        seen = read(encoded(frames[0], kind, save_all=True, append_images=frames[1:]), rules())
        assert seen[0].mean() > 240, kind
        assert seen[2].mean() < 15, kind


def halves(width: int, height: int) -> Image.Image:
    """Left half red, right half blue."""
    image = Image.new("RGB", (width, height), "red")
    image.paste((0, 0, 255), (width // 2, 0, width, height))
    return image


def test_crop_takes_the_middle() -> None:
    seen = read(encoded(halves(96, 32)), rules(32, fit="crop"))
    np.testing.assert_array_equal(seen, plain(halves(32, 32)))


def test_pad_keeps_the_whole_picture_in_the_middle_of_the_background() -> None:
    seen = read(encoded(halves(64, 32)), rules(32, fit="pad", background=(0, 255, 0)))
    assert seen[:, :8].reshape(3, -1).T.tolist() == [[0, 255, 0]] * 256
    assert seen[:, -8:].reshape(3, -1).T.tolist() == [[0, 255, 0]] * 256
    assert seen[:, 16, 2].tolist() == [255, 0, 0]
    assert seen[:, 16, 29].tolist() == [0, 0, 255]


def test_stretch_uses_every_pixel() -> None:
    seen = read(encoded(halves(64, 16)), rules(32, fit="stretch"))
    assert seen[:, :, 2].T.tolist() == [[255, 0, 0]] * 32
    assert seen[:, :, 29].T.tolist() == [[0, 0, 255]] * 32


def test_a_large_jpeg_is_decoded_smaller_and_looks_the_same() -> None:
    large = noise((1600, 1200), seed=3)
    small = np.asarray(large.crop((200, 0, 1400, 1200)).resize((32, 32), Image.Resampling.LANCZOS)).transpose(2, 0, 1)
    assert np.abs(read(encoded(large, "JPEG", quality=95), rules()).astype(int) - small).mean() < 3


def test_a_picture_of_one_pixel_is_enlarged() -> None:
    assert read(encoded(Image.new("RGB", (1, 1), "red")), rules(16)).shape == (3, 16, 16)
    assert read(encoded(Image.new("RGB", (500, 1), "red")), rules(16, fit="pad")).shape == (3, 16, 16)


def test_pixels_of_idx_files_are_fitted_like_pictures() -> None:
    pixels = np.asarray(noise((40, 40), "L"))
    np.testing.assert_array_equal(
        from_pixels(pixels, rules(channels=1)), read(encoded(noise((40, 40), "L")), rules(channels=1))
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a picture of a known format"),
        (b"not a picture", "not a picture of a known format"),
        (encoded(Image.new("F", (32, 32), 0.5), "TIFF"), "floating point"),
        (encoded(Image.fromarray(np.full((32, 32), 70_000, np.int32)), "TIFF"), "70,000; at most 16 bits"),
        (encoded(Image.fromarray(np.full((32, 32), -1, np.int32)), "TIFF"), "from -1 to -1"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        read_header(io.BytesIO(data))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_a_truncated_picture_is_damaged_and_the_reason_is_the_same_each_time(kind: str) -> None:
    data = encoded(noise((200, 200)), kind)
    reasons = set()
    for _ in range(2):
        with pytest.raises(Unreadable) as caught:
            read_header(io.BytesIO(data[: len(data) // 2]))
            read(data[: len(data) // 2], rules())
        reasons.add(str(caught.value))
    assert len(reasons) == 1
    assert " at 0x" not in reasons.pop()


def test_a_picture_of_too_many_pixels_is_not_decoded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(Unreadable, match="more than 2,000 pixels"):
        read_header(io.BytesIO(encoded(noise((100, 100)))))


@pytest.mark.parametrize("seed", range(20))
def test_random_damage_gives_a_picture_or_a_reason_and_nothing_else(seed: int) -> None:
    random = np.random.default_rng(seed)
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"):
        data = bytearray(encoded(noise((40, 40), seed=seed), kind))
        for place in random.integers(0, len(data), 8):
            data[place] ^= int(random.integers(1, 256))
        with suppress(Unreadable):
            assert read(bytes(data), rules()).shape == (3, 32, 32)
