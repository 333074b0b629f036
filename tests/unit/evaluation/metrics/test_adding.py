"""The metric of docs/adding-a-metric.md, as a newcomer would add it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from ganlib.config import EvaluateConfig, GateConfig
from ganlib.evaluation import metrics as room
from ganlib.evaluation.bootstrap import Interval
from ganlib.evaluation.judge.judge import JudgeOutput
from ganlib.evaluation.neighbours import radii
from ganlib.evaluation.reference import summarise
from ganlib.evaluation.sample import RealImages, Sample
from ganlib.registry.gate import decide
from tests.conftest import ROOT
from tests.factories import evaluation
from tests.unit.evaluation.conftest import skewed
from tests.unit.registry.test_gate import version

PAGE = (ROOT / "docs/adding-a-metric.md").read_text(encoding="utf-8")
CONFIG = EvaluateConfig(bootstrap=50, neighbours=3)


@pytest.fixture
def confusion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The page's code as a file of the package."""
    (tmp_path / "confusion.py").write_text(block("python"), encoding="utf-8")
    monkeypatch.setattr(room, "__path__", [*room.__path__, str(tmp_path)])
    room.metrics.cache_clear()
    yield "confusion"
    room.metrics.cache_clear()


def block(language: str) -> str:
    """The page's one block of code in ``language``."""
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(code)


def sample(unsure: int, n: int = 200) -> Sample:
    """``n`` images of which the judge is unsure about the first ``unsure``."""
    probabilities = np.tile(np.array([0.9, 0.05, 0.05], np.float32), (n, 1))
    probabilities[:unsure] = (0.4, 0.3, 0.3)
    test = skewed(100, 4, 1)
    far = np.full(100, 1.0)
    real = RealImages(test, skewed(100, 4, 2), probabilities[:100], np.zeros(100, np.int64), far, far)
    return Sample(JudgeOutput(skewed(n, 4, 3), probabilities), real, radii(test, 3), CONFIG)


def test_one_file_is_listed_and_measured_with_an_interval(confusion: str) -> None:
    metric = room.metrics()[confusion]
    figure = summarise({confusion: metric.compute(sample(60))}, 0.95)[confusion]
    assert figure.value == pytest.approx(0.3)
    assert 0.2 < figure.low < 0.3 < figure.high < 0.4
    assert metric.compute(sample(0))[0] == 0


@pytest.mark.parametrize(("share", "passes"), [(0.05, True), (0.3, False)])
def test_one_row_makes_the_gate_hold_models_to_it(confusion: str, share: float, passes: bool) -> None:
    row = yaml.safe_load(block("yaml"))["gate"]["limits"]
    assert list(row) == [confusion]
    figure = Interval(value=share, low=share - 0.02, high=share + 0.02)
    good = evaluation()
    measured = good.model_copy(update={"figures": good.figures | {confusion: figure}})
    decision = decide(version(1, measured), None, GateConfig(limits=row))
    (check,) = [each for each in decision.checks if each.name == confusion]
    assert (check.passed, decision.promoted) == (passes, passes)
    assert "unsure images" in check.detail
    assert "at most 10%" in check.detail


def test_a_record_of_before_is_refused_with_the_command_that_measures_it(confusion: str) -> None:
    row = yaml.safe_load(block("yaml"))["gate"]["limits"]
    good = evaluation()
    old = good.model_copy(update={"figures": {k: v for k, v in good.figures.items() if k != confusion}})
    (check,) = [each for each in decide(version(1, old), None, GateConfig(limits=row)).checks if each.name == confusion]
    assert not check.passed
    assert "ganlib evaluate 1 --record" in check.detail
