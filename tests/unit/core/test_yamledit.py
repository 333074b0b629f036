"""Editing params.yaml changes the values that were named and no other byte."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ganlib.errors import BadInput
from ganlib.yamledit import set_values

TEXT = (
    "# top\nother: {source: keep}\ndata:   # section\n  source: mnist   # a comment\n  source_sha256: null\n  seed: 0\n"
)


def test_comments_order_and_other_sections_stay() -> None:
    changed = set_values(TEXT, {"data.source": "/a/folder", "data.source_sha256": "0" * 64})
    assert changed == TEXT.replace("mnist", "/a/folder").replace("null", '"' + "0" * 64 + '"')


def test_setting_back_restores_the_text() -> None:
    there = set_values(TEXT, {"data.source": "some/where", "data.source_sha256": "ab" * 32})
    assert set_values(there, {"data.source": "mnist", "data.source_sha256": None}) == TEXT


@given(st.text(max_size=40))
def test_any_text_is_read_back_as_it_was_set(value: str) -> None:
    tree = yaml.safe_load(set_values(TEXT, {"data.source": value}))
    assert tree == {"other": {"source": "keep"}, "data": {"source": value, "source_sha256": None, "seed": 0}}


@pytest.mark.parametrize("name", ["data.absent", "nowhere.source", "data", "data.source.deeper"])
def test_a_name_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match=f"params.yaml has no value for {name}"):
        set_values(TEXT, {name: "x"})


def test_the_committed_file_can_be_edited(checkout: Path) -> None:
    text = (checkout / "params.yaml").read_text(encoding="utf-8")
    changed = set_values(text, {"data.source": "x y", "data.source_sha256": None})
    assert yaml.safe_load(changed)["data"]["source"] == "x y"
    assert len(changed.splitlines()) == len(text.splitlines())
