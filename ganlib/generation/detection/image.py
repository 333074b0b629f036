"""An image of anybody's, with what it says of where it comes from."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ganlib.core.errors import BadInput
from ganlib.data.importing.decode import FORMATS, TooManyPixels, Unreadable, reasons
from ganlib.generation.mark import KEYWORD, SYSTEM, identity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

_SOURCE_TYPES = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicMedia")
_IDENTITY = re.compile(r"(?P<model_sha256>[0-9a-f]{64})-(?P<seed>\d{1,20})-(?P<index>\d{1,19})")
_OF_TOOLS = ("parameters", "prompt", "workflow", "Dream", "sd-metadata", "invokeai_metadata")
"""Text chunks that other generators of images write."""
_OF_SHEETS = frozenset(("count", "step"))
"""Our text chunks of pictures that are not one image by its number."""
_LONGEST_PACKET, _LONGEST_WORDS = 2**20, 200  # characters: of XMP that is parsed, and of anybody's that are told
MOST_PIXELS = 2**26
"""Of an image that is read where nobody sets less."""


@dataclass(frozen=True)
class Claim:
    """What an image says of itself in our words. Anybody can write that."""

    model_sha256: str
    seed: int
    index: int
    label: str | None = None
    caption: str | None = None
    truncation: float = 1.0


class AnyImage(NamedTuple):
    """An image that was read."""

    pixels: NDArray[np.uint8]
    """uint8 [channels, height, width], of 1 channel (grey) or 3."""
    claim: Claim | None
    sheet: str | None
    """What a picture of several images, or of a step between two, says in our words of what it shows."""
    others: tuple[str, ...]
    """What it says in others' words, each as people read it."""


def read(path: Path) -> AnyImage:
    """Read the image in ``path``.

    Raises:
        BadInput: there is none, or it cannot be read.
    """
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}.") from error
    except Unreadable as error:
        raise BadInput(f"cannot read {path}: {error}.") from error


def parse(data: bytes, most_pixels: int = MOST_PIXELS) -> AnyImage:
    """Read the image that ``data`` is, of at most ``most_pixels``.

    Raises:
        TooManyPixels: it has more.
        Unreadable: it is none, or damaged.
    """
    from PIL import Image

    with reasons(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > most_pixels:
            size = f"{image.width:,} x {image.height:,}"
            raise TooManyPixels(f"it has {size} pixels, and at most {most_pixels:,} are looked at")
        image.load()
        pixels = _pixels(image)
        texts = {str(name): value for name, value in image.info.items() if isinstance(value, str | bytes)}
    fields = xmp_fields(texts.get("xmp") or texts.get(KEYWORD) or _of_gif(data))
    chunks = {name.removeprefix("ganlib:"): value for name, value in texts.items() if name.startswith("ganlib:")}
    several = not chunks.keys().isdisjoint(_OF_SHEETS)
    claim = None if several else _claim(chunks, fields)
    ours = fields.get("AISystemUsed") == SYSTEM and claim is None
    sheet = _plain(_aigc(fields).get("ProduceID", "")) if ours else None
    return AnyImage(pixels, claim, sheet, _others(data, texts, fields, ours=ours or claim is not None))


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    """Grey where the image is grey, else RGB; what is transparent nowhere is not transparent."""
    import numpy as np

    if image.mode in ("1", "L", "LA", "I", "I;16", "F"):
        return np.asarray(image.convert("L"))[None]
    return np.ascontiguousarray(np.moveaxis(np.asarray(image.convert("RGB")), 2, 0))


def pixel_digest(pixels: NDArray[np.uint8]) -> bytes:
    """Return SHA-256 of an image's shape and pixels, uint8 [channels, height, width], whatever file they are in."""
    shape = "x".join(map(str, pixels.shape)).encode()
    return hashlib.sha256(shape + b":" + pixels.tobytes()).digest()


def xmp_fields(packet: str | bytes) -> dict[str, str]:
    """Return the simple fields of an XMP packet by their names without prefix; none where it is no XML."""
    from defusedxml import ElementTree as ET  # type: ignore[import-untyped]  # noqa: N817
    from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]

    text = packet.decode("utf-8", "replace") if isinstance(packet, bytes) else packet
    if not text.strip("\0 \n") or len(text) > _LONGEST_PACKET:
        return {}
    fields = {}
    try:
        for element in ET.fromstring(text.strip("\0 \n")).iter():
            for name, value in {**element.attrib, element.tag: (element.text or "").strip()}.items():
                if value:
                    fields[name.rpartition("}")[2]] = value
    except (ET.ParseError, DefusedXmlException, ValueError):
        return {}
    return fields


def _of_gif(data: bytes) -> bytes:
    """The XMP packet of a GIF, which Pillow passes over; empty: there is none."""
    return data.partition(b"XMP DataXMP")[2].partition(b"\x01\xff\xfe")[0] if data.startswith(b"GIF8") else b""


def _plain(text: str) -> str:
    """Of anybody's words what fits in a line, and nothing that a terminal would do."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:_LONGEST_WORDS])


def _claim(chunks: Mapping[str, Any], fields: Mapping[str, str]) -> Claim | None:
    """What it says in our words: in our text chunks, or by the identity in the field AIGC."""
    match = _IDENTITY.fullmatch(_aigc(fields).get("ProduceID", ""))
    facts = {**(match.groupdict() if match else {}), **chunks}
    try:
        claim = Claim(
            str(facts["model_sha256"]),
            int(facts["seed"]),
            int(facts["index"]),
            facts.get("class") or facts.get("label"),
            facts.get("caption"),
            float(facts.get("truncation", 1)),
        )
    except (KeyError, ValueError):
        return None
    return claim if _IDENTITY.fullmatch(identity(claim.model_sha256, claim.seed, claim.index)) else None


def _aigc(fields: Mapping[str, str]) -> dict[str, str]:
    try:
        field = json.loads(fields.get("AIGC", "null"))
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in field.items()} if isinstance(field, dict) else {}


def _others(data: bytes, texts: Mapping[str, Any], fields: Mapping[str, str], *, ours: bool) -> tuple[str, ...]:
    """Marks that are not ours, in words."""
    marks = []
    source = fields.get("DigitalSourceType", "").rpartition("/")[2]
    if source in _SOURCE_TYPES and not ours:
        system = fields.get("AISystemUsed")
        marks.append(f"IPTC's DigitalSourceType is {source}" + (f", by {_plain(system)}" if system else ""))
    field = _aigc(fields)
    if field.get("Label") in ("1", "2", "3") and not ours:
        producer = field.get("ContentProducer")
        marks.append(f"AIGC's Label is {field['Label']}" + (f", of {_plain(producer)}" if producer else ""))
    if b"caBX" in data[:65536] or b"jumb" in data[:65536]:
        marks.append("it has content credentials (C2PA), which are not checked here")
    marks += [f"it has the text {name!r}, as other generators write it" for name in _OF_TOOLS if name in texts]
    return tuple(marks)
