"""Editing params.yaml changes the values that were named and no other byte."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ganlib.core.errors import BadInput
from ganlib.core.yaml_edit import lay_over, set_values

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
