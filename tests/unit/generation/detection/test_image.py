"""What images of anybody's say of where they come from."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ganlib.config import MarkConfig
from ganlib.core.errors import BadInput
from ganlib.data.importing.decode import TooManyPixels
from ganlib.generation.detection.image import Claim, parse, read, xmp_fields
from ganlib.generation.mark import packet_of_models
from ganlib.generation.pictures.contact_sheet import contact_sheet
from ganlib.generation.pictures.interpolate import animation
from ganlib.generation.png import text_chunk, with_chunks
from ganlib.generation.session import OnnxModel
from tests.unit.generation.formats.suite import make

ELEMENT = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia</Iptc4xmpExt:DigitalSourceType>
</rdf:Description></rdf:RDF></x:xmpmeta>"""
AIGC = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/">
<rdf:Description TC260:AIGC='{}'/></rdf:RDF>"""


def with_facts(png: bytes, facts: dict[str, str]) -> bytes:
    return with_chunks(png, b"".join(text_chunk(name, value) for name, value in facts.items()))


def picture() -> Image.Image:
    return Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))


def test_an_image_of_ours_says_which_it_is(model: OnnxModel, tmp_path: Path) -> None:
    make(model, tmp_path / "out", "png", count=3, seed=5, start=9, truncation=0.5)
    image = read(next((tmp_path / "out").rglob("*10.png")))
    assert image.claim == Claim(model.sha256, 5, 10, truncation=0.5)
    assert image.others == ()
    np.testing.assert_array_equal(image.pixels, model.draw(model.request(5, truncation=0.5), 10, 1)[0])


def test_the_field_of_the_chinese_standard_alone_says_it_too(tmp_path: Path) -> None:
    field = json.dumps({"Label": "1", "ContentProducer": "Ada", "ProduceID": f"{'a' * 64}-3-7"})
    picture().save(tmp_path / "a.jpg", xmp=AIGC.format(field).encode())
    assert read(tmp_path / "a.jpg").claim == Claim("a" * 64, 3, 7)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "png"])
def test_marks_of_others_are_read_in_any_format(tmp_path: Path, suffix: str) -> None:
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", ELEMENT)
    options = {"pnginfo": text} if suffix == "png" else {"xmp": ELEMENT.encode()}
    picture().save(tmp_path / f"a.{suffix}", **options)  # type: ignore[arg-type]
    image = read(tmp_path / f"a.{suffix}")
    assert image.claim is None
    assert image.others == ("IPTC's DigitalSourceType is trainedAlgorithmicMedia",)


def test_a_field_of_another_producer_and_a_generator_s_text_are_told(tmp_path: Path) -> None:
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", AIGC.format('{"Label": "2", "ContentProducer": "Ada", "ProduceID": "x"}'))
    text.add_text("parameters", "a cat")
    picture().save(tmp_path / "a.png", pnginfo=text)
    assert read(tmp_path / "a.png").others == (
        "AIGC's Label is 2, of Ada",
        "it has the text 'parameters', as other generators write it",
    )


@pytest.mark.parametrize("packet", ["", "<", "<a>", "no xml", "<a b='&c;'/>", b"\xff\xfe", "\0\0"])
def test_a_packet_that_is_no_xml_says_nothing(packet: str | bytes) -> None:
    assert xmp_fields(packet) == {}


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_pixels_are_grey_or_red_green_and_blue_whatever_the_file_has(tmp_path: Path, mode: str) -> None:
    image = picture().convert("L").convert(mode) if mode != "I;16" else Image.new("I;16", (8, 8), 300)
    image.save(tmp_path / "a.tif")
    pixels = read(tmp_path / "a.tif").pixels
    assert pixels.dtype == np.uint8
    assert pixels.shape == (1 if mode in ("1", "L", "LA", "I;16") else 3, 8, 8)


def test_a_picture_of_several_of_our_images_says_that_it_is_one_and_is_no_image_by_its_number(tmp_path: Path) -> None:
    images = np.zeros((4, 1, 8, 8), np.uint8)
    packet = packet_of_models(MarkConfig(), ["a" * 64], "3-0-3")
    sheet = contact_sheet(images, packet)
    for data in (sheet, with_facts(sheet, {"model_sha256": "a" * 64, "seed": "3", "index": "0", "count": "4"})):
        image = parse(data)
        assert (image.claim, image.sheet, image.others) == (None, f"{'a' * 64}-3-0-3", ())
    (tmp_path / "a.gif").write_bytes(animation(images[None], packet))
    assert read(tmp_path / "a.gif").sheet == f"{'a' * 64}-3-0-3"


@pytest.mark.parametrize(
    "facts",
    [
        {"model_sha256": "\x1b[31m", "seed": "1", "index": "1"},
        {"model_sha256": "a" * 64, "seed": "-1", "index": "1"},
        {"model_sha256": "a" * 64, "seed": "1", "index": "1" * 30},
        {"model_sha256": "a" * 64, "seed": "1", "index": "1", "truncation": "x"},
    ],
)
def test_what_is_no_identity_of_an_image_is_no_claim(facts: dict[str, str]) -> None:
    file = io.BytesIO()
    picture().save(file, "PNG")
    assert parse(with_facts(file.getvalue(), facts)).claim is None


def test_words_of_others_are_one_line_that_a_terminal_only_shows(tmp_path: Path) -> None:
    text = PngInfo()
    field = json.dumps({"Label": "1", "ContentProducer": "a\n\x1b[2Jb" + "c" * 999})
    text.add_itxt("XML:com.adobe.xmp", AIGC.format(field))
    picture().save(tmp_path / "a.png", pnginfo=text)
    (line,) = read(tmp_path / "a.png").others
    assert line.startswith("AIGC's Label is 1, of a  [2Jbccc")
    assert len(line) < 300
    assert line.isprintable()


def test_an_image_of_more_pixels_than_are_looked_at_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    bomb = png_of_zeros(30_000, 30_000)
    assert len(bomb) < 1_000_000
    for most in (64, 2**26):
        with pytest.raises(TooManyPixels, match=r"pixels"):
            parse(bomb, most)
    with pytest.raises(TooManyPixels, match=r"it has 9 x 9 pixels, and at most 64 are looked at"):
        parse(png_of_zeros(9, 9), 64)


def png_of_zeros(width: int, height: int) -> bytes:
    """A valid PNG of one bit a pixel, made without its pixels being held."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj()
    row = bytes(1 + -(-width // 8))
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "content", [None, b"", b"no image", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"]
)
def test_what_is_no_image_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(BadInput, match=r"cannot read .*a\.png"):
        read(tmp_path / "a.png")
