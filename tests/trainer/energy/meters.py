"""A meter as its tests need it: sources of known power, a sink, and who the machine works for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from storage.models import EnergyCounter, EnergyReading
from trainer.energy.fake_nvml import (
    Clock,
)
from trainer.energy.meter import EnergyMeter
from trainer.energy.track import Slot

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TRAIN = Slot("r1", "human", "r1.human.0", "train")
EVALUATE = Slot("r1", "human", "r1.human.0", "evaluate")
WAIT = Slot("r1", "human", None, "wait")


class Power:
    """A source of constant power on the tests' clock."""

    provenance = "E-const"

    def __init__(
        self, clock: Clock, watts: float, device: str = "cpu", owner: str = "slot"
    ) -> None:
        self.name, self.device, self.owner = f"power-{device}", device, owner
        self._clock, self.watts, self._at, self._joules = clock, watts, clock(), 0.0
        self.answers = True

    def read(self) -> float | None:
        self._joules += self.watts * (self._clock() - self._at)
        self._at = self._clock()
        return self._joules if self.answers else None


class Shelf:
    """A sink that may be closed for a while."""

    def __init__(self) -> None:
        self.rows: list[EnergyReading] = []
        self.counters: dict[tuple[str, str], EnergyCounter] = {}
        self.is_open = True

    def __call__(self, rows: Sequence[EnergyReading], counters: Sequence[EnergyCounter]) -> None:
        if not self.is_open:
            raise OSError("database is locked")
        self.rows += rows
        self.counters |= {(c.source, c.device): c for c in counters}

    def joules(self, key: Callable[[EnergyReading], object]) -> dict[object, float]:
        """Known joules by key."""
        total: dict[object, float] = defaultdict(float)
        for row in self.rows:
            total[key(row)] += row.energy_j or 0.0
        return {k: v for k, v in total.items() if v}


def meter_of(clock: Clock, sink: Shelf, *sources, charge_idle: str = "none") -> EnergyMeter:
    """A meter whose thread isn't running: the test cuts."""

    def now() -> datetime:
        return NOON + timedelta(seconds=clock() - 1000)

    return EnergyMeter(
        sources, sink, clock=clock, now=now, boot_id="boot-1", charge_idle=charge_idle
    )
