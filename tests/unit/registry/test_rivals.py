"""A version that is as good as the champion and faster, where the policy takes such."""

from __future__ import annotations

import pytest

from ganlib.config import GateConfig
from ganlib.evaluation.bootstrap import Interval, pack
from ganlib.evaluation.evaluate import Evaluation, Speedup
from ganlib.registry.gate import Decision, decide
from ganlib.registry.rivals import spend
from ganlib.registry.version import Version
from tests.factories import delivery, evaluation, replicates
from tests.unit.registry.test_gate import failed, version

SPEED = GateConfig(prefer="speed_at_equal_quality")
NOISE = replicates(10, 0.5)
FLOOR = 0.5  # of the factories' evaluations
MARGIN = 0.05 * 10 + FLOOR


def speedup(least: float = 3.0, rival: str = "0" * 64, threads: int = 1) -> Speedup:
    return Speedup(
        rival=rival, value=least + 0.1, least=least, most=least + 0.3, rounds=5, threads=threads,
        images_per_second=9000.0, machine="a machine",
    )  # fmt: skip


def student(fid: float, *speedups: Speedup, spread: float = 0.0) -> Version:
    """A version whose replicates move with the champion's, but for ``spread``."""
    noise = NOISE + fid - 10 + spread * replicates(0, 1.96)
    found: Evaluation = evaluation(
        fid, resampled={"fid": pack(noise)}, delivery=delivery(speedups=speedups or (speedup(),))
    )
    return version(2, found)


def gate(challenger: Version, policy: GateConfig = SPEED, comparisons: int = 0) -> Decision:
    return decide(challenger, version(1, evaluation(10, resampled={"fid": pack(NOISE)})), policy, comparisons)


@pytest.mark.parametrize(("fid", "passes"), [(10.0, True), (10.9, True), (10.99, True), (11.01, False), (12.0, False)])
def test_the_margin_is_a_share_of_the_champion_s_fid_and_what_real_images_have(fid: float, passes: bool) -> None:
    decision = gate(student(fid))
    assert decision.promoted is passes
    assert failed(decision) == (set() if passes else {"faster at equal quality"})
    detail = decision.checks[-1].detail
    assert f"must be less than {MARGIN:g} higher: 5% of the champion's and what real images have" in detail
    assert "3.1 [3, 3.3] times its images/s on one thread, of which all must be at least 1.5" in detail
    assert "gate.prefer is speed_at_equal_quality" in detail


def test_by_default_no_speed_makes_up_for_a_figure_that_is_no_better() -> None:
    decision = gate(student(10.0), GateConfig())
    assert failed(decision) == {"better"}


def test_what_is_better_beyond_doubt_passes_as_such_however_slow() -> None:
    decision = gate(student(9.0, speedup(0.5)))
    assert decision.promoted
    assert decision.checks[-1].name == "better"


@pytest.mark.parametrize(
    ("speedups", "words"),
    [
        ((speedup(1.4),), "1.5 [1.4, 1.7] times its images/s on one thread"),
        ((speedup(3.0), speedup(1.4, threads=2)), "1.5 [1.4, 1.7] times its images/s on 2 threads"),
        ((speedup(rival="a" * 64),), "beside version 1 was not measured, re-evaluate: ganlib evaluate 2 --record"),
    ],
)
def test_every_timing_beside_this_champion_must_be_fast_enough(speedups: tuple[Speedup, ...], words: str) -> None:
    decision = gate(student(10.0, *speedups))
    assert failed(decision) == {"faster at equal quality"}
    assert words in decision.checks[-1].detail


def test_the_upper_bound_of_the_loss_decides_and_the_level_is_spent_on_it_as_on_any_comparison() -> None:
    """At 10.5 with a standard deviation of 0.2: below 11 at the first challenger's 1.96, not at the fifth's 2.94."""
    candidate = student(10.5, spread=0.2)
    first, fifth = gate(candidate), gate(candidate, comparisons=4)
    assert first.promoted
    assert not fifth.promoted
    assert first.improvement
    assert fifth.improvement
    assert -first.improvement.bound == pytest.approx(0.5 + 1.96 * 0.2, abs=0.03)
    assert (first.improvement.level, fifth.improvement.level) == (spend(0.05, 0), spend(0.05, 4))
    assert "at level 0.0017" in fifth.checks[-1].detail


def test_of_few_images_the_kid_has_the_margin_and_a_negative_floor_takes_nothing_from_it() -> None:
    kid = replicates(0.1, 0.001)
    change = {"resampled": {"kid": pack(kid)}, "n": 300}
    base = evaluation(10, **change)
    floors = {**base.floors, "kid": Interval(value=-0.01, low=-0.02, high=0.0)}
    champion = base.model_copy(update={"floors": floors})
    for kid_value, passes in ((0.104, True), (0.106, False)):
        figures = {**base.figures, "kid": Interval(value=kid_value, low=0.1, high=0.11)}
        ours = base.model_copy(
            update={
                "figures": figures,
                "floors": floors,
                "resampled": {"kid": pack(kid + kid_value - 0.1)},
                "delivery": delivery(speedups=(speedup(),)),
            }
        )
        decision = decide(version(2, ours), version(1, champion), SPEED)
        assert (decision.checks[-1].passed, decision.checks[-1].name) == (passes, "faster at equal quality")


def test_limits_hold_whatever_the_speed() -> None:
    slow = student(10.0)
    assert slow.evaluation
    bad = slow.model_copy(update={"unhealthy": "mode collapse"})
    assert failed(gate(bad)) == {"health"}
