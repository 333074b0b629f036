"""How the families of a retraining are trained, and which run is registered."""

from __future__ import annotations

import os

import pytest

from ganlib.config import load
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.evaluation.evaluate import Evaluation, Interval
from ganlib.jobs.retrain import best_run
from ganlib.jobs.training.launch import train_in_child
from tests.conftest import ROOT
from tests.factories import evaluation

NAN = Interval.model_construct(value=float("nan"), low=0.0, high=0.0)
BROKEN = evaluation(figures=evaluation().figures | {"fid": NAN})


def test_the_lowest_fid_wins() -> None:
    assert best_run({"a": evaluation(9), "b": evaluation(3), "c": evaluation(5)}) == "b"


def test_of_few_images_the_lowest_kid_wins() -> None:
    def small(fid: float, kid: float) -> Evaluation:
        figures = evaluation(fid).figures | {"kid": Interval(value=kid, low=kid, high=kid)}
        return evaluation(fid, n=300, figures=figures)

    assert best_run({"a": small(3, 0.4), "b": small(9, 0.2)}) == "b"


def test_a_figure_that_is_not_a_number_is_no_candidate_wherever_it_stands() -> None:
    assert best_run({"broken": BROKEN, "a": evaluation(9)}) == "a"
    assert best_run({"a": evaluation(9), "broken": BROKEN}) == "a"


def test_nothing_to_choose_from_is_said_so() -> None:
    for nothing in ({}, {"broken": BROKEN}):
        with pytest.raises(BadInput, match="none to register"):
            best_run(nothing)


@pytest.mark.parametrize(
    ("concurrent", "said", "given"),
    [(1, "1000", None), (2, "1000", {"GOMP_SPINCOUNT": "0"}), (2, "7", None), (2, None, None)],
)
def test_trainings_side_by_side_do_not_spin_unless_the_user_has_said_how_long(
    monkeypatch: pytest.MonkeyPatch, concurrent: int, said: str | None, given: dict[str, str] | None
) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    if said:
        monkeypatch.setenv("GOMP_SPINCOUNT", said)
    seen: list[object] = []

    def run(*_: object, variables: object, **more: object) -> object:
        seen.append(variables)
        raise BadInput("enough")

    monkeypatch.setattr("ganlib.jobs.training.child.run", run)
    with pytest.raises(BadInput, match="enough"):
        train_in_child(Project(ROOT), load(ROOT / "params.yaml"), "vae", concurrent=concurrent)
    assert seen == [given]
    assert os.environ.get("GOMP_SPINCOUNT") == said
