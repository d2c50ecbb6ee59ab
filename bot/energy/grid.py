"""What a kWh of a country's grid emits. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grid:
    """A grid's intensity: a year's average of what was produced there, not of what was bought.

    Attributes:
        g_per_kwh: grams of CO2e per kWh.
        year: of the data; None where the table does not say.
        place: `Germany`, `United States, california`.
        country: three-letter ISO code.
        source: whose table.
    """

    g_per_kwh: float
    year: int | None
    place: str
    country: str
    source: str

    @property
    def said(self) -> str:
        """`381 g/kWh (Germany, 2023 average, location-based)`."""
        year = f"{self.year} average" if self.year else "average, year not stated"
        return f"{self.g_per_kwh:.0f} g/kWh ({self.place}, {year}, location-based)"
