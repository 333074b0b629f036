"""The metrics. One is a file here that names its :class:`Metric` ``METRIC``; its file's name is the metric's.

A limit on it is a row of ``gate.limits`` in params.yaml (docs/adding-a-metric.md).
"""

from __future__ import annotations

import math
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from ganlib.evaluation.bootstrap import Interval
    from ganlib.evaluation.sample import Sample

_FIRST = ("fid", "kid")


@dataclass(frozen=True)
class Metric:
    """One figure of a set of images."""

    label: str
    """For people."""
    better: str
    """``higher``, ``lower``, ``near 1`` or ``near real``: which way is better."""
    compute: Callable[[Sample], np.ndarray]
    """The figure, then its bootstrap replicates: float64 [1 + replicates]."""
    least: float = -math.inf
    """What the figure, and so its interval, cannot be below."""
    of_classes: bool = False
    """Whether it needs a judge that knows classes; without one the figure is left out."""
    fault: str = ""
    """What the gate calls it when the figure is beyond its limit; empty: the label."""
    above_floor: bool = False
    """Whether the gate's limit holds for what goes beyond the figure of real images, which few images raise."""
    percent: bool = False
    """Whether it is a share that people read in percent."""

    def text(self, value: float) -> str:
        """Return ``value`` for people."""
        return f"{100 * value:.3g}%" if self.percent else f"{value:.3g}"

    def interval(self, figure: Interval) -> str:
        """Return ``figure`` with its interval for people."""
        return f"{self.text(figure.value)} [{self.text(figure.low)}, {self.text(figure.high)}]"


@cache
def metrics() -> dict[str, Metric]:
    """Return all metrics by name, FID and KID first."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    order = [*_FIRST, *sorted(name for name in names if name not in _FIRST)]
    return {name: import_module(f"{__name__}.{name}").METRIC for name in order}
