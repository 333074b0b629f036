"""Which run of a retraining is registered."""

from __future__ import annotations

import pytest

from ganlib.errors import BadInput
from ganlib.evaluation.evaluate import Interval
from ganlib.jobs.retrain import best_run
from tests.factories import evaluation

BROKEN = evaluation().model_copy(update={"fid": Interval.model_construct(value=float("nan"), low=0.0, high=0.0)})


def test_the_lowest_fid_wins() -> None:
    assert best_run({"a": evaluation(9), "b": evaluation(3), "c": evaluation(5)}) == "b"


def test_a_figure_that_is_not_a_number_is_no_candidate_wherever_it_stands() -> None:
    assert best_run({"broken": BROKEN, "a": evaluation(9)}) == "a"
    assert best_run({"a": evaluation(9), "broken": BROKEN}) == "a"


def test_nothing_to_choose_from_is_said_so() -> None:
    for nothing in ({}, {"broken": BROKEN}):
        with pytest.raises(BadInput, match="none to register"):
            best_run(nothing)
