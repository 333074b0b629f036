"""Tables beside pictures give labels, captions or both, and are refused by row numbers."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ganlib.config import DataConfig
from ganlib.core.errors import BadInput
from ganlib.data import text
from ganlib.data.prepare import prepare
from ganlib.data.splits import load_split
from tests.unit.data.builders import imported
from tests.unit.data.importing.pictures import layout, save


def pictures(folder: Path, count: int = 12) -> list[str]:
    names = [f"img/{place:03d}.png" for place in range(count)]
    for name in names:
        save(folder / name)
    return names


def write(folder: Path, *lines: str, name: str = "metadata.csv", encoding: str = "utf-8") -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(lines) + "\n", encoding=encoding)
    return folder


def told(folder: Path) -> list[tuple[str | None, str | None, str | None]]:
    return [(each.label, each.caption, each.split) for each in layout(folder).pictures()]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_table_gives_labels_and_captions(tmp_path: Path, mark: str, encoding: str) -> None:
    names = pictures(tmp_path)
    rows = [mark.join((name, "ab"[place % 2], f'"a, ""{place}"" thing"')) for place, name in enumerate(names)]
    found = layout(write(tmp_path, mark.join(("File_Name", "Class", "Text")), *rows, encoding=encoding))
    assert found.class_names == ("a", "b")
    assert [each.caption for each in found.pictures()][3] == 'a, "3" thing'
    assert found.rest is None


@pytest.mark.parametrize("name", ["labels.csv", "train.tsv", "list.jsonl"])
def test_a_table_of_another_name_is_not_read_and_that_is_told(tmp_path: Path, name: str) -> None:
    """What it says would be lost without a word, or one class be refused with the wrong advice."""
    names = pictures(tmp_path)
    write(tmp_path, "file,label", *(f"{each},{'ab'[place % 2]}" for place, each in enumerate(names)), name=name)
    hint = f"{name} is not read: a table of labels or captions is called metadata.csv"
    with pytest.raises(BadInput, match=f"one class only .*{hint}"):
        layout(tmp_path)
    for each in names:
        (tmp_path / each).rename(tmp_path / Path(each).name)
    assert hint in layout(tmp_path).notes
    (tmp_path / name).rename(tmp_path / "metadata.csv") if name == "labels.csv" else (tmp_path / name).unlink()
    if name != "labels.csv":
        assert layout(tmp_path).notes == ()


def test_json_lines_are_a_table_as_hugging_face_writes_it(tmp_path: Path) -> None:
    rows = [{"file_name": name, "text": f"thing\u2028{place}"} for place, name in enumerate(pictures(tmp_path))]
    rows[0]["label"] = "only here"
    write(tmp_path, *map(partial(json.dumps, ensure_ascii=False), rows), name="metadata.jsonl")
    with pytest.raises(BadInput, match="has no label, 11 of 12 rows: row 2, row 3"):
        layout(tmp_path)
    del rows[0]["label"]
    write(tmp_path, *map(partial(json.dumps, ensure_ascii=False), rows), "", name="metadata.jsonl")
    assert [caption for _, caption, _ in told(tmp_path)][2] == "thing\u20282"
    write(tmp_path, '{"file_name": "a.png", "text": "x"}', "[1]", name="metadata.jsonl")
    with pytest.raises(BadInput, match="line 2 is no object"):
        layout(tmp_path)
    write(tmp_path, '{"file_name": ', name="metadata.jsonl")
    with pytest.raises(BadInput, match="not a table of JSON lines: line 1: "):
        layout(tmp_path)


def test_captions_alone_make_a_data_set_without_classes(tmp_path: Path) -> None:
    names = pictures(tmp_path)
    write(tmp_path, "file,caption", *(f"{name},Ein  Bild Nr. {place}" for place, name in enumerate(names)))
    report = imported(tmp_path, tmp_path / "raw")
    assert report.spec.captions == "table"
    assert report.spec.class_names == ()
    prepare(tmp_path / "raw", tmp_path / "out", DataConfig(source="own", test_one_in=4, validation_one_in=4))
    part = load_split(tmp_path / "out", "train")
    assert part.captions is not None
    assert part.captions.shape == (len(part.images), text.CAPTION_LEN)
    assert text.from_bytes(part.captions[0]).startswith("ein bild nr. ")
    assert not part.labels.any()


def test_labels_alone_make_a_data_set_without_captions(tmp_path: Path) -> None:
    names = pictures(tmp_path)
    write(tmp_path, "image,label", *(f"./{name},{place % 3}" for place, name in enumerate(names)))
    report = imported(tmp_path, tmp_path / "raw")
    assert (report.spec.captions, report.spec.class_names) == (None, ("0", "1", "2"))


def test_long_captions_are_cut_at_the_end_of_a_word_and_counted(tmp_path: Path) -> None:
    names = pictures(tmp_path)
    long = "a very long caption that goes on and on until nobody reads it any more at all"
    write(tmp_path, "file,caption", *(f"{name},{place or long}" for place, name in enumerate(names)))
    assert any(
        note.startswith("1 captions were cut to 64 bytes") for note in imported(tmp_path, tmp_path / "raw").notes
    )
    import numpy as np

    kept = text.from_bytes(np.load(tmp_path / "raw" / "captions.npy")[0])
    assert kept == "a very long caption that goes on and on until nobody reads it"
    assert len(text.cut("猫" * 40).encode()) <= 64
    assert text.cut("x" * 64 + " y") == "x" * 64
    assert text.cut("x" * 70) == "x" * 64


def test_files_that_are_not_there_are_told_by_row(tmp_path: Path) -> None:
    names = pictures(tmp_path)
    rows = [f"{name},a" for name in names]
    rows[2], rows[5], rows[7] = "gone.png,a", "../outside.png,b", ",b"
    with pytest.raises(BadInput, match=r"names files that are not there, 3 of 12 rows: row 4 \(gone\.png\), row 7 "):
        layout(write(tmp_path, "file,label", *rows))


def test_a_row_without_a_label_is_told(tmp_path: Path) -> None:
    names = pictures(tmp_path)
    with pytest.raises(BadInput, match=r"metadata\.csv has no label, 2 of 12 rows: row 3, row 13\."):
        layout(write(tmp_path, "file,label", *(f"{name},{'' if place % 10 == 1 else 'ab'[place % 2]}"
                                               for place, name in enumerate(names))))  # fmt: skip


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("picture_name,label", "has no column of files"),
        ("file,kind", "has neither a column of labels nor one of captions"),
    ],
)
def test_a_table_without_the_columns_is_refused(tmp_path: Path, head: str, words: str) -> None:
    names = pictures(tmp_path)
    with pytest.raises(BadInput, match=words):
        layout(write(tmp_path, head, *(f"{name},a" for name in names)))


def test_one_label_and_no_rows_and_no_text_are_refused(tmp_path: Path) -> None:
    names = pictures(tmp_path)
    with pytest.raises(BadInput, match="gives one label only"):
        layout(write(tmp_path, "file,label", *(f"{name},a" for name in names)))
    with pytest.raises(BadInput, match="has no rows"):
        layout(write(tmp_path, "file,label"))
    (tmp_path / "metadata.csv").write_bytes("file,label\nä,b\n".encode("latin-1"))
    with pytest.raises(BadInput, match=r"is not UTF-8 text \(byte 11\)"):
        layout(tmp_path)


def test_a_table_may_be_parquet_and_tell_the_split(tmp_path: Path) -> None:
    names = pictures(tmp_path)
    splits = ["test" if place % 4 == 0 else "train" for place in range(12)]
    table = pa.table({"file_name": names, "label": [place % 2 for place in range(12)], "split": splits})
    pq.write_table(table, tmp_path / "metadata.parquet")
    assert told(tmp_path)[:2] == [("0", None, "test"), ("1", None, "train")]


def test_a_table_in_train_and_one_in_test_are_the_splits(tmp_path: Path) -> None:
    for split in ("train", "test"):
        names = pictures(tmp_path / split)
        rows = (f"{name},{'ab'[place % 2]}" for place, name in enumerate(names))
        write(tmp_path, "file_name,label", *rows, name=f"{split}/metadata.csv")
    assert set(told(tmp_path)) == {(label, None, split) for label in "ab" for split in ("train", "test")}
