"""The marks as others read them: ExifTool, a parser of XML, and each format's own reader."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from ganlib.config import MarkConfig
from ganlib.core.errors import BadInput
from ganlib.generation import mark as marks
from ganlib.generation.batch.batch import verify
from ganlib.generation.batch.card import MARKS
from ganlib.generation.pictures.contact_sheet import contact_sheet
from ganlib.generation.pictures.interpolate import animation, picture
from ganlib.generation.png import Encoder, marked
from ganlib.generation.session import OnnxModel
from tests.conftest import ROOT
from tests.unit.generation.formats.suite import make

SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
KEYS = [
    "Label", "ContentProducer", "ProduceID", "ReservedCode1", "ContentPropagator", "PropagateID", "ReservedCode2",
]  # fmt: skip
IPTC, TC260 = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}", "{http://www.tc260.org.cn/ns/AIGC/1.0/}"
HARD = 'Ada & Söhne <"{index}"> %d 甲'
SHA = "a" * 64


def exiftool(*files: Path) -> list[dict[str, Any]]:
    """What ExifTool finds in the XMP of each file."""
    if not shutil.which("exiftool"):
        pytest.skip("no ExifTool: apt-get install libimage-exiftool-perl")
    words = ["exiftool", "-json", "-XMP:all", *map(str, files)]
    return list(json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout))


def description(packet: str) -> ET.Element:
    """The one element of an XMP packet that says anything, as a parser of XML has it."""
    (found,) = ET.fromstring(packet).iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")  # noqa: S314  (our own)
    return found


def test_exiftool_reads_both_marks_in_every_png_of_a_batch(model: OnnxModel, tmp_path: Path) -> None:
    make(model, tmp_path / "out", "png", count=3, seed=5, start=9, mark=MarkConfig(producer=HARD))
    found = exiftool(*sorted((tmp_path / "out").rglob("*.png")))
    assert len(found) == 3
    for index, each in enumerate(found, 9):
        assert each["AISystemUsed"] == "ganlib"
        assert each["AISystemVersionUsed"] == f"model {model.sha256[:12]}"
        field = json.loads(each.get("AIGC") or each["Aigc"])  # newer releases of ExifTool know how it is spelt
        assert list(field) == KEYS
        assert field["Label"] == "1"
        assert field["ContentProducer"] == HARD
        assert field["ProduceID"] == f"{model.sha256}-5-{index}"
    raw = subprocess.run(
        ["exiftool", "-n", "-s3", "-DigitalSourceType", *map(str, (tmp_path / "out").rglob("*09.png"))],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert raw.strip() == SOURCE


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=100), st.integers(0, 2**64 - 1))
def test_any_producer_comes_out_as_it_went_in_and_within_the_room_that_is_kept(producer: str, seed: int) -> None:
    mark = MarkConfig(producer=producer)
    before, after = marks.packet_parts(mark, SHA, seed)
    packet = before + b"%d" % (2**63 - 1) + after
    assert len(packet) <= marks.PACKET_BYTES
    found = description(packet.decode())
    assert found.get(f"{IPTC}DigitalSourceType") == SOURCE
    field = json.loads(found.findtext(f"{TC260}AIGC") or "")
    assert list(field) == KEYS
    assert (field["ContentProducer"], field["ProduceID"]) == (producer, f"{SHA}-{seed}-{2**63 - 1}")
    assert packet.decode() == marks.packet(mark, marks.system_version(SHA), marks.identity(SHA, seed, 2**63 - 1)), (
        "as one that is made at once"
    )


def test_the_longest_packets_keep_within_their_room() -> None:
    for letter in '&"\\<𐍈':
        assert len(marks.packet(MarkConfig(producer=letter * 100), SHA, f"{SHA}-{2**64}-{2**63}").encode()) <= 1536


@pytest.mark.parametrize("producer", ["a\nb", "\x00", "a" * 101])
def test_a_producer_that_fits_in_no_line_is_refused(producer: str) -> None:
    with pytest.raises(ValidationError):
        MarkConfig(producer=producer)


def test_a_marked_file_of_a_digit_is_still_one_block_of_the_disk() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 1, 28, 28), np.uint8)
    facts = [{"label": "7", "class": "a class of a long name"}]
    mark = MarkConfig(producer="A company of a long name, Ltd.")
    (data,) = Encoder(model_sha256=SHA, seed=2**64 - 1, mark=mark).encode(image, 10**9, facts)
    (bare,) = Encoder(model_sha256=SHA, seed=2**64 - 1).encode(image, 10**9, facts)
    assert len(bare) < len(data) <= 4096


def test_a_sheet_of_several_models_names_them_all(tmp_path: Path) -> None:
    Image.new("L", (40, 30)).save(tmp_path / "sheet.png")
    packet = marks.packet_of_models(MarkConfig(), [SHA, "b" * 64], "3-0-9")
    data = marked((tmp_path / "sheet.png").read_bytes(), packet)
    (tmp_path / "sheet.png").write_bytes(data)
    with Image.open(tmp_path / "sheet.png") as opened:
        opened.load()
        field = json.loads(description(opened.info[marks.KEYWORD]).findtext(f"{TC260}AIGC") or "")
    assert field["ProduceID"] == f"{SHA}-{'b' * 64}-3-0-9"


def test_formats_that_have_no_place_for_xmp_have_the_marks_beside_them(model: OnnxModel, tmp_path: Path) -> None:
    for form in ("npy", "npz", "parquet", "zarr"):
        make(model, tmp_path / form, form, count=3, seed=5, mark=MarkConfig(producer=HARD))
        text = (tmp_path / form / MARKS).read_text()
        found = json.loads(text)
        assert found["DigitalSourceType"] == SOURCE
        assert json.loads(found["AIGC"]) == dict.fromkeys(KEYS, "") | {
            "Label": "1", "ContentProducer": HARD, "ProduceID": f"{model.sha256}-5-{{index}}",
        }  # fmt: skip
        assert verify(tmp_path / form).ok
    for form in ("png", "webdataset"):
        make(model, tmp_path / form, form, count=3)
        assert not (tmp_path / form / MARKS).exists(), "each image has its own"


def test_parquet_zarr_and_webdataset_have_them_inside_too(model: OnnxModel, tmp_path: Path) -> None:
    for form in ("parquet", "zarr", "webdataset"):
        make(model, tmp_path / form, form, count=3, seed=5)
    metadata = pq.read_schema(tmp_path / "parquet/shard-00000.parquet").metadata
    assert metadata[b"ganlib:DigitalSourceType"].decode() == SOURCE
    group = json.loads((tmp_path / "zarr/shard-00000.zarr/zarr.json").read_text())
    assert group["attributes"]["ganlib:DigitalSourceType"] == SOURCE
    with tarfile.open(tmp_path / "webdataset/shard-00000.tar") as archive:
        member = archive.extractfile("00000002.json")
        assert member
        facts = json.load(member)
    assert facts["DigitalSourceType"] == SOURCE
    assert json.loads(facts["AIGC"])["ProduceID"] == f"{model.sha256}-5-2"


def test_a_job_is_not_resumed_for_another_producer(model: OnnxModel, tmp_path: Path) -> None:
    make(model, tmp_path / "out", "npy", count=3, mark=MarkConfig(producer="Ada"))
    with pytest.raises(BadInput, match="mark is of producer 'Ada', not of producer 'Grace'"):
        make(model, tmp_path / "out", "npy", count=3, mark=MarkConfig(producer="Grace"))


def test_exiftool_reads_the_marks_of_a_sheet_of_a_training_and_of_a_walk(tmp_path: Path) -> None:
    draw, mark = np.random.default_rng(0), MarkConfig(producer=HARD)
    images = draw.integers(0, 256, (2, 3, 1, 8, 8), np.uint8)
    packet = marks.packet_of_models(mark, [SHA], "3-interpolation")
    (tmp_path / "walk.gif").write_bytes(animation(images, packet))
    (tmp_path / "walk.png").write_bytes(picture(images, packet))
    pairs = marks.packet_of_run(mark, "c" * 32, "reconstructions", marks.COMPOSITE)
    (tmp_path / "pairs.png").write_bytes(contact_sheet(images[0], pairs))
    walk, same, composite = exiftool(*(tmp_path / name for name in ("walk.gif", "walk.png", "pairs.png")))
    for each, version in ((walk, f"model {SHA[:12]}"), (same, f"model {SHA[:12]}"), (composite, f"run {'c' * 32}")):
        assert each["AISystemVersionUsed"] == version
        assert json.loads(each.get("AIGC") or each["Aigc"])["ContentProducer"] == HARD
    assert walk["DigitalSourceType"] == same["DigitalSourceType"] != composite["DigitalSourceType"]
    with Image.open(tmp_path / "walk.gif") as opened:
        assert opened.n_frames == 4  # forth and back
        opened.seek(3)


PICTURES = {"PNG", "GIF", "JPEG", "WEBP", "TIFF", "png", "gif", "jpeg", "webp", "tiff"}
"""What formats are called where a picture is written."""
WRITERS = {
    "ganlib/generation/pictures/contact_sheet.py",  # which takes marks, or None from those below
    "ganlib/generation/pictures/interpolate.py",  # a GIF with marks
    "ganlib/generation/pictures/side_by_side.py",
    "ganlib/jobs/measuring/comparison.py",  # a chart
}
WITHOUT_MARKS = {
    "ganlib/generation/pictures/interpolate.py",  # frames of the GIF
    "ganlib/generation/pictures/side_by_side.py",  # parts of a picture that has them
    "ganlib/jobs/data/report.py",  # real images
}


SAVE, SHEET = ("save", "savefig", "imsave", "imwrite"), "contact_sheet"


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Each call in our source of a function that writes a picture: where, of what by its own name, and the call."""
    for path in sorted(file for top in ("ganlib", "pipelines") for file in (ROOT / top).rglob("*.py")):
        text = path.read_text()
        if not any(f"{name}(" in text for name in SAVE) and SHEET not in text:
            continue
        tree = ast.parse(text)
        imports = [each for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for each in node.names]
        own = {each.asname: each.name for each in imports if each.asname}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                yield path.relative_to(ROOT).as_posix(), own.get(name, name), node


def test_every_writer_of_pictures_marks_what_a_model_made() -> None:
    saved, sheets = set[str](), list[tuple[str, ast.expr]]()
    for path, name, call in calls():
        if name in SAVE and any(isinstance(each, ast.Constant) and each.value in PICTURES for each in ast.walk(call)):
            saved.add(path)
        if name == SHEET and len(call.args) > 1:
            sheets.append((path, call.args[1]))
    assert saved == WRITERS
    assert len(sheets) > 8
    assert {path for path, packet in sheets if isinstance(packet, ast.Constant)} == WITHOUT_MARKS
