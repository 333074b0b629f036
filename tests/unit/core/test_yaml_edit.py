"""Editing params.yaml changes the values that were named and no other byte."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ganlib.core.errors import BadInput
from ganlib.core.yaml_edit import lay_over

TEXT = (
    "# top\nother: {source: keep}\ndata:   # section\n  source: mnist   # a comment\n  source_sha256: null\n  seed: 0\n"
)


def source(value: object, sha256: str | None) -> dict[str, object]:
    return {"data": {"source": value, "source_sha256": sha256}}


def test_comments_order_and_other_sections_stay() -> None:
    changed = lay_over(TEXT, source("/a/folder", "ab" * 32))
    assert changed == TEXT.replace("mnist", "/a/folder").replace("null", "ab" * 32)


def test_setting_back_restores_the_text() -> None:
    there = lay_over(TEXT, source("some/where", "0" * 64))
    assert lay_over(there, source("mnist", None)) == TEXT


@given(st.text(max_size=40))
@example("\x85")
@example("a\nb")
@example("a\u2029")
def test_any_text_is_read_back_as_it_was_set(value: str) -> None:
    changed = lay_over(TEXT, source(value, None))
    assert len(changed.splitlines()) == len(TEXT.splitlines())
    tree = yaml.safe_load(changed)
    assert tree == {"other": {"source": "keep"}, "data": {"source": value, "source_sha256": None, "seed": 0}}


def columns(text: str) -> list[int]:
    return [line.find(" #") for line in text.splitlines()]


def test_the_committed_file_can_be_edited(checkout: Path) -> None:
    text = (checkout / "params.yaml").read_text(encoding="utf-8")
    changed = lay_over(text, source("x y", None))
    assert yaml.safe_load(changed)["data"]["source"] == "x y"
    assert columns(changed) == columns(text), "comments stay below each other"
    longer = lay_over(text, source("/a/place/with/a/long/name", "0" * 64))
    assert lay_over(longer, source("mnist", None)) == text
    assert len(changed.splitlines()) == len(text.splitlines())


ROWS = """\
# the top
train: {seed: 0}   # one line
families:          # a row each
  dcgan: {}        # nothing yet
  vae: {beta: 2.0, optimizer: {name: adam}}   # some
  gan:
    # a comment inside
    latent_dim: 7  # seven
    generator:
      learning_rate: 1.0e-3
  wgan:
"""
LEAVES = st.one_of(st.integers(-5, 5), st.floats(1e-6, 1e3), st.booleans(), st.sampled_from(["a b", "adam", "x: y"]))
TREES = st.dictionaries(
    st.sampled_from(["dcgan", "vae", "gan", "wgan", "new"]),
    st.dictionaries(st.sampled_from(["latent_dim", "beta", "clip"]), LEAVES, min_size=1).flatmap(
        lambda row: st.dictionaries(
            st.just("generator"),
            st.dictionaries(st.sampled_from(["learning_rate", "name"]), LEAVES, min_size=1),
        ).map(lambda more: row | more)
    ),
)


def over(below: object, tree: object) -> object:
    if not isinstance(tree, dict):
        return tree
    base = below if isinstance(below, dict) else {}
    return {**base, **{key: over(base.get(key), value) for key, value in tree.items()}}


@settings(deadline=None, max_examples=30)
@given(TREES)
def test_a_tree_laid_over_is_read_back_and_every_comment_stays(tree: dict[str, object]) -> None:
    changed = lay_over(ROWS, {"families": tree})
    assert yaml.safe_load(changed) == over(yaml.safe_load(ROWS), {"families": tree} if tree else {})
    for comment in (
        "# the top",
        "# one line",
        "# a row each",
        "# nothing yet",
        "# some",
        "# a comment inside",
        "# sev",
    ):
        assert comment in changed
    assert lay_over(changed, {"families": tree}) == changed


def test_what_cannot_be_laid_over_is_refused() -> None:
    with pytest.raises(BadInput, match=r"no mapping at families\.vae\.beta"):
        lay_over(ROWS, {"families": {"vae": {"beta": {"x": 1}}}})
    with pytest.raises(BadInput, match=r"several lines at families\.gan\.generator"):
        lay_over(ROWS, {"families": {"gan": {"generator": 3}}})
