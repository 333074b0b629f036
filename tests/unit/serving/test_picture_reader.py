"""Pictures that are sent to be told whether they were made here."""

from __future__ import annotations

import io
import json
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image
from typer.testing import CliRunner

from ganlib.cli import app as command_line
from ganlib.core.files import sha256_file
from ganlib.generation.detection import index as indexes
from ganlib.generation.detection.image import parse
from ganlib.generation.session import OnnxModel
from tests.unit.serving.running import LONG, Files, Running, generated, running


@pytest.fixture(scope="module")
def batch(small_graphs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty images of ``digits``, which the server serves, of seed 5."""
    out = tmp_path_factory.mktemp("detect") / "out"
    generated(small_graphs["digits"], out, count=20, seed=5, labels="7")
    return out


@pytest.fixture(scope="module")
def index(batch: Path) -> Iterator[indexes.ImageIndex]:
    indexes.update(batch.parent / "detect.db", [batch])
    with indexes.ImageIndex(batch.parent / "detect.db", names_only=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def server(small_graphs: dict[str, Path], index: indexes.ImageIndex) -> Iterator[Running]:
    with running(Files(**small_graphs), index, max_picture_bytes=2**20, max_picture_pixels=2**20) as made:
        yield made


def bare(pixels: np.ndarray, form: str = "PNG", **options: Any) -> bytes:
    """An image in a file that says nothing."""
    file = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0).squeeze()).save(file, form, **options)
    return file.getvalue()


def test_the_answers_are_those_of_the_command_line_but_for_where_files_lie(
    server: Running, batch: Path, small_graphs: dict[str, Path], tmp_path: Path
) -> None:
    pixels = np.asarray(Image.open(next(batch.rglob("*03.png"))))[None]
    sent = {
        "ours.png": bare(pixels),
        "likely.jpg": bare(pixels.repeat(4, 1).repeat(4, 2), "JPEG", quality=95),
        "none.png": bare(np.arange(64, dtype=np.uint8).reshape(1, 8, 8)[:, ::-1]),
        "again.png": server.get("/v1/images", model="digits", seed=8, start=70).content,
        "sheet.png": server.get("/v1/images", count=4, format="grid").content,
    }
    for name, data in sent.items():
        (tmp_path / name).write_bytes(data)
    words = [*(str(tmp_path / name) for name in sent), "--index", str(batch.parent / "detect.db")]
    words += ["--model", str(small_graphs["digits"]), "--json"]
    told = json.loads(CliRunner().invoke(command_line, ["detect", *words], catch_exceptions=False).stdout)
    answers = {}
    for (name, data), line in zip(sent.items(), told["files"], strict=True):
        answer = server.send(data).json()
        if line["proof"] == "made again":  # the server knows what the file was registered as
            line |= {"model": "small", "version": len(str(small_graphs["digits"]))}
        same = answer.keys() - {"reason", "batch"}
        assert {key: answer[key] for key in same} == {key: line[key] for key in same}
        assert str(batch.parent) not in json.dumps(answer)
        answers[name] = answer["answer"], answer["proof"], answer["batch"]
    assert answers == {
        "ours.png": ("ours", "pixels", "out"),
        "likely.jpg": ("likely ours", None, "out"),
        "none.png": ("no sign", None, None),
        "again.png": ("ours", "made again", None),
        "sheet.png": ("says it is ours", None, None),
    }


def test_a_served_model_makes_again_what_a_picture_says_that_it_is(
    server: Running, small_graphs: dict[str, Path], tmp_path: Path
) -> None:
    (picture,) = generated(small_graphs["captions"], tmp_path / "a", count=1, seed=3, caption="a thin seven").values()
    answer = server.send(picture).json()
    assert (answer["proof"], answer["seed"], answer["index"]) == ("made again", 3, 0)
    assert (answer["model_sha256"], answer["model"]) == (sha256_file(small_graphs["captions"]), "small")
    pixels = parse(picture).pixels.copy()
    pixels[0, 0, 0] ^= 1
    with Image.open(io.BytesIO(picture)) as image:
        image.load()
        packet = image.info["XML:com.adobe.xmp"]
    altered = server.send(bare(pixels.repeat(3, 0), "WEBP", lossless=True, xmp=packet.encode())).json()
    assert (altered["answer"], altered["proof"]) == ("says it is ours", None)
    assert "that model makes another" in altered["reason"]


@pytest.mark.parametrize(
    ("body", "status", "line"),
    [
        (b"", 422, "the body is no picture that can be read: not a picture of a known format"),
        (b"/etc/passwd", 422, "the body is no picture"),
        (b'{"file": "/etc/passwd"}', 422, "the body is no picture"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>', 422, "the body is no"),
        (bare(np.zeros((1, 64, 64), np.uint8))[:60], 422, "damaged"),
        (b"x" * (2**20 + 1), 413, "the request's body is longer than 1,048,576 bytes"),
    ],
)
def test_what_is_no_picture_or_too_long_is_one_line(server: Running, body: bytes, status: int, line: str) -> None:
    answer = server.send(body)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert line in answer.json()["error"]


def test_a_picture_of_more_pixels_than_are_looked_at_is_refused_before_it_is_decoded(server: Running) -> None:
    pixels = zlib.compress(bytes(4000))  # not nearly what the header promises
    for side, words in ((30_000, "pixels"), (1025, "it has 1,025 x 1,025 pixels, and at most 1,048,576 are looked at")):
        head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in ((b"IHDR", head), (b"IDAT", pixels), (b"IEND", b""))
        )
        answer = server.send(bomb)
        assert (answer.status_code, list(answer.json())) == (413, ["error"])
        assert words in answer.json()["error"]


def test_images_are_served_while_a_picture_is_looked_at_and_few_pictures_are_held(
    small_graphs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture, began, go = bare(np.zeros((1, 8, 8), np.uint8)), threading.Event(), threading.Event()

    def slow(data: bytes, most_pixels: int) -> Any:
        began.set()
        assert go.wait(LONG)
        return parse(data, most_pixels)

    monkeypatch.setattr("ganlib.generation.detection.image.parse", slow)
    with running(Files(plain=small_graphs["plain"]), max_pictures=1, timeout_seconds=LONG) as server:
        answers: list[requests.Response] = []
        thread = threading.Thread(target=lambda: answers.append(server.send(picture)))
        thread.start()
        try:
            assert began.wait(LONG)
            assert server.get("/v1/images", count=9, format="json").ok
            second = server.send(picture)
            assert (second.status_code, second.headers["Retry-After"]) == (429, "1")
            assert "1 pictures are being looked at already" in second.json()["error"]
        finally:
            go.set()
            thread.join(LONG)
        assert (answers[0].status_code, answers[0].json()["answer"]) == (200, "no sign")
        assert server.send(picture).ok, "there is room again"


def test_pages_of_others_may_not_send_pictures_and_answers_are_not_kept(server: Running) -> None:
    picture = bare(np.zeros((1, 8, 8), np.uint8))
    foreign = server.send(picture, headers={"Origin": "https://else.example", "Sec-Fetch-Site": "cross-site"})
    assert (foreign.status_code, "may not use this server" in foreign.json()["error"]) == (403, True)
    answer = server.send(picture, headers={"Content-Type": "image/png"})
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert "index" not in server.send(picture, "/v1/detect?index=/etc/passwd&file=/etc/passwd").json()["reason"]


def test_an_index_that_cannot_be_read_is_told_without_its_place(
    small_graphs: dict[str, Path], batch: Path, tmp_path: Path
) -> None:
    import sqlite3
    from contextlib import closing

    indexes.update(tmp_path / "detect.db", [batch])
    with indexes.ImageIndex(tmp_path / "detect.db") as opened, running(Files(**small_graphs), opened) as server:
        with closing(sqlite3.connect(tmp_path / "detect.db")) as other:
            other.execute("DROP TABLE batches")
        answer = server.send(bare(OnnxModel(small_graphs["plain"]).images(1, 0, 1)[0]))
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json() == {"error": "the index cannot be read just now; ask again."}
