"""One encoded picture -> one array, by rules that are the same for all pictures of a data set."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
"""As Pillow calls them. JPEG takes MPO with it, a JPEG with further pictures behind it, as some telephones write."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff")
UNREADABLE_SUFFIXES = (
    ".heic", ".heif", ".avif", ".jxl", ".jp2", ".svg", ".psd", ".ico", ".icns", ".tga", ".exr", ".ppm", ".pgm", ".dng",
    ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".dcm",
)  # fmt: skip
"""Pictures as well, but not of a format that is read: set aside with that reason."""
GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N")
_DEEP = ("I", "I;16", "I;16L", "I;16B", "I;16N")
_PHOTOMETRIC = 262
"""TIFF's tag of what 0 means."""
_DRAFT = 3  # a JPEG is decoded at no more than this multiple of the size, if that is a shortcut

Fit = Literal["crop", "pad", "stretch", "none"]


class Unreadable(Exception):
    """Why a picture is set aside, in a few words."""


class TooManyPixels(Unreadable):
    """It was not decoded: a small file may hold more pixels than there is memory for."""


class Header(NamedTuple):
    """What is known of a picture before it is decoded."""

    width: int
    height: int
    mode: str
    """Pillow's name for its kind of pixels."""
    peak: int
    """The largest value of a picture of more than 8 bits; 0 of others, which are not decoded."""


class Rules(NamedTuple):
    """How every picture of a data set is turned into an array."""

    size: int
    channels: Literal[1, 3]
    fit: Fit
    background: tuple[int, int, int]
    white: int
    """The value of pictures of more than 8 bits that becomes 255."""


def read_header(stream: BinaryIO) -> Header:
    """Look at a picture; only one of more than 8 bits is decoded.

    Raises:
        Unreadable: it is not a picture of a known format, or of a kind that is refused.
    """
    with reasons(), Image.open(stream, formats=FORMATS) as image:
        if image.mode == "F":
            raise Unreadable("its pixels are floating point numbers, which have no range: save it in 8 or 16 bits")
        peak = 0
        if image.mode in _DEEP:
            least, most = (int(value) for value in _deep(image).getextrema())  # type: ignore[arg-type]
            if least < 0 or most > 0xFFFF:
                raise Unreadable(f"its pixels go from {least:,} to {most:,}; at most 16 bits from 0 are read")
            peak = most
        return Header(*image.size, image.mode, peak)


def decode(stream: BinaryIO, rules: Rules) -> np.ndarray:
    """Decode one picture: uint8 [channels, size, size].

    Raises:
        Unreadable: its bytes are damaged.
    """
    with reasons(), Image.open(stream, formats=FORMATS) as image:
        if rules.fit != "none":
            image.draft(None, (_DRAFT * rules.size, _DRAFT * rules.size))  # of a JPEG only: 1/2, 1/4 or 1/8
        upright = ImageOps.exif_transpose(image)
        flat = _flat(upright, rules)
        plain = _squared(ImageOps.invert(flat) if _white_is_zero(image) else flat, rules)
        pixels = np.asarray(plain.convert("L" if rules.channels == 1 else "RGB"))
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def from_pixels(pixels: np.ndarray, rules: Rules) -> np.ndarray:
    """Fit grey ``pixels``, uint8 [height, width], like a decoded picture: uint8 [channels, size, size]."""
    square = np.asarray(_squared(Image.fromarray(pixels), rules).convert("L"))
    return np.repeat(square[None], rules.channels, axis=0)


def _flat(image: Image.Image, rules: Rules) -> Image.Image:
    """In mode L or RGB: 16 bits made 8, transparent pixels laid over the background."""
    if image.mode in _DEEP:
        values = np.minimum(np.asarray(_deep(image)).astype(np.int64), rules.white)
        return Image.fromarray(((values * 255 + rules.white // 2) // rules.white).astype(np.uint8))
    if image.has_transparency_data:
        over = Image.new("RGBA", image.size, (*rules.background, 255))
        over.alpha_composite(image.convert("RGBA"))
        return over.convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _white_is_zero(image: Image.Image) -> bool:
    """Whether 0 is white in a picture of more than 8 bits, as in radiographs: Pillow turns those of fewer bits only."""
    tags = getattr(image, "tag_v2", {})
    return image.mode in _DEEP and tags.get(_PHOTOMETRIC) == 0


def _deep(image: Image.Image) -> Image.Image:
    return image if image.mode == "I" else image.convert("I")


def _squared(image: Image.Image, rules: Rules) -> Image.Image:
    """A square of ``rules.size``; a picture that is one already keeps its pixels."""
    side = rules.size
    if image.size == (side, side):
        return image
    width, height = image.size
    if rules.fit == "crop":
        edge = min(width, height)
        left, top = (width - edge) // 2, (height - edge) // 2
        image = image.crop((left, top, left + edge, top + edge))
    if rules.fit == "pad":
        scale = side / max(width, height)
        inner = _resized(image, (max(1, round(width * scale)), max(1, round(height * scale))))
        square = Image.new("RGB", (side, side), rules.background)
        square.paste(inner, ((side - inner.width) // 2, (side - inner.height) // 2))
        return square
    return _resized(image, (side, side))


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    if image.size == size:
        return image
    smaller = size[0] <= image.width and size[1] <= image.height
    return image.resize(size, Image.Resampling.LANCZOS if smaller else Image.Resampling.BICUBIC)


@contextmanager
def reasons() -> Iterator[None]:
    """Turn whatever a decoder raises on hostile or damaged bytes into :class:`Unreadable`: a context manager."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow's, about large pictures and odd metadata
            yield
    except Unreadable:
        raise
    except UnidentifiedImageError:
        raise Unreadable(f"not a picture of a known format ({', '.join(FORMATS)})") from None
    except Image.DecompressionBombError:
        raise TooManyPixels(f"it has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels") from None
    except Exception as error:  # decoders raise SyntaxError, struct.error, IndexError and others
        words = re.sub(r"<[^<>]* at 0x[0-9a-f]+>", "its file", " ".join(str(error).split()))
        raise Unreadable(f"damaged: {words or type(error).__name__}") from error
