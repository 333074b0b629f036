"""What a line of progress says."""

from __future__ import annotations

import io

import pytest

from ganlib.progress import Lines, words


@pytest.mark.parametrize(
    ("value", "text"),
    [(11_543.2, "11,543"), (999.96, "1,000"), (3.14159, "3.142"), (0.0002, "0.0002"), (-4321.0, "-4,321"), (7, "7")],
)
def test_numbers_are_told_as_people_write_them(value: float, text: str) -> None:
    assert words({"images/s": value}) == f"images/s {text}"


def test_what_is_no_number_and_what_has_no_end_are_told_as_well() -> None:
    assert words({"loss": float("inf"), "note": "wait", "step": float("nan")}) == "loss inf note wait step nan"


def test_a_stage_tells_its_end_and_what_it_knows() -> None:
    out = io.StringIO()
    with Lines(out) as report:
        report("generate", 5, 10, {"images/s": 12_000.0})
        report("generate", 6, 10)
        report("generate", 10, 10, {"images/s": 12_500.0})
    assert out.getvalue().splitlines() == ["  generate:  50% images/s 12,000", "  generate: 100% images/s 12,500"]
