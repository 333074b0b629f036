"""What runs cost, as metrics of theirs: measured from their start, kept up to date, and still there after a kill."""

from __future__ import annotations

from collections.abc import Mapping

from ganlib.config import CostsConfig
from ganlib.core.cost import Cost, CostMeter
from ganlib.tracking import charts

CURRENCY_TAG = "ganlib.currency"
"""Of a run with an amount: what it is in."""


def of_run(metrics: Mapping[str, float], tags: Mapping[str, str], prices: CostsConfig) -> Cost | None:
    """Return what a run with these metrics and tags cost; None if it is from before that was measured.

    Its amount is the one that was settled when it ended, or, where that is in another currency or there was no price
    then, by ``prices``.
    """
    plain = {charts.plain(name): value for name, value in metrics.items()}
    if "wall_seconds" not in plain:
        return None
    cost = Cost(**{name: plain[name] for name in Cost.model_fields if name in plain})
    return prices.settle(cost, tags.get(CURRENCY_TAG))


def values(cost: Cost) -> dict[str, float]:
    """Return ``cost`` as metrics, by their names in MLflow; what is not known is left out."""
    return charts.of_group("cost", {name: value for name, value in cost if value is not None})


def currency_tag(prices: CostsConfig) -> dict[str, str]:
    """Return the tag of a run whose amount is by ``prices``; none without prices."""
    return {} if prices.all_unknown else {CURRENCY_TAG: prices.currency}


class RunMeter:
    """Measures this process for a run; a run that was resumed goes on from what it cost before."""

    def __init__(self, prices: CostsConfig, earlier: Cost | None = None) -> None:
        """Begin to measure."""
        self._prices, self._earlier, self.meter = prices, earlier or Cost(), CostMeter()

    def values(self) -> dict[str, float]:
        """Return the cost so far, as metrics."""
        return values(self._earlier + self._prices.settle(self.meter.read()))
