"""How often the gate promotes what is no better: the real gate, on challengers whose quality is known.

benchmarks/gate.py does the same at full size with the judge's features; docs/decisions/0004-gate.md has its figures.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from ganlib.config import GateConfig
from ganlib.evaluation.bootstrap import around, pack, resample
from ganlib.evaluation.distances import frechet_statistic, kernel_statistic, moments
from ganlib.registry.gate import decide
from ganlib.registry.version import Version
from tests import factories
from tests.unit.evaluation.conftest import skewed
from tests.unit.registry.test_gate import version

N, D, REPLICATES = 1000, 6, 100
CHALLENGERS = 200
LEVEL = GateConfig().level


@cache
def model(seed: int, like: int = 0, share: float = 0.0, shift: float = 0.1) -> Version:
    """A version whose features are draws of one distribution, whatever the seed, if ``shift`` is the same.

    ``like`` and ``share``: so much of it is a function of the same noise as that of another one.
    """
    own, common = skewed(N, D, 1000 + seed, shift), skewed(N, D, 1000 + like, shift)
    alike = np.random.default_rng(like).random(N) < share
    features = np.where(alike[:, None], common, own)
    values = resample(frechet_statistic(features, moments(skewed(N, D, 7))), N, replicates=REPLICATES, seed=1)
    fid = around(values, 0.95)
    found = factories.evaluation(fid.value).model_copy(update={"resampled": {"fid": pack(values[1:])}})
    return version(seed + 2, found)


def test_of_nets_no_better_than_the_champion_no_more_than_the_level_are_promoted() -> None:
    pairs = ((model(2 * at), model(2 * at + 1)) for at in range(CHALLENGERS))
    assert sum(decide(*pair, GateConfig()).promoted for pair in pairs) <= LEVEL * CHALLENGERS


def test_of_near_twins_no_better_than_the_champion_no_more_than_the_level_are_promoted() -> None:
    pairs = ((model(3000 + at, at, 0.9), model(at)) for at in range(CHALLENGERS))
    found = [decide(*pair, GateConfig()) for pair in pairs]
    assert sum(decision.promoted for decision in found) <= LEVEL * CHALLENGERS
    assert all(decision.improvement and decision.improvement.correlation > 0.5 for decision in found)


def test_two_hundred_challengers_one_after_another_do_not_wear_the_gate_down() -> None:
    def fallen(*, corrected: bool) -> int:
        """Champions of ten that some challenger displaces."""
        return sum(
            any(
                decide(model(at), model(1000 + champion), GateConfig(), tried * corrected).promoted
                for tried, at in enumerate(range(CHALLENGERS))
            )
            for champion in range(10)
        )

    assert fallen(corrected=True) <= 1  # half a one is expected at most
    assert fallen(corrected=False) > fallen(corrected=True)


def of_few(features: np.ndarray, seed: int) -> Version:
    """A version of so few images that the KID decides, against as few real ones as 300 images leave for the test."""
    statistic = kernel_statistic(features, skewed(42, D, 7), subsets=5, size=42, seed=1)
    values = resample(statistic, len(features), replicates=REPLICATES, seed=1)
    found = factories.evaluation(n=len(features), resampled={"kid": pack(values[1:])})
    figures = found.figures | {"kid": around(values, 0.95)}
    return version(seed + 2, found.model_copy(update={"figures": figures}))


def drawn_few(seed: int) -> np.ndarray:
    return skewed(237, D, 1000 + seed, 0.1)


def test_where_the_kid_decides_no_more_than_the_level_are_promoted() -> None:
    models = [of_few(drawn_few(at), at) for at in range(CHALLENGERS)]
    found = [decide(*pair, GateConfig()) for pair in zip(models[::2], models[1::2], strict=True)]
    assert {decision.improvement.metric for decision in found if decision.improvement} == {"kid"}
    assert sum(decision.promoted for decision in found) <= LEVEL * CHALLENGERS / 2


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda values: values[np.arange(237) % 5],
        lambda values: values * 0.4,
    ],
    ids=["collapsed", "blurred"],
)
def test_where_the_kid_decides_what_is_worse_is_refused(spoilt: Callable[[np.ndarray], np.ndarray]) -> None:
    champion = of_few(drawn_few(0), 0)
    found = [decide(of_few(spoilt(drawn_few(at)), at), champion, GateConfig()) for at in range(1, 21)]
    assert not any(decision.promoted for decision in found)
    assert np.mean([decision.improvement.value for decision in found if decision.improvement]) < 0


def test_challengers_that_are_better_are_promoted() -> None:
    assert all(decide(model(at), model(2000 + at, shift=0.4), GateConfig()).promoted for at in range(10))
