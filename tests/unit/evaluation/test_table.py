"""An evaluation as people read it."""

from __future__ import annotations

from ganlib.evaluation.table import lines, note
from tests.factories import EVEN, evaluation


def test_fid_and_kid_come_first_in_whatever_order_they_were_kept() -> None:
    kept = evaluation()
    turned = kept.model_copy(update={"figures": dict(sorted(kept.figures.items(), reverse=True))})
    assert [line.name for line in lines(turned)[:2]] == ["FID", "KID"]
    assert lines(turned) == lines(kept)


def test_shares_of_classes_stand_beside_the_data_s_own() -> None:
    made = evaluation(class_shares=(0.3, 0.0, *EVEN[:7], 0.0), real_class_shares=(0.19, 0.01, *EVEN[:8]))
    (line,) = (line for line in lines(made) if line.name == "classes")
    assert line.value.startswith("0: 30.0%  1: 0.0%  2: 10.0%")
    assert line.real.startswith("0: 19.0%  1: 1.0%  2: 10.0%")


def test_what_decides_is_told_where_it_is_not_the_fid() -> None:
    assert "the KID decides" in note(evaluation(n=300))
    assert "decides" not in note(evaluation())
