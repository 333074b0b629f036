"""The gate as a truth table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganlib.config import GateConfig, Limit
from ganlib.evaluation.bootstrap import pack
from ganlib.evaluation.evaluate import Evaluation, Interval
from ganlib.export.contract import Contract, TensorType
from ganlib.registry.gate import Decision, decide
from ganlib.registry.rivals import spend
from ganlib.registry.version import Version
from tests.factories import EVEN, certificate, delivery, evaluation, replicates

NOISE = Contract(inputs={"noise": TensorType(dtype="float32", dims=(None, 8))})
LABELLED = Contract(inputs={**NOISE.inputs, "label": TensorType(dtype="int64", dims=(None,))})


def version(number: int, found: Evaluation | None, difference: int = 0, contract: Contract | None = NOISE) -> Version:
    return Version(
        name="m",
        version=number,
        aliases=(),
        family="dcgan",
        fid=found.fid.value if found else None,
        sha256="0" * 64,
        run_id="run",
        data_version="d",
        created="2026-01-01T00:00:00+00:00",
        evaluation=found,
        certificate=certificate(difference),
        contract=contract,
    )


def changed(**values: float) -> dict[str, Interval]:
    """The figures of a very good model, but for these."""
    return evaluation(1).figures | {
        name: Interval.model_construct(value=value, low=value, high=value) for name, value in values.items()
    }


def failed(decision: Decision) -> set[str]:
    return {check.name for check in decision.checks if not check.passed}


def gate(challenger: Version, champion: Version | None) -> Decision:
    return decide(challenger, champion, GateConfig())


def test_the_first_sound_version_is_promoted() -> None:
    assert gate(version(1, evaluation()), None).promoted


def test_of_few_images_the_evidence_is_the_kid_beside_real_images_and_says_why() -> None:
    details = {n: gate(version(1, evaluation(n=n)), None).checks[0].detail for n in (237, 10_000)}
    assert details[237].startswith("KID 0.1 [0.09, 0.11] of 237 images, 0.5 [0.4, 0.6] of as many real ones")
    assert "of fewer than 5,000 images the KID decides" in details[237]
    assert (
        details[10_000]
        == "FID 10 [9.5, 10.5] of 10,000 images, 0.5 [0.4, 0.6] of as many real ones, judge jjjjjjjjjjjj"
    )


def test_a_clearly_better_version_is_promoted() -> None:
    assert gate(version(2, evaluation(5)), version(1, evaluation(10))).promoted


@pytest.mark.parametrize("fid", [10.0, 9.8, 9.4, 11.0])
def test_an_improvement_that_chance_may_have_made_is_no_evidence(fid: float) -> None:
    assert failed(gate(version(2, evaluation(fid)), version(1, evaluation(10)))) == {"better"}


def test_the_lower_bound_of_the_improvement_decides() -> None:
    decision = gate(version(2, evaluation(9.0)), version(1, evaluation(10)))
    found = decision.improvement
    assert decision.promoted
    assert found
    assert found.value == pytest.approx(1.0)
    # Two independent figures, each with a standard deviation of 0.5 / 1.96, at half of the level: 1.96 of both.
    assert found.bound == pytest.approx(1 - np.sqrt(2) * 0.5, abs=0.06)
    assert found.level == 0.025
    asking = GateConfig(min_improvement=found.bound + 0.01)
    assert failed(decide(version(2, evaluation(9.0)), version(1, evaluation(10)), asking)) == {"better"}


def test_figures_that_move_together_are_told_apart_where_their_intervals_overlap() -> None:
    apart, noise = 0.1, replicates(10, 0.5)
    twin = evaluation(10 - apart, resampled={"fid": pack(noise - apart + 0.01 * replicates(0, 0.5))})
    champion = version(1, evaluation(10, resampled={"fid": pack(noise)}))
    decision = gate(version(2, twin), champion)
    assert decision.promoted
    assert decision.improvement
    assert decision.improvement.correlation > 0.99
    assert failed(gate(version(2, evaluation(10 - apart)), champion)) == {"better"}


def test_each_challenger_since_the_last_promotion_makes_the_next_one_show_more() -> None:
    better, champion = version(2, evaluation(9.2)), version(1, evaluation(10))
    bounds = [decide(better, champion, GateConfig(), tried).improvement for tried in (0, 1, 5, 200)]
    assert [found.bound for found in bounds if found] == sorted((f.bound for f in bounds if f), reverse=True)
    assert decide(better, champion, GateConfig(), 0).promoted
    refused = decide(better, champion, GateConfig(), 5)
    assert failed(refused) == {"better"}
    assert "5 before this one" in refused.summary()
    chosen = better.model_copy(update={"candidates": 6})
    assert failed(decide(chosen, champion, GateConfig(), 0)) == {"better"}


@given(turns=st.lists(st.integers(1, 20), min_size=1, max_size=200))
def test_all_that_challengers_spend_never_exceeds_the_level(turns: list[int]) -> None:
    tried, spent = 0, 0.0
    for candidates in turns:
        spent += candidates * spend(0.05, tried, candidates)  # Bonferroni: each of them has that chance
        tried += candidates
    assert spent <= 0.05


@pytest.mark.parametrize("text", ["", "person's note", pack(np.full(500, np.nan)), pack(np.ones(20))])
def test_without_replicates_that_fit_nothing_is_known_and_the_command_is_named(text: str) -> None:
    decision = gate(version(2, evaluation(5)), version(1, evaluation(10, resampled={"fid": text})))
    assert failed(decision) == {"better"}
    assert "ganlib evaluate 1 --record" in decision.summary()


@pytest.mark.parametrize(
    ("names", "changes"),
    [
        ("diversity", {"figures": changed(diversity=0.3)}),
        ("diversity", {"figures": changed(diversity=float("nan"))}),
        ("memorisation", {"figures": changed(copies=0.2)}),
        ("latency", {"delivery": delivery(latency_ms=400.0)}),
        ("size", {"delivery": delivery(bytes=10**9)}),
        ("memorisation", {"figures": {name: each for name, each in changed().items() if name != "copies"}}),
        ("mode collapse", {"figures": changed(class_excess=float("nan"))}),
        ("class balance", {"figures": changed(class_distance=0.41)}),
        ("evidence, latency, size", {"delivery": None}),
    ],
)
def test_hard_limits_cannot_be_bought_off_by_a_good_mean(names: str, changes: dict[str, object]) -> None:
    assert failed(gate(version(2, evaluation(1, **changes)), version(1, evaluation(10)))) == set(names.split(", "))
    assert failed(gate(version(2, evaluation(1, **changes)), None)) == set(names.split(", "))


def test_a_judge_that_does_not_know_the_data_is_told_and_decides_nothing() -> None:
    for known, said in ((0.061, True), (0.997, False), (None, False)):
        decision = gate(version(1, evaluation(judge_agreement=known)), None)
        assert decision.promoted
        assert ("the judge agrees with 6.1% of the labels" in decision.summary()) == said


@pytest.mark.parametrize(
    "changes",
    [
        {"data_version": "other"},
        {"judge_sha256": "other"},
        {"metric_version": 2},
        {"n": 5000},
        {"seed": 2},
        {"level": 0.5},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_figures_of_another_measure_are_not_comparable(changes: dict[str, object]) -> None:
    decision = gate(version(2, evaluation(5, **changes)), version(1, evaluation(10)))
    assert failed(decision) == {"comparable"}
    assert "not comparable" in decision.summary()
    assert "re-evaluate" in decision.summary()
    assert next(iter(changes)) in decision.summary()


def test_a_champion_that_a_person_registered_without_evidence_is_not_comparable() -> None:
    assert "comparable" in failed(gate(version(2, evaluation(5)), version(1, None)))


def test_broken_parity_cannot_be_bought_off_by_a_good_mean() -> None:
    assert failed(gate(version(2, evaluation(1), difference=2), version(1, evaluation(10)))) == {"parity"}
    assert gate(version(2, evaluation(1), difference=1), version(1, evaluation(10))).promoted


def test_a_sibling_is_held_to_its_parent_and_its_own_limit_cannot_be_bought_off_either() -> None:
    def sibling(mean: float) -> Version:
        off = certificate(40).model_copy(update={"mean_difference": mean, "parent": "1" * 64})
        return version(2, evaluation(1)).model_copy(update={"certificate": off})

    limit = GateConfig().max_sibling_difference
    assert gate(sibling(limit), version(1, evaluation(10))).promoted
    refused = gate(sibling(limit + 0.01), version(1, evaluation(10)))
    assert failed(refused) == {"parity"}
    assert "off its parent's" in refused.summary()
    assert failed(gate(sibling(float("nan")), None)) == {"parity"}


def test_collapse_cannot_be_bought_off_by_a_good_mean() -> None:
    leaning = (0.31, *(0.69 / 9,) * 9)
    assert failed(gate(version(2, evaluation(1, class_shares=leaning)), None)) == {"mode collapse"}
    assert gate(version(2, evaluation(1, class_shares=EVEN)), None).promoted


def test_without_classes_their_checks_vanish_and_say_so() -> None:
    none = {"class_names": (), "class_shares": (), "real_class_shares": (), "confidence": None}
    bare = {name: each for name, each in evaluation(1).figures.items() if not name.startswith("class_")}
    decision = gate(version(1, evaluation(1, figures=bare, **none)), None)
    assert decision.promoted
    assert decision.summary().count("the judge knows no classes") == 2, decision.summary()


def test_what_real_images_have_of_it_is_no_fault_of_the_model() -> None:
    floors = evaluation().floors | {"class_distance": Interval(value=0.2, low=0.2, high=0.2)}
    assert gate(version(1, evaluation(1, figures=changed(class_distance=0.5), floors=floors)), None).promoted


def test_of_few_images_the_kid_decides_and_the_report_says_so() -> None:
    def small(kid: float) -> Version:
        figures_of_it = evaluation(5).figures | {"kid": Interval(value=kid, low=kid - 0.01, high=kid + 0.01)}
        kept = {"kid": pack(replicates(kid, 0.01))}
        return version(1 + int(kid < 0.3), evaluation(5, n=300, figures=figures_of_it, resampled=kept))

    better = gate(small(0.2), small(0.4))
    assert better.promoted
    assert better.improvement
    assert better.improvement.metric == "kid"
    assert better.improvement.value == pytest.approx(0.2)
    assert "KID, which decides where fewer than 5,000 images (300) are drawn" in better.summary()
    assert failed(gate(small(0.4), small(0.2))) == {"better"}


def test_a_limit_is_lifted_by_null_and_an_unknown_one_is_refused_by_name() -> None:
    poor = version(1, evaluation(1, figures=changed(copies=0.9)))
    assert decide(poor, None, GateConfig(limits={"copies": None})).promoted
    wrong = decide(poor, None, GateConfig(limits={"copies": None, "beauty": {"at_least": 1}}))
    assert failed(wrong) == {"beauty"}
    assert "Known: fid, kid" in wrong.summary()


def test_a_policy_of_an_old_ledger_asks_for_what_it_asked_for() -> None:
    old = {"level": 0.05, "max_digit_share": 0.3, "min_diversity": 0.4, "max_copies": 0.01, "max_latency_ms": 9}
    limits = GateConfig.model_validate(old).limits
    assert limits["class_excess"] == Limit(at_most=3.0)
    assert limits["diversity"] == Limit(at_least=0.4)
    assert limits["copies"] == Limit(at_most=0.01)
    assert limits["latency_ms"] == Limit(at_most=9)
    assert limits["class_distance"] is None


def test_a_version_that_would_break_consumers_is_refused() -> None:
    assert failed(gate(version(2, evaluation(5), contract=NOISE), version(1, evaluation(10), contract=LABELLED))) == {
        "contract"
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_figure_that_is_not_a_number_is_refused_even_with_no_champion(value: float) -> None:
    broken = evaluation(figures=changed(fid=value))
    assert "evidence" in failed(gate(version(1, broken), None))


def test_a_version_without_evidence_is_refused_even_with_no_champion() -> None:
    assert "evidence" in failed(gate(version(1, None), None))


def test_a_model_of_a_training_that_broke_is_refused_even_with_the_better_figures() -> None:
    broken = version(2, evaluation(1)).model_copy(update={"unhealthy": "mode collapse"})
    decision = gate(broken, version(1, evaluation(10)))
    assert failed(decision) == {"health"}
    assert "its training broke: mode collapse" in decision.summary()


def test_the_report_names_every_check() -> None:
    decision = gate(version(2, evaluation(12), difference=3), version(1, evaluation(10)))
    for check in decision.checks:
        assert check.name in decision.markdown()
        assert check.detail in decision.summary()
    assert Decision.model_validate_json(decision.model_dump_json()) == decision


def test_what_waits_for_a_person_is_not_called_refused() -> None:
    refused = gate(version(1, None), None)
    promoted = gate(version(1, evaluation(10)), None)
    waits = promoted.model_copy(update={"promoted": False, "awaiting": True})
    assert [each.outcome for each in (refused, promoted, waits)] == ["refused", "promoted", "awaiting approval"]
