"""What joules and people come to in CO2e and in money, where a country and prices are set. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot import words
from bot.energy.effort import People
from bot.energy.grid import Grid
from bot.energy.prices import Prices
from storage import energy
from storage.models import EnergyBaseline, EnergySum, Run

ELECTRICITY = "electricity"


@dataclass(frozen=True, slots=True)
class Place:
    """Where joules are spent, and what things cost there.

    Attributes:
        grid: None where no country is set.
        pue: what the building adds to IT energy; None = not applied.
        prices: those that are set.
        device_w: of a voter's device.
    """

    prices: Prices
    device_w: float
    grid: Grid | None = None
    pue: float | None = None


@dataclass(frozen=True, slots=True)
class Costs:
    """Machine energy and what people took, as CO2e and as money.

    Attributes:
        total: machine energy (IT).
        gpu_s: GPU time.
        people: what voting took.
        place: where.
    """

    total: energy.EnergyTotal
    gpu_s: float
    people: People
    place: Place

    @classmethod
    def of(cls, parts: Sequence[EnergySum], people: People, place: Place) -> Costs:
        """Of some parts of the ledger."""
        return cls(energy.total(parts), energy.gpu_s(parts), people, place)

    @property
    def device_j(self) -> float:
        """Of people's devices: an estimate."""
        return self.people.seconds * self.place.device_w

    @property
    def co2_g(self) -> tuple[float, float] | None:
        """Grams of CO2e and half of their 95 % interval; None where they are not known.

        The building adds nothing to devices.

        The grid's own uncertainty is in no table and not in the interval.
        """
        grid = self.place.grid
        if grid is None or self.total.is_unknown:
            return None
        it = energy.co2_g(1.0, grid.g_per_kwh, self.place.pue or 1.0)
        device = energy.co2_g(self.device_j, grid.g_per_kwh)
        u_g = ((it * self.total.u_j) ** 2 + (words.DEVICE_U * device) ** 2) ** 0.5
        return it * self.total.energy_j + device, u_g

    @property
    def lines(self) -> list[tuple[str, float]]:
        """(what, amount of money) for everything that has a price."""
        prices, found = self.place.prices, []
        if prices.per_kwh is not None and not self.total.is_unknown:
            found.append((ELECTRICITY, self.total.energy_j / 3.6e6 * prices.per_kwh))
        if prices.per_gpu_hour is not None:
            found.append(("GPU time", self.gpu_s / 3600 * prices.per_gpu_hour))
        if prices.per_labour_hour is not None:
            found.append(("people's time", prices.labour(self.people.seconds)))
        return found

    def said(self) -> list[str]:
        """A line on CO2e, a line on money; none where nothing is set."""
        lines, co2, grid = [], self.co2_g, self.place.grid
        if co2 is not None and grid is not None:
            pue = self.place.pue
            building = f"PUE {pue:g}" if pue else "PUE not applied"
            lines.append(
                f"{words.sign(self.total)}{words.carbon(*co2)}: machines ({building}) and voters' devices at {grid.said}, "
                f"{grid.source}"
            )
        if self.lines:
            lines.append(f"Cost: {', '.join(self._line_said(*line) for line in self.lines)}")
        return lines

    def _line_said(self, what: str, amount: float) -> str:
        """A price that rests on joules is as well known as they are."""
        prices, total = self.place.prices, self.total
        if what != ELECTRICITY:
            return f"{what} {prices.said(amount)}"
        shown = prices.said(amount, total.u_j / 3.6e6 * (prices.per_kwh or 0.0))
        how = " (estimated)" if words.sign(total) else ""
        return f"{what} {words.sign(total)}{shown}{how}"

    def as_json(self) -> dict[str, Any]:
        """`carbon` and `cost` of a report; null where nothing is set."""
        co2, grid = self.co2_g, self.place.grid
        carbon = None
        if co2 is not None and grid is not None:
            carbon = {
                "g": co2[0], "u_g": co2[1], "g_per_kwh": grid.g_per_kwh, "year": grid.year,
                "place": grid.place, "country": grid.country, "source": grid.source,
                "method": "location-based", "pue": self.place.pue,
            }  # fmt: skip
        cost = {"currency": self.place.prices.currency, **dict(self.lines)} if self.lines else None
        return {"carbon": carbon, "cost": cost}


@dataclass(frozen=True, slots=True)
class Account:
    """All that is booked on a run."""

    run: Run
    parts: Sequence[EnergySum]
    baselines: Sequence[EnergyBaseline]
    costs: Costs
