"""What computing costs here."""

from __future__ import annotations

from pydantic import Field

from ganlib.core.cost import Cost
from ganlib.core.record import Record


class CostsConfig(Record):
    """Prices (docs/observation.md); where all are null, no amounts are told."""

    currency: str = Field("EUR", pattern=r"^[A-Z]{3}$", description="of the prices, by its ISO 4217 code")
    cpu_hour: float | None = Field(None, ge=0, description="price of an hour of one busy processor core")
    gpu_hour: float | None = Field(None, ge=0, description="price of an hour that a GPU is held")
    kwh: float | None = Field(None, ge=0, description="price of a kilowatt hour, where energy can be measured")

    @property
    def all_unknown(self) -> bool:
        """Whether there is no price at all."""
        return self.cpu_hour is self.gpu_hour is self.kwh is None

    def price(self, cost: Cost) -> float | None:
        """Return what ``cost`` comes to; None: there are no prices. What was not measured is not in it."""
        if self.all_unknown:
            return None
        hours = cost.cpu_seconds / 3600 * (self.cpu_hour or 0) + cost.gpu_seconds / 3600 * (self.gpu_hour or 0)
        return hours + (cost.kwh or 0) * (self.kwh or 0)

    def settle(self, cost: Cost, currency: str | None = None) -> Cost:
        """Return ``cost`` with its amount: the one that it has, if it is in our ``currency``, else by these prices."""
        if cost.money is not None and currency == self.currency:
            return cost
        return cost.model_copy(update={"money": self.price(cost)})
