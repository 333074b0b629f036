"""By how much the figures of two models differ, and how sure that is."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from ganlib.core.record import Record
from ganlib.evaluation.bootstrap import Interval, difference, unpack
from ganlib.evaluation.evaluate import Evaluation
from ganlib.jobs.measuring.evaluate import REPLICATES
from ganlib.tracking import history
from ganlib.tracking.store import MlflowStore

_NOT_THE_MODEL_S = {"threads", "max_pixel_difference", "differing_share", "mean_pixel_difference"}
"""Of the data, of the machine, and of parity with torch or with a parent: other things for the two models."""
_SEVEN_DIGITS = 1e-6  # what float32 keeps of a figure

Replicates = Mapping[str, np.ndarray]
"""float64 [1 + replicates] by figure: the figure itself, then its replicates."""


class Delta(Record):
    """One figure of both."""

    name: str
    a: float
    b: float
    change: float
    """``b - a``."""
    low: float | None
    high: float | None
    """The change's interval; None where a figure has none."""
    paired: bool = False
    """By a paired bootstrap. Otherwise from the ends of the two intervals, so wider than it need be."""

    def bounds(self) -> str:
        """Return the interval in words; empty if there is none."""
        if self.low is None or self.high is None:
            return ""
        return f"[{self.low:+.3g}, {self.high:+.3g}]{'' if self.paired else ' unpaired'}"


def deltas(
    a: Evaluation | None, b: Evaluation | None, ours: Replicates | None = None, theirs: Replicates | None = None
) -> tuple[Delta, ...]:
    """Return a row for each figure that both have.

    Args:
        a: of one model.
        b: of the other.
        ours: replicates of ``a``, as :func:`replicates` reads them.
        theirs: of ``b``. Replicates of evaluations by different measures are not paired.
    """
    if a is None or b is None:
        return ()
    left, right = _figures(a), _figures(b)
    pairs = {} if a.unlike(b) else _pairs(_with_fid(a, ours), _with_fid(b, theirs), a.level)
    return tuple(_delta(name, left[name], right[name], pairs.get(name)) for name in left if name in right)


def replicates(store: MlflowStore, run_id: str | None, evaluation: Evaluation | None) -> Replicates:
    """Return what the run keeps of ``evaluation``; empty if it keeps none, or those of another evaluation."""
    if run_id is None or evaluation is None:
        return {}
    try:
        texts = json.loads(history.text(store, run_id, REPLICATES) or "{}")
        by_name = {str(name): unpack(text) for name, text in texts.items()}
    except (ValueError, AttributeError, TypeError):  # an artifact can be overwritten
        return {}
    fid = by_name.get("fid", np.empty(0))
    same = len(fid) > 0 and np.isclose(fid[0], evaluation.fid.value, rtol=_SEVEN_DIGITS, atol=0)
    return by_name if same else {}


def _with_fid(evaluation: Evaluation, others: Replicates | None) -> Replicates:
    """The replicates, with those of the FID and the KID that an evaluation carries itself."""
    own = {name: np.append(evaluation.figures[name].value, unpack(text)) for name, text in evaluation.resampled.items()}
    return {**own, **(others or {})}


def _pairs(ours: Replicates, theirs: Replicates, level: float) -> dict[str, Interval]:
    both = {name: difference(ours[name], theirs[name], level) for name in ours if name in theirs}
    return {name: pair for name, pair in both.items() if pair}


def _delta(name: str, a: Interval | float, b: Interval | float, pair: Interval | None) -> Delta:
    low = high = None
    if pair:
        low, high = pair.low, pair.high
    elif isinstance(a, Interval) and isinstance(b, Interval):
        low, high = b.low - a.high, b.high - a.low
    x, y = (each.value if isinstance(each, Interval) else each for each in (a, b))
    return Delta(name=name, a=x, b=y, change=y - x, low=low, high=high, paired=pair is not None)


def _figures(evaluation: Evaluation) -> dict[str, Interval | float]:
    """Return all that was measured of the model, by name; floors and settings are not the model's."""
    figures: dict[str, Interval | float] = dict(evaluation.figures)
    figures |= {f"agreement: {name}": share for name, share in evaluation.agreement.items()}
    if evaluation.confidence is not None:
        figures["confidence"] = evaluation.confidence
    if evaluation.delivery:
        costs = evaluation.delivery.model_dump(exclude={"machine", "speedups"} | _NOT_THE_MODEL_S, exclude_none=True)
        figures |= costs
    return figures
