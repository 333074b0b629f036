"""Score, balance and variety, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from ganlib.evaluation.bootstrap import mean_statistic, pack, resample, unpack
from ganlib.evaluation.metrics.class_distance import distance_statistic
from ganlib.evaluation.metrics.class_excess import excess_statistic
from ganlib.evaluation.metrics.score import score_statistic
from ganlib.evaluation.variance import within, within_statistic
from tests.unit.evaluation.conftest import skewed

ONCE = np.ones((1, 500))


def test_the_score_is_ten_for_ten_sure_even_digits_and_one_for_one_digit() -> None:
    sure = np.eye(10)[np.arange(1000) % 10]
    assert score_statistic(sure)(ONCE)[0] == pytest.approx(10)
    assert score_statistic(np.full((1000, 10), 0.1))(ONCE)[0] == pytest.approx(1)
    assert score_statistic(np.eye(10)[np.zeros(1000, int)])(ONCE)[0] == pytest.approx(1)


def test_the_score_agrees_with_torchmetrics_on_the_same_probabilities() -> None:
    import torch
    from torchmetrics.image.inception import InceptionScore

    logits = skewed(1000, 10, 3) * 4
    theirs = InceptionScore(feature=torch.nn.Identity(), splits=1)
    theirs.features.append(torch.from_numpy(logits))
    expected = theirs.compute()[0].item()
    probabilities = torch.from_numpy(logits).softmax(dim=1).numpy()
    assert score_statistic(probabilities)(ONCE)[0] == pytest.approx(expected, rel=1e-3)


def test_the_class_distance_is_half_the_sum_of_the_differences_of_shares() -> None:
    even, skew = np.full(10, 0.1), np.array([0.7, 0.2, 0.1])
    assert distance_statistic(np.arange(1000) % 10, even)(ONCE)[0] == pytest.approx(0, abs=1e-12)
    assert distance_statistic(np.arange(1000) % 5, even)(ONCE)[0] == pytest.approx(0.5)
    assert distance_statistic(np.full(1000, 3), even)(ONCE)[0] == pytest.approx(0.9)
    assert distance_statistic(np.repeat([0, 1, 2], [700, 200, 100]), skew)(ONCE)[0] == pytest.approx(0, abs=1e-12)
    assert distance_statistic(np.zeros(1000, int), np.array([0.5, 0.5]))(ONCE)[0] == pytest.approx(0.5)


def test_the_class_excess_is_against_the_data_s_share_or_an_even_one() -> None:
    even, rare = np.full(10, 0.1), np.array([0.996, 0.004])
    assert excess_statistic(np.arange(1000) % 10, even)(ONCE)[0] == pytest.approx(1)
    assert excess_statistic(np.full(1000, 3), even)(ONCE)[0] == pytest.approx(10)
    assert excess_statistic(np.repeat([0, 1], [988, 12]), rare)(ONCE)[0] == pytest.approx(0.988 / 0.996)


def test_diversity_is_the_variance_about_the_digits_means() -> None:
    features, digits = skewed(997, 6, 1), np.arange(997) % 10
    expected = np.mean(
        [((x - features[digits == d].mean(0)) ** 2).sum() for x, d in zip(features, digits, strict=True)]
    )
    assert within(features, digits) == pytest.approx(expected, rel=1e-5)
    assert within_statistic(np.repeat(features[:10], 100, axis=0), np.repeat(np.arange(10), 100), 1.0)(
        ONCE
    ) == pytest.approx(0, abs=1e-4)


def test_a_group_that_counts_twice_is_there_twice() -> None:
    features, digits = skewed(1000, 6, 1), np.random.default_rng(0).integers(0, 10, 1000)
    weights = ONCE.copy()
    weights[0, 7], weights[0, 9] = 2, 0
    rows = np.concatenate([np.arange(18), np.arange(20, 1000), [14, 15]])
    assert within_statistic(features, digits, 1.0)(weights)[0] == pytest.approx(within(features[rows], digits[rows]))


def test_a_share_spreads_as_the_binomial_says() -> None:
    hits = np.random.default_rng(0).random(10_000) < 0.3
    drawn = resample(mean_statistic(hits), 10_000, replicates=2000, seed=1)
    assert drawn[0] == pytest.approx(hits.mean())
    assert drawn[1:].std() == pytest.approx(np.sqrt(0.3 * 0.7 / 10_000), rel=0.2)


def test_replicates_survive_a_tag_and_what_is_none_is_nothing() -> None:
    values = np.random.default_rng(0).normal(2, 0.1, 500)
    assert unpack(pack(values)) == pytest.approx(values, rel=1e-6)
    assert len(pack(values)) < 5000
    assert unpack("no base64!").size == 0
    assert unpack("QUJD").size == 0  # three bytes are no float
