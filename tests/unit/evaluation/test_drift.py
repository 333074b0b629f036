"""Drift: chance is not taken for it more often than stated, and what is not chance is found."""

from __future__ import annotations

import numpy as np
import pytest

from ganlib.evaluation.bootstrap import Interval
from ganlib.evaluation.distances import frechet_distance, moments
from ganlib.evaluation.drift import FALSE_ALARMS, carried_over, drift, homogeneity, of_means, of_shares
from ganlib.evaluation.evaluate import Evaluation
from ganlib.evaluation.judge.judge import JudgeOutput
from tests import factories

SHARES = np.array([0.14, 0.12, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.08, 0.06])
N, TOTAL, WIDTH = 2000, 10_000, 16
REAL = moments(np.random.default_rng(0).standard_normal((TOTAL, WIDTH)))


def judged(draw: np.random.Generator, n: int, shares: np.ndarray = SHARES, shift: float = 0.3) -> JudgeOutput:
    """Answers of a judge to ``n`` images: digits by ``shares``, features normal about ``shift``."""
    digits = draw.choice(10, n, p=shares / shares.sum())
    top = draw.beta(20, 1, n) * 0.4 + 0.6
    probabilities = np.repeat(((1 - top) / 9)[:, None], 10, axis=1)
    probabilities[np.arange(n), digits] = top
    return JudgeOutput((draw.standard_normal((n, WIDTH)) + shift).astype(np.float32), probabilities.astype(np.float32))


def evaluated(output: JudgeOutput, agreement: dict[str, Interval] | None = None, *, fid: bool = True) -> Evaluation:
    """The evaluation that such answers give."""
    digits = np.bincount(output.probabilities.argmax(axis=1), minlength=10) / len(output.features)
    value, error = carried_over(output.features, REAL, len(output.features)) if fid else (1.0, 0.1)
    return factories.evaluation().model_copy(
        update={
            "n": len(output.features),
            "class_shares": tuple(digits.tolist()),
            "confidence": float(output.probabilities.max(axis=1).mean()),
            "figures": {"fid": Interval(value=value, low=value - 1.96 * error, high=value + 1.96 * error)},
            "agreement": agreement or {},
        }
    )


def test_false_alarms_are_no_more_than_stated() -> None:
    """p-values of 60 samples that do not drift: few are small, in proportion (a binomial bound of 1 in 10,000)."""
    draw = np.random.default_rng(1)
    found: list[dict[str, float]] = []
    for _ in range(60):
        evaluation = evaluated(judged(draw, TOTAL), fid=False)
        sample = drift(judged(draw, N), "j", evaluation, reference=None)
        found.append(sample.p_values)
        assert not sample.drifted or min(sample.p_values.values()) < FALSE_ALARMS / 2
    for name in ("classes", "confidence"):
        values = np.array([each[name] for each in found])
        assert (values < 0.05).sum() <= 11, name
        assert (values < 0.001).sum() <= 2, name
        assert values.mean() > 0.35, name
    assert np.mean([each["classes"] for each in found]) < 0.65, "that of the confidence is a bound, and is larger"


@pytest.mark.parametrize("n", [50, 100, 300, 2000])
def test_a_good_model_s_few_images_are_not_taken_for_drift(n: int) -> None:
    """One image in 50 is one that the judge is unsure of, and one in 150 is of another class than was asked for."""
    draw, rounds = np.random.default_rng(6), 3000
    unsure = draw.random((rounds, n)) < 0.02
    means = np.where(unsure, draw.uniform(0.4, 0.9, (rounds, n)), draw.uniform(0.995, 1.0, (rounds, n))).mean(axis=1)
    expectation = 0.02 * 0.65 + 0.98 * 0.9975
    values = np.array([of_means(mean, expectation, 0.1, n) for mean in means])
    assert (values < FALSE_ALARMS / 4).mean() < FALSE_ALARMS
    hits = draw.binomial(n, 149 / 150, rounds)
    by_count = {count: of_shares(int(count), n, 9933, 10_000) for count in np.unique(hits)}
    assert np.mean([by_count[count] < FALSE_ALARMS / 4 for count in hits]) < FALSE_ALARMS


def test_a_mean_s_p_value_is_hoeffding_s() -> None:
    # n KL(0.9 || 0.8) of 100: 100 (0.9 ln 1.125 + 0.1 ln 0.5) = 3.6690
    assert of_means(0.9, 0.8, 0.0, 100) == pytest.approx(2 * np.exp(-3.6690), rel=1e-3)
    assert of_means(0.95, 0.9, 0.5, 100) == pytest.approx(2 * np.exp(-3.6690), rel=1e-3), "between 0.5 and 1"
    assert of_means(0.99, 0.99, 0.1, 2000) == 1.0
    assert of_means(0.98, 0.99, 0.1, 2000) < 0.001, "half of the certainty is lost"
    assert of_means(1.0, 0.9999, 0.1, 100) == pytest.approx(1.0), "surer than ever"


def test_shares_are_told_apart_by_fisher_s_test() -> None:
    # The lady who tastes tea: of 70 ways to choose four cups, 1 + 16 are as good on either side.
    assert of_shares(3, 4, 1, 4) == pytest.approx(2 * 17 / 70)
    assert of_shares(95, 100, 9940, 10_000) < 0.001


def test_the_fid_is_carried_over_to_as_many_images_without_bias() -> None:
    """Of 30 small samples, against what the larger ones have by the plain formula."""
    draw = np.random.default_rng(2)
    small, errors = zip(*(carried_over(judged(draw, 250).features, REAL, 4000) for _ in range(30)), strict=True)
    large = [frechet_distance(moments(judged(draw, 4000).features), REAL) for _ in range(30)]
    spread = float(np.hypot(np.std(small), np.std(large)) / np.sqrt(30))
    assert abs(np.mean(small) - np.mean(large)) < 4 * spread
    naive = [frechet_distance(moments(judged(draw, 250).features), REAL) for _ in range(30)]
    assert np.mean(naive) - np.mean(large) > 4 * spread, "this test can see the bias that is taken away"
    assert 0.6 < np.std(small) / np.mean(errors) < 1.5, "the standard error is the spread that is seen"


@pytest.mark.parametrize(
    ("changed", "test"),
    [({"shares": np.roll(SHARES, 3)}, "classes"), ({"shift": 0.5}, "fid")],
)
def test_what_is_not_chance_is_found_by_the_test_that_looks_for_it(changed: dict[str, object], test: str) -> None:
    draw = np.random.default_rng(3)
    evaluation = evaluated(judged(draw, TOTAL))
    same = drift(judged(draw, N), "j", evaluation, reference=REAL)
    assert (same.drifted, set(same.p_values)) == ((), {"classes", "confidence", "fid"})
    found = drift(judged(draw, N, **changed), "j", evaluation, reference=REAL)  # type: ignore[arg-type]
    assert found.drifted == (test,)
    assert f"DRIFTS from the evaluation in {test}" in found.summary


def test_a_model_that_does_not_do_what_it_was_asked_is_found() -> None:
    draw = np.random.default_rng(4)
    output = judged(draw, N)
    digits = output.probabilities.argmax(axis=1)
    evaluation = evaluated(judged(draw, TOTAL), {"class": Interval(value=0.97, low=0.966, high=0.973)})
    good, bad = digits.copy(), digits.copy()
    good[: int(0.03 * N)] = (good[: int(0.03 * N)] + 1) % 10
    bad[: int(0.06 * N)] = (bad[: int(0.06 * N)] + 1) % 10
    assert drift(output, "j", evaluation, codes=good).drifted == ()
    assert drift(output, "j", evaluation, codes=bad).drifted == ("agreement",)


def test_without_an_evaluation_nothing_is_claimed() -> None:
    found = drift(judged(np.random.default_rng(5), 100), "j", None, why_not="it is a file")
    assert (found.drifted, found.p_values, found.evaluated) == ((), {}, None)
    assert "compared to nothing: it is a file" in found.summary


@pytest.mark.parametrize(
    ("ours", "theirs", "p"),
    [([100, 0], [1000, 0], 1.0), ([0, 0, 50], [500, 0, 0], 0.0), ([10, 20, 30], [100, 200, 300], 1.0)],
)
def test_histograms_of_one_shape_are_and_of_two_are_not(ours: list[int], theirs: list[int], p: float) -> None:
    assert homogeneity(np.array(ours), np.array(theirs)) == pytest.approx(p, abs=1e-9)
