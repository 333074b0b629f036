"""Differences of figures: paired where both models' replicates are there, and said to be unpaired where not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ganlib.evaluation.bootstrap import Interval, around, difference, mean_statistic, pack, resample
from ganlib.jobs.measuring.deltas import Delta, deltas, replicates
from ganlib.jobs.measuring.evaluate import REPLICATES
from ganlib.tracking.store import MlflowStore
from tests import factories

N, DRAWS = 1000, 400


def resampled(values: np.ndarray) -> np.ndarray:
    return resample(mean_statistic(values), N, replicates=DRAWS, seed=1)


@pytest.fixture
def hits() -> tuple[np.ndarray, np.ndarray]:
    """Whether each of 1,000 images is precise, of two models that draw nearly the same images: 2% differ."""
    draw = np.random.default_rng(0)
    first = draw.random(N) < 0.8
    return first, first ^ (draw.random(N) < 0.02)


def named(found: tuple[Delta, ...], name: str) -> Delta:
    return next(each for each in found if each.name == name)


def of(values: np.ndarray) -> factories.Evaluation:
    interval = around(resampled(values), 0.95)
    return factories.evaluation(figures=factories.evaluation().figures | {"precision": interval})


def test_a_paired_interval_is_that_of_the_image_by_image_difference_and_far_narrower(
    hits: tuple[np.ndarray, np.ndarray],
) -> None:
    a, b = hits
    kept = [{"precision": resampled(values.astype(float))} for values in hits]
    paired = named(deltas(of(a), of(b), *kept), "precision")
    apart = named(deltas(of(a), of(b)), "precision")
    assert paired.change == apart.change == pytest.approx(float(b.mean() - a.mean()))
    assert paired.low is not None
    assert paired.high is not None
    spread = (b.astype(float) - a).std() / np.sqrt(N)  # of the mean difference, by hand
    assert paired.high - paired.low == pytest.approx(2 * 1.96 * spread, rel=0.15)
    assert apart.high is not None
    assert apart.low is not None
    assert apart.high - apart.low > 4 * (paired.high - paired.low)
    assert (paired.paired, apart.paired) == (True, False)
    assert "unpaired" in apart.bounds()
    assert "unpaired" not in paired.bounds()


def test_replicates_of_other_measures_or_of_other_numbers_are_not_paired(hits: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = hits
    kept = [{"precision": resampled(values.astype(float))} for values in hits]
    other = of(b).model_copy(update={"seed": 9})
    assert not any(each.paired for each in deltas(of(a), other, *kept))
    short = {"precision": kept[1]["precision"][:-1]}
    assert not named(deltas(of(a), of(b), kept[0], short), "precision").paired
    assert difference(kept[0]["precision"], np.full(DRAWS + 1, np.nan), 0.95) is None
    assert deltas(None, of(b)) == deltas(of(a), None) == ()


def test_the_fid_is_paired_by_what_an_evaluation_carries_itself() -> None:
    noise = factories.replicates(10, 0.5)
    a, b = (factories.evaluation(10 + up, resampled={"fid": pack(noise + up)}) for up in (0.0, -0.1))
    found = named(deltas(a, b), "fid")
    assert found.paired
    assert (found.low, found.change, found.high) == pytest.approx((-0.1, -0.1, -0.1), abs=1e-4)


def test_every_figure_of_an_evaluation_has_a_row_and_its_floors_and_settings_have_none() -> None:
    asked = {"class": Interval(value=0.9, low=0.8, high=1.0)}
    settings = {"kid_subsets": 50, "kid_subset_size": 1000, "neighbours": 5, "judge_agreement": 0.99}
    a, b = factories.evaluation(agreement=asked, **settings), factories.evaluation(delivery=None)
    names = [each.name for each in deltas(a, a)]
    assert names[:2] == ["fid", "kid"]
    assert {"confidence", "agreement: class", "precision", "recall", "density", "coverage", "class_distance"} <= set(
        names
    )
    assert {"score", "diversity", "nearest", "copies", "bytes", "latency_ms", "images_per_second"} <= set(names)
    assert not {name for name in names if name.startswith("floor") or name in ("n", "seed", "level", *settings)}
    assert {"bytes", "agreement: class"}.isdisjoint(each.name for each in deltas(a, b))


def test_a_run_s_replicates_are_those_of_its_evaluation_or_none(store: MlflowStore) -> None:
    run = factories.finished_run(store)
    evaluation = factories.evaluation(10.0)
    assert replicates(store, run, evaluation) == replicates(store, None, evaluation) == {}
    values = {"fid": np.append(10.0, factories.replicates(10, 0.5)), "recall": np.ones(501)}
    store.client.log_text(run, json.dumps({name: pack(each) for name, each in values.items()}), REPLICATES)
    found = replicates(store, run, evaluation)
    assert found.keys() == values.keys()
    np.testing.assert_allclose(found["fid"], values["fid"], rtol=1e-6)
    assert replicates(store, run, factories.evaluation(11.0)) == {}, "the run was evaluated anew since"
    for torn in ("{", "[1]", '{"fid": 3}', '{"fid": "?"}'):
        store.client.log_text(run, torn, REPLICATES)
        assert replicates(store, run, evaluation) == {}
