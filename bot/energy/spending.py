"""What runs have cost so far, kept up as rows come in: nobody sums up a ledger every second."""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.energy.budget import Spent
from storage.energy import GAP, RELATIVE_U, co2_g
from storage.ledger import Ledger
from storage.models import EnergyCounter, EnergyReading, EnergySum
from trainer.energy.sources import TRAINING_CPU

IDLE = ("wait", "bot")
"""Phases in which no process of ours works for a run."""


@dataclass(slots=True)
class Tally:
    """One run's joules by arm and phase, its seconds by phase and source, and how they are known."""

    energy_j: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    duration_s: dict[tuple[str, str, str], float] = field(
        default_factory=lambda: defaultdict(float)
    )
    u_j: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # by source
    measured_j: float = 0.0

    def add(self, row: EnergyReading | EnergySum) -> None:
        """A row more."""
        arm, joules, source = row.arm or "", row.energy_j or 0.0, f"{row.source} {row.device}"
        self.energy_j[arm, row.phase] += joules
        self.u_j[source] += RELATIVE_U[row.provenance] * joules
        self.measured_j += joules if row.provenance.startswith("M-") else 0.0
        # a counter that ran on while no bot was there tells nothing of how long the machine worked
        if row.provenance != GAP or row.source == TRAINING_CPU:
            self.duration_s[arm, row.phase, source] += row.duration_s

    def phase(self, arm: str, phase: str) -> tuple[float, float]:
        """(joules, seconds) of an arm in a phase."""
        lasted = [s for (a, p, _), s in self.duration_s.items() if (a, p) == (arm, phase)]
        return self.energy_j.get((arm, phase), 0.0), max(lasted, default=0.0)

    @property
    def joules(self) -> float:
        """All of it."""
        return sum(self.energy_j.values())

    @property
    def relative_u(self) -> float:
        """Half-width of the 95 % interval of all joules, as a share of them."""
        return math.hypot(*self.u_j.values()) / self.joules if self.joules > 0 else 0.0

    @property
    def measured_share(self) -> float:
        """Share of all joules that was measured, in [0, 1]."""
        return self.measured_j / self.joules if self.joules > 0 else 0.0

    @property
    def busy_s(self) -> float:
        """Sources are read side by side: the longest tells how long it took."""
        busy: dict[str, float] = defaultdict(float)
        for (_, phase, source), seconds in self.duration_s.items():
            if phase not in IDLE:
                busy[source] += seconds
        return max(busy.values(), default=0.0)


class Spending:
    """The sink of the meter, before the ledger; safe from any thread.

    Args:
        ledger: where rows go.
        grams_per_kwh: CO2e of the electricity, the building's share included; None where no
            country is set.
    """

    def __init__(self, ledger: Ledger, grams_per_kwh: float | None = None) -> None:
        self._ledger, self.grams_per_kwh = ledger, grams_per_kwh
        self._tallies: dict[str, Tally] = {}
        self._lock = threading.Lock()

    def add(
        self, readings: Sequence[EnergyReading], counters: Sequence[EnergyCounter] = ()
    ) -> None:
        """Book rows, and count those of runs that somebody asked about.

        Raises:
            StoreError: they could not be booked, and are not counted.
        """
        with self._lock:  # a tally read meanwhile would count them twice, or never
            for row in self._ledger.add(readings, counters):
                tally = self._tallies.get(row.run_id or "")
                if tally is not None:
                    tally.add(row)

    def spent(self, run_id: str) -> Spent:
        """What a run cost so far, in all that a budget may count."""
        tally, grid = self.of(run_id), self.grams_per_kwh
        return Spent(
            tally.joules, tally.busy_s, None if grid is None else co2_g(tally.joules, grid),
            tally.relative_u, tally.measured_share,
        )  # fmt: skip

    def of(self, run_id: str) -> Tally:
        """What a run cost so far: a copy."""
        with self._lock:
            tally = self._tallies.get(run_id)
            if tally is None:
                tally = self._tallies[run_id] = Tally()
                for part in self._ledger.sums(run_id):
                    tally.add(part)
            copy = Tally(measured_j=tally.measured_j)
            copy.energy_j.update(tally.energy_j)
            copy.duration_s.update(tally.duration_s)
            copy.u_j.update(tally.u_j)
            return copy

    def forget(self, run_id: str) -> None:
        """The run has ended: it is read off the ledger when somebody asks again."""
        with self._lock:
            self._tallies.pop(run_id, None)
