"""What a team pays, where it says so: energy, GPU time, people's time. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prices:
    """Each price is optional: what has none is left out of every sum.

    Attributes:
        currency: of all of them.
        per_kwh: a kWh of machine energy.
        per_labour_hour: an hour of people's time.
        per_gpu_hour: an hour of one rented GPU; beside `per_kwh`, so set one of the two where the
            rent holds the energy.
    """

    currency: str = "EUR"
    per_kwh: float | None = None
    per_labour_hour: float | None = None
    per_gpu_hour: float | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """Settings without which votes cannot be weighed in money."""
        found = []
        if self.per_labour_hour is None:
            found.append("JOULERY_LABOUR_PER_HOUR")
        if self.per_kwh is None and self.per_gpu_hour is None:
            found.append("JOULERY_TARIFF_PER_KWH (or JOULERY_GPU_HOUR_PRICE)")
        return tuple(found)

    def machine(self, energy_j: float, gpu_s: float = 0.0) -> float:
        """What machine energy and GPU time cost; what has no price counts as nothing."""
        return energy_j / 3.6e6 * (self.per_kwh or 0.0) + gpu_s / 3600 * (self.per_gpu_hour or 0.0)

    def labour(self, people_s: float) -> float:
        """What people's time costs."""
        return people_s / 3600 * (self.per_labour_hour or 0.0)

    def said(self, amount: float, u: float = 0.0) -> str:
        """An amount: `7.64 EUR`, `0.30 EUR ±0.02`, `less than 0.01 EUR`.

        Args:
            amount: of money.
            u: half-width of its 95 % interval; 0 = it has none, as people's time.
        """
        if 0 < abs(amount) < 0.005:
            return f"less than 0.01 {self.currency}"
        interval = f" ±{math.ceil(100 * u) / 100:.2f}" if u > 0 else ""  # never less than it is
        return f"{amount:.2f} {self.currency}{interval}"
