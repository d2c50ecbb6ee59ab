"""What a run may spend at most: `0.5kWh`, `90min`, `0.2kgCO2e`. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from bot import words

WARN_AT = 0.8
"""Share of a budget at which its run's thread hears of it."""
WORTH_A_NUMBER = 0.001
"""Share of a budget from which on it is put into figures."""
_AMOUNT = re.compile(r"\s*(\d+(?:[.,]\d+)?|\.\d+)\s*([A-Za-z0-9]+)\s*\Z")


class BudgetError(Exception):
    """It is no budget; the text names it and says how one is written."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a budget counts.

    Attributes:
        of: joules, seconds in which the machine works for the run, or grams of CO2e.
        unit: how it is spelt.
        size: of a unit, in joules, seconds or grams.
    """

    of: Literal["energy", "time", "carbon"]
    unit: str
    size: float


KINDS = {
    kind.unit.lower(): kind
    for kind in (
        Kind("energy", "J", 1.0), Kind("energy", "kJ", 1e3), Kind("energy", "Wh", 3600.0),
        Kind("energy", "kWh", 3.6e6), Kind("energy", "MWh", 3.6e9),
        Kind("time", "s", 1.0), Kind("time", "min", 60.0), Kind("time", "h", 3600.0),
        Kind("carbon", "gCO2e", 1.0), Kind("carbon", "kgCO2e", 1e3),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run has cost so far.

    Attributes:
        energy_j: all its joules, waiting and the bot's share included.
        busy_s: seconds in which the machine worked for it; people's thinking is none of them.
        carbon_g: grams of CO2e; None where no country is set.
        relative_u: half-width of the 95 % interval of the joules, as a share of them.
        measured_share: share of the joules that was measured, in [0, 1].
    """

    energy_j: float = 0.0
    busy_s: float = 0.0
    carbon_g: float | None = None
    relative_u: float = 0.0
    measured_share: float = 1.0

    def plus(self, energy_j: float, busy_s: float) -> Spent:
        """With more on top; the grams grow as the joules do."""
        joules = self.energy_j + energy_j
        grams = None
        if self.carbon_g is not None and self.energy_j > 0:
            grams = self.carbon_g * joules / self.energy_j
        return replace(self, energy_j=joules, busy_s=self.busy_s + busy_s, carbon_g=grams)


@dataclass(frozen=True, slots=True)
class Budget:
    """An upper bound on what a run costs."""

    kind: Kind
    amount: float  # joules, seconds or grams
    text: str  # as it was written

    @property
    def spelt(self) -> str:
        """`5 Wh`: as it was meant, number and unit apart."""
        return f"{self.amount / self.kind.size:.10g} {self.kind.unit}"

    def share(self, spent: Spent) -> float | None:
        """How much of it is used, 1 = all; None where that cannot be told."""
        used = {"energy": spent.energy_j, "time": spent.busy_s, "carbon": spent.carbon_g}
        value = used[self.kind.of]
        return None if value is None else value / self.amount

    def said(self, spent: Spent) -> str:
        """`82.0 % ±4.1 (measured) of the budget of 0.5kWh`; time is told without an interval."""
        share = self.share(spent)
        if share is None:
            return f"an unknown part of the budget of {self.text}"
        if share < WORTH_A_NUMBER:
            return f"under {WORTH_A_NUMBER:.1%} of the budget of {self.text}"
        used = f"{words.number(100 * share, 2)} %"
        if self.kind.of != "time":
            percent, u = words.with_u(100 * share, 100 * share * spent.relative_u)
            sign = "≈ " if spent.measured_share < 0.5 else ""
            used = f"{sign}{percent} % ±{u} ({words.how_known(spent.measured_share)})"
        return f"{used} of the budget of {self.text}"


def parse(text: str) -> Budget:
    """The budget somebody wrote.

    Raises:
        BudgetError: it cannot be read.
    """
    match = _AMOUNT.match(text)
    kind = KINDS.get(match[2].lower()) if match else None
    if match is None or kind is None or match[2].startswith("mW"):  # mWh is no MWh
        raise BudgetError(
            f"“{text[:30]}” is no budget; write e.g. 0.5kWh, 90min or 0.2kgCO2e, without a space"
        )
    amount = float(match[1].replace(",", ".")) * kind.size
    if amount <= 0:
        raise BudgetError(f"a budget of {text[:30]} buys nothing; write e.g. 0.5kWh")
    return Budget(kind, amount, text.strip())
