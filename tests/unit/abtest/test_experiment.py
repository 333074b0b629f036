"""A/B tests: keys dealt by hash, outcomes that survive a kill, one test at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganlib.abtest import experiment as ab
from ganlib.abtest.assign import side
from ganlib.config import load
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.tracking.store import MlflowStore
from tests import factories

NAME, OTHER = "mnist-generator", "icons-generator"


@pytest.fixture
def project(store: MlflowStore, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Versions 1 and 2; A/B test 1 of them gives 90% of the keys to 1."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    for number, fid in enumerate((20, 10), 1):
        factories.bare_version(store, number, fid)
    begin(store.project)
    return store.project


def begin(project: Project, **changes: object) -> ab.Test:
    wanted: dict[str, object] = {"share_a": ab.split("90/10"), **changes}
    return ab.start(project, load(project.params_file), "1", "2", **wanted)  # type: ignore[arg-type]


@given(st.text(max_size=30), st.text(max_size=30), st.floats(0.01, 0.99))
def test_a_key_has_one_side_and_a_larger_share_only_adds_to_it(salt: str, key: str, share: float) -> None:
    assert side(salt, share, key) == side(salt, share, key)
    if side(salt, share, key) == "a":
        assert side(salt, min(share + 0.1, 1), key) == "a"


def test_keys_are_dealt_in_the_shares_asked_for_and_anew_by_the_next_test() -> None:
    """Of 20,000 keys the share lies within five standard deviations, 0.011."""
    first = [side("1", 0.9, str(key)) == "a" for key in range(20_000)]
    second = [side("2", 0.9, str(key)) == "a" for key in range(20_000)]
    assert sum(first) / 20_000 == pytest.approx(0.9, abs=0.011)
    both = sum(x and y for x, y in zip(first, second, strict=True)) / 20_000
    assert both == pytest.approx(0.81, abs=0.014)


def test_a_test_runs_from_start_to_stop(project: Project) -> None:
    arms = {ab.assign(project, NAME, str(key)).version for key in range(60)}
    assert arms == {1, 2}
    assert (
        ab.assign(project, NAME, "x").uri == f"models:/mnist-generator/{ab.running(project, NAME).arm_of('x').version}"
    )
    for key in range(60):
        ab.record(project, NAME, str(key), float(key % 3 == 0))
    champion_state = ab.report(project, NAME)
    assert champion_state.comparison["n_a"] + champion_state.comparison["n_b"] == 60  # type: ignore[operator]
    assert "not settled" in champion_state.summary()
    assert ab.versions(project, NAME) == (1, 2)
    with pytest.raises(BadInput, match=f"A/B test 1 of {NAME} is running"):
        begin(project)
    assert ab.stop(project, NAME, reason="enough").reason == "enough"
    assert ab.versions(project, NAME) == ()
    assert ab.report(project, NAME).test.ended
    with pytest.raises(BadInput, match=f"no A/B test of {NAME} is running"):
        ab.record(project, NAME, "61", 1)
    assert begin(project).number == 2
    assert ab.report(project, NAME).comparison["n_a"] == 0


def test_each_registered_model_has_a_test_of_its_own_and_numbers_go_through(
    project: Project, store: MlflowStore
) -> None:
    for number, fid in enumerate((20, 10), 1):
        factories.bare_version(store, number, fid, OTHER)
    with pytest.raises(BadInput, match=f"no A/B test of {OTHER} is running.*--model {NAME}"):
        ab.running(project, OTHER)
    begun = begin(project, model=OTHER)
    assert (begun.number, begun.model, ab.running(project, NAME).number) == (2, OTHER, 1)
    ab.record(project, OTHER, "k", 1)
    assert ab.outcomes(project, ab.running(project, NAME)) == ([], 0)
    ab.stop(project, NAME)
    assert (ab.versions(project, NAME), ab.versions(project, OTHER)) == ((), (1, 2))
    assert ab.report(project, OTHER).test == begun
    assert begin(project).number == 3
    with pytest.raises(BadInput, match="Did you mean 'icons-generator'"):
        begin(project, model="icon-generator")


def test_a_key_that_can_be_none_is_refused_for_the_first_outcome_too(project: Project) -> None:
    with pytest.raises(BadInput, match="printable"):
        ab.record(project, NAME, "", 1)
    assert ab.outcomes(project, ab.running(project, NAME)) == ([], 0)


def test_an_outcome_said_twice_counts_once_and_another_one_for_the_same_key_is_refused(project: Project) -> None:
    first = ab.record(project, NAME, "k", 1)
    assert ab.record(project, NAME, "k", 1) == first
    with pytest.raises(BadInput, match="is 1 already"):
        ab.record(project, NAME, "k", 0)
    with pytest.raises(BadInput, match="is not 0 or 1"):
        ab.record(project, NAME, "other", 0.5)
    with pytest.raises(BadInput, match="printable"):
        ab.record(project, NAME, "two\nlines", 1)
    assert len(ab.outcomes(project, ab.running(project, NAME))[0]) == 1


@pytest.mark.parametrize("text", ["90", "90/0", "-1/2", "a/b", "nan/1", "inf/1", "1/2/3"])
def test_a_split_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="--split"):
        ab.split(text)


@pytest.mark.parametrize(
    ("changes", "told"), [({"level": 0.0}, "level"), ({"outcome": "colour"}, "outcome"), ({"share_a": 1.0}, "share_a")]
)
def test_a_test_that_makes_no_sense_is_refused_and_the_one_before_is_as_it_was(
    project: Project, changes: dict[str, object], told: str
) -> None:
    ab.stop(project, NAME)
    with pytest.raises(BadInput, match=told):
        begin(project, **changes)
    assert ab.current(project, NAME).ended  # type: ignore[union-attr]


def test_a_line_that_a_killed_writer_left_unfinished_does_not_count_and_stops_nobody(project: Project) -> None:
    ab.record(project, NAME, "before", 1)
    path = project.state / "ab" / "0001" / "outcomes.jsonl"
    with path.open("ab") as stream:
        stream.write(b'{"key":"torn","side":"a","val')
    ab.record(project, NAME, "after", 0)
    found, torn = ab.outcomes(project, ab.running(project, NAME))
    assert ([each.key for each in found], torn) == (["before", "after"], 1)


@pytest.mark.faults
def test_every_outcome_that_was_acknowledged_outlives_sigkill(project: Project) -> None:
    code = (
        "import itertools, sys; from pathlib import Path\n"
        "from ganlib.abtest import experiment as ab; from ganlib.core.project import Project\n"
        "project, model = Project(Path(sys.argv[1])), sys.argv[2]\n"
        "for n in itertools.count(): ab.record(project, model, str(n), n % 2); print(n, flush=True)"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(project.root), NAME], stdout=subprocess.PIPE, text=True)
    assert writer.stdout
    acknowledged = [int(writer.stdout.readline()) for _ in range(40)]
    os.kill(writer.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in writer.stdout.read().split()]
    writer.wait()
    ab.record(project, NAME, "next", 1)  # the lock died with its holder: a living one is refused after 60 s
    kept = [each.key for each in ab.outcomes(project, ab.running(project, NAME))[0]]
    assert kept[: len(acknowledged)] == [str(n) for n in acknowledged]
    assert kept[-1] == "next"
    assert len(kept) <= len(acknowledged) + 2
