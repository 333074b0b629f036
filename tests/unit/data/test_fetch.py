"""MNIST comes from the first source that has the right bytes, and interrupted downloads go on."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from ganlib.config import DataConfig
from ganlib.core.errors import BadInput, Unavailable
from ganlib.core.progress import Report, silent
from ganlib.data.fetch import fetch, stage
from ganlib.data.importing.layout import Source
from ganlib.data.mnist import files as mnist
from ganlib.data.mnist.sources import MnistSource
from ganlib.data.mnist.sources import mirror as mirrors
from ganlib.data.raw import read_report
from ganlib.data.sources.failure import SourceFailure
from tests.reports import Recorder
from tests.unit.data.builders import digits, flip, png_folders
from tests.unit.data.conftest import Mirror

MNIST = DataConfig()


def source_of(mirror: Mirror, name: str = "here") -> tuple[str, MnistSource]:
    """``mirror`` as a row of SOURCES."""
    return name, partial(mirrors.fetch, name, mirror.url)


def giving(files: Mapping[str, bytes], asked: list[list[str]] | None = None) -> MnistSource:
    """A source that has ``files`` and notes what it is asked for."""

    def source(names: Collection[str], _: Path, __: Report) -> Iterator[tuple[str, bytes]]:
        if asked is not None:
            asked.append(list(names))
        yield from ((name, files[name]) for name in names if name in files)

    return source


def failing(names: Collection[str], downloads: Path, report: Report) -> Iterator[tuple[str, bytes]]:
    """A source that never has anything."""
    raise SourceFailure("out of service")


def content(raw: Path) -> dict[str, bytes]:
    """What is in ``raw``."""
    return {path.name: path.read_bytes() for path in raw.iterdir()}


def test_files_come_from_a_mirror_and_downloads_are_cleared_away(
    tmp_path: Path, downloads: Path, mirror: Mirror, files: dict[str, bytes]
) -> None:
    fetch(tmp_path, tmp_path / "raw", downloads.parent, MNIST, silent, [source_of(mirror)])
    assert content(tmp_path / "raw") == files
    assert not downloads.exists()


def test_an_interrupted_download_asks_only_for_the_rest(
    tmp_path: Path, downloads: Path, mirror: Mirror, files: dict[str, bytes]
) -> None:
    mirror.cut = [5000]  # of which one chunk of 4,096 is whole
    fetch(tmp_path, tmp_path / "raw", downloads.parent, MNIST, silent, [source_of(mirror)])
    assert content(tmp_path / "raw") == files
    assert mirror.asked[:2] == [(f"/{mnist.TRAIN_IMAGES}.gz", None), (f"/{mnist.TRAIN_IMAGES}.gz", "bytes=4096-")]


def test_what_another_process_had_downloaded_is_not_downloaded_again(
    tmp_path: Path, downloads: Path, mirror: Mirror, files: dict[str, bytes]
) -> None:
    mirror.cut = [8192, 0]
    with pytest.raises(Unavailable, match="what had arrived is kept in"):
        fetch(tmp_path, tmp_path / "raw", downloads.parent, MNIST, silent, [source_of(mirror)])
    fetch(tmp_path, tmp_path / "raw", downloads.parent, MNIST, silent, [source_of(mirror)])
    assert content(tmp_path / "raw") == files
    assert [wanted for path, wanted in mirror.asked if mnist.TRAIN_IMAGES in path] == [
        None,
        "bytes=8192-",
        "bytes=8192-",
    ]


def test_a_download_that_had_just_ended_is_used_without_another_byte(
    tmp_path: Path, downloads: Path, mirror: Mirror, files: dict[str, bytes]
) -> None:
    downloads.mkdir()
    (downloads / f"here-{mnist.TRAIN_IMAGES}.gz.part").write_bytes(mirror.files[f"/{mnist.TRAIN_IMAGES}.gz"])
    fetch(tmp_path, tmp_path / "raw", downloads.parent, MNIST, silent, [source_of(mirror)])
    assert content(tmp_path / "raw") == files


def test_a_damaged_partial_download_is_thrown_away_and_fetched_once_more(
    tmp_path: Path, downloads: Path, mirror: Mirror, files: dict[str, bytes]
) -> None:
    downloads.mkdir()
    (downloads / f"here-{mnist.TRAIN_IMAGES}.gz.part").write_bytes(b"?" * 3000)
    fetch(tmp_path, tmp_path / "raw", downloads.parent, MNIST, silent, [source_of(mirror)])
    assert content(tmp_path / "raw") == files


def test_a_mirror_that_knows_no_ranges_starts_over(
    tmp_path: Path, downloads: Path, mirror: Mirror, files: dict[str, bytes]
) -> None:
    mirror.ranges, mirror.cut = False, [8192]
    fetch(tmp_path, tmp_path / "raw", downloads.parent, MNIST, silent, [source_of(mirror)])
    assert content(tmp_path / "raw") == files


def test_a_mirror_that_sends_too_much_is_left(
    tmp_path: Path, downloads: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "LARGEST", 100)
    with pytest.raises(Unavailable, match="more than the 100 expected"):
        fetch(tmp_path, tmp_path / "raw", downloads.parent, MNIST, silent, [source_of(mirror)])


def test_sources_are_asked_in_order_and_their_failures_reported(
    tmp_path: Path, downloads: Path, mirror: Mirror, files: dict[str, bytes]
) -> None:
    report = Recorder()
    del mirror.files[f"/{mnist.TEST_LABELS}.gz"]
    wrong = {**files, mnist.TEST_LABELS: b"other bytes"}
    asked: list[list[str]] = []
    sources = [
        ("broken", failing),
        source_of(mirror),
        ("liar", giving(wrong)),
        ("good", giving(files, asked)),
        ("unasked", failing),
    ]
    fetch(tmp_path, tmp_path / "raw", downloads.parent, MNIST, report, sources)
    assert content(tmp_path / "raw") == files
    assert asked == [[mnist.TEST_LABELS]], "the three files that the mirror had are not asked for again"
    told = [(event.stage, event.facts["skipped"]) for event in report.events]
    assert [stage for stage, _ in told] == ["broken", "here", "liar"]
    assert told[0][1] == "out of service"
    assert "HTTP 404" in str(told[1][1])
    assert f"{mnist.TEST_LABELS} is damaged: expected sha256 {mnist.SHA256[mnist.TEST_LABELS]}" in str(told[2][1])


def test_no_source_at_all_is_a_temporary_failure_that_lists_the_reasons(
    tmp_path: Path, downloads: Path, files: dict[str, bytes]
) -> None:
    with pytest.raises(Unavailable, match="Tried one: out of service; two: out of service") as caught:
        fetch(tmp_path, tmp_path / "raw", downloads.parent, MNIST, silent, [("one", failing), ("two", failing)])
    assert caught.value.exit_code == 75


def test_whole_files_are_kept_damaged_ones_replaced_and_strangers_removed(
    tmp_path: Path, downloads: Path, files: dict[str, bytes]
) -> None:
    raw = tmp_path / "raw"
    fetch(tmp_path, raw, downloads.parent, MNIST, silent, [("all", giving(files))])
    flip(raw / mnist.TRAIN_LABELS, 50)
    (raw / "stranger").write_bytes(b"x")
    asked: list[list[str]] = []
    fetch(tmp_path, raw, downloads.parent, MNIST, silent, [("all", giving(files, asked))])
    assert content(raw) == files
    assert asked == [[mnist.TRAIN_LABELS]]


def test_a_users_folder_must_be_what_its_digest_says(tmp_path: Path) -> None:
    own = png_folders(tmp_path / "own", digits(100))
    config = DataConfig(source="own", source_sha256=Source(own, 10**9).digest())
    raw, cache = tmp_path / "raw", tmp_path / "cache"
    fetch(tmp_path, raw, cache, config)
    assert set(content(raw)) == {"images.npy", "labels.npy", "import.json"}
    assert read_report(raw).spec.name == "own"
    assert not list((cache / "imports").iterdir()), "what was staged is moved"
    flip(own / "5" / "00005.png", 60)
    with pytest.raises(BadInput, match=r"own has changed: .* ganlib data version --from"):
        fetch(tmp_path, raw, cache, config)
    with pytest.raises(BadInput, match=r"data\.source_sha256 of .*own is not recorded"):
        fetch(tmp_path, raw, cache, DataConfig(source="own"))


def test_an_import_that_was_tried_out_is_used_once_and_only_for_the_same_wishes(tmp_path: Path) -> None:
    own = png_folders(tmp_path / "own", digits(100))
    config = DataConfig(source="own", source_sha256=Source(own, 10**9).digest())
    staged = stage(tmp_path, tmp_path / "cache", config)
    mark = (staged / "import.json").stat().st_ino
    fetch(tmp_path, tmp_path / "raw", tmp_path / "cache", config)
    assert (tmp_path / "raw" / "import.json").stat().st_ino == mark
    stage(tmp_path, tmp_path / "cache", config)
    fetch(tmp_path, tmp_path / "raw", tmp_path / "cache", config.model_copy(update={"size": 16}))
    assert read_report(tmp_path / "raw").spec.image.width == 16


@pytest.mark.parametrize("moved", range(4))
def test_a_fetch_that_stopped_while_it_moved_its_files_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    own = png_folders(tmp_path / "own", digits(100))
    config = DataConfig(source="own", source_sha256=Source(own, 10**9).digest())
    raw, cache = tmp_path / "raw", tmp_path / "cache"
    fetch(tmp_path, raw, cache, config)
    whole = content(raw)
    moves = itertools.count()

    def stopping(source: Path, target: Path) -> Path:
        if next(moves) == moved:
            raise KeyboardInterrupt
        return move(source, target)

    move = shutil.move
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "move", stopping)
        patch.setattr(Path, "rmdir", stopping_at_the_end)
        fetch(tmp_path, raw, cache, config)
    for path in raw.iterdir():  # as DVC does before a stage that did not end
        path.unlink()
    fetch(tmp_path, raw, cache, config)
    assert content(raw) == whole


def stopping_at_the_end(folder: Path) -> None:
    """In place of the last step."""
    raise KeyboardInterrupt


@pytest.mark.parametrize("change", [{"size": 32}, {"channels": 3}, {"name": "digits"}])
def test_mnist_is_not_taken_in_another_form(tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=f"data\\.{next(iter(change))} is .*, but the data set mnist is taken as it was"):
        fetch(tmp_path, tmp_path / "raw", tmp_path, DataConfig(**change), silent, [("none", failing)])
