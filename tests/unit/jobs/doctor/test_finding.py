"""When a diagnosis is good, and how it reads."""

from __future__ import annotations

from ganlib.jobs.doctor.finding import Diagnosis, HealthFinding


def test_what_was_mended_is_no_problem_any_more() -> None:
    good = HealthFinding(subject="disk", state="ok", words="there is room")
    bad = HealthFinding(subject="runs", state="problem", words="killed", cure="end them")
    assert Diagnosis(findings=(good,)).ok
    assert not Diagnosis(findings=(good, bad)).ok
    assert Diagnosis(findings=(good, bad.model_copy(update={"cured": True}))).ok


def test_each_cure_stands_below_its_subject() -> None:
    bad = HealthFinding(subject="runs", state="problem", words="killed", cure="end them")
    assert Diagnosis(findings=(bad,)).summary() == "!  runs  killed\n         -> end them"
