"""What a run may spend at most: `0.5kWh`, `90min`, `0.2kgCO2e`. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from bot import words

WARN_AT = 0.8
"""Share of a budget at which its run's thread hears of it."""
_AMOUNT = re.compile(r"\s*(\d+(?:[.,]\d+)?|\.\d+)\s*([A-Za-z0-9]+)\s*\Z")


class BudgetError(Exception):
    """It is no budget; the text names it and says how one is written."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a budget counts.

    Attributes:
        of: joules, seconds in which the machine works for the run, or grams of CO2e.
        size: of a unit, in joules, seconds or grams.
    """

    of: Literal["energy", "time", "carbon"]
    size: float


KINDS = {
    "j": Kind("energy", 1.0), "kj": Kind("energy", 1e3), "wh": Kind("energy", 3600.0),
    "kwh": Kind("energy", 3.6e6), "mwh": Kind("energy", 3.6e9),
    "s": Kind("time", 1.0), "min": Kind("time", 60.0), "h": Kind("time", 3600.0),
    "gco2e": Kind("carbon", 1.0), "kgco2e": Kind("carbon", 1e3),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run has cost so far.

    Attributes:
        energy_j: all its joules, waiting and the bot's share included.
        busy_s: seconds in which the machine worked for it; people's thinking is none of them.
        carbon_g: grams of CO2e; None where no country is set.
    """

    energy_j: float = 0.0
    busy_s: float = 0.0
    carbon_g: float | None = None

    def plus(self, energy_j: float, busy_s: float) -> Spent:
        """With more on top; the grams grow as the joules do."""
        joules = self.energy_j + energy_j
        grams = None
        if self.carbon_g is not None and self.energy_j > 0:
            grams = self.carbon_g * joules / self.energy_j
        return Spent(joules, self.busy_s + busy_s, grams)


@dataclass(frozen=True, slots=True)
class Budget:
    """An upper bound on what a run costs."""

    kind: Kind
    amount: float  # joules, seconds or grams
    text: str  # as it was written

    def share(self, spent: Spent) -> float | None:
        """How much of it is used, 1 = all; None where that cannot be told."""
        used = {"energy": spent.energy_j, "time": spent.busy_s, "carbon": spent.carbon_g}
        value = used[self.kind.of]
        return None if value is None else value / self.amount

    def said(self, spent: Spent) -> str:
        """`0.41 of 0.5 kWh`, as people read it."""
        share = self.share(spent)
        used = "an unknown part" if share is None else f"{words.number(share * 100, 2)} %"
        return f"{used} of the budget of {self.text}"


def parse(text: str) -> Budget:
    """The budget somebody wrote.

    Raises:
        BudgetError: it cannot be read.
    """
    match = _AMOUNT.match(text)
    kind = KINDS.get(match[2].lower()) if match else None
    if match is None or kind is None:
        raise BudgetError(
            f"“{text[:30]}” is no budget; write e.g. 0.5kWh, 90min or 0.2kgCO2e, without a space"
        )
    amount = float(match[1].replace(",", ".")) * kind.size
    if amount <= 0:
        raise BudgetError(f"a budget of {text[:30]} buys nothing; write e.g. 0.5kWh")
    return Budget(kind, amount, text.strip())
