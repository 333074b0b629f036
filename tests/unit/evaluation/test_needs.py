"""Settings follow a small data set by a rule; what is too small is refused with numbers that are accepted."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganlib.config import EvaluateConfig
from ganlib.core.errors import BadInput
from ganlib.evaluation.distances import kernel_statistic
from ganlib.evaluation.needs import changes, fitted
from ganlib.evaluation.neighbours import radii
from tests.factories import evaluation
from tests.unit.evaluation.conftest import skewed

MNIST = {"train": 55_000, "validation": 5000, "test": 10_000}
sizes = st.fixed_dictionaries(
    {"train": st.integers(1, 20_000), "validation": st.integers(1, 2000), "test": st.integers(1, 4000)}
)
asked = st.builds(
    EvaluateConfig,
    samples=st.integers(100, 20_000),
    kid_subset_size=st.integers(40, 2000),
    neighbours=st.integers(1, 50),
)


@settings(max_examples=500)
@given(config=asked, counts=sizes)
def test_whatever_the_splits_settings_are_valid_and_no_larger_than_they_allow_or_the_advice_is_accepted(
    config: EvaluateConfig, counts: dict[str, int]
) -> None:
    try:
        got = fitted(config, counts)
    except BadInput as error:
        advised = {name: int(least) for name, least in re.findall(r"(train|validation|test) (\d+)", str(error))}
        assert advised.keys() == counts.keys()
        assert any(counts[name] < least for name, least in advised.items())
        got = fitted(config, counts := {name: max(counts[name], least) for name, least in advised.items()})
    assert EvaluateConfig.model_validate(got.model_dump()) == got, "each value is one that --set accepts"
    assert got.samples <= min(config.samples, counts["train"])
    assert got.kid_subset_size <= min(config.kid_subset_size, got.samples, counts["test"])
    assert got.neighbours < min(got.samples, counts["test"])
    assert fitted(got, counts) == got
    told = changes(config, got)
    assert (told is None) == (got == config)
    for name, value in re.findall(r"evaluate\.(\w+) ([\d,]+) instead", told or ""):
        assert getattr(got, name) == int(value.replace(",", ""))


def test_a_set_like_mnist_is_measured_as_asked() -> None:
    assert fitted(EvaluateConfig(), MNIST) == EvaluateConfig()
    assert changes(EvaluateConfig(), fitted(EvaluateConfig(), MNIST)) is None


def test_the_least_that_is_accepted_has_figures() -> None:
    got = fitted(EvaluateConfig(), {"train": 100, "validation": 10, "test": 40})
    ours, theirs = skewed(got.samples, 16, 1), skewed(40, 16, 2)
    kid = kernel_statistic(ours, theirs, subsets=5, size=got.kid_subset_size, seed=0)
    assert np.isfinite(kid(np.ones((1, 100)))).all()
    assert (radii(theirs, got.neighbours) > 0).all()


@pytest.mark.parametrize("name", ["kid_subsets", "kid_subset_size", "neighbours"])
def test_figures_by_other_settings_are_unlike_but_older_ones_do_not_say(name: str) -> None:
    now = {"kid_subsets": 50, "kid_subset_size": 1000, "neighbours": 5}
    ours = evaluation(**now)
    assert ours.unlike(evaluation(**now | {name: 3})) == (name,)
    assert ours.unlike(evaluation()) == ()
    config = EvaluateConfig(samples=ours.n, seed=ours.seed, **now)
    assert ours.is_by(config, ours.judge_sha256, ours.data_version)
    assert not ours.is_by(config.model_copy(update={name: 3}), ours.judge_sha256, ours.data_version)


def test_the_judges_agreement_is_told_only_where_it_is_poor() -> None:
    assert evaluation(judge_agreement=0.997).doubt is None
    assert "judge" not in evaluation(judge_agreement=0.97).summary().splitlines()[-1][:10]
    poor = evaluation(judge_agreement=0.0613)
    assert poor.summary().splitlines()[-1] == poor.doubt
    assert "agrees with 6.1% of the labels" in str(poor.doubt)
    assert evaluation().doubt is None, "measured before it was recorded"
