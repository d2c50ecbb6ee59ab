"""Readings to totals: joules by arm, phase and source, with their uncertainty. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from storage.models import EnergyMinute, EnergyReading, EnergySum

RELATIVE_U: Mapping[str, float] = {
    "M-ctr": 0.05,
    "M-pow": 0.05,
    "M-rapl": 0.10,
    "A": 0.30,
    "E-tdp": 0.50,
    "E-const": 0.50,
    "E-gap": 1.00,
}
"""Relative uncertainty (95 %) of each provenance; sources in docs/energy.md."""


@dataclass(frozen=True, slots=True)
class EnergyTotal:
    """Joules, and how well they are known.

    Attributes:
        energy_j: the sum of what is known.
        u_j: half-width of the 95 % interval.
        by_phase: phase -> joules.
        by_provenance: label such as `E-tdp` -> joules.
        unknown_s: seconds of sources that could not be read; they are missing from `energy_j`.
    """

    energy_j: float = 0.0
    u_j: float = 0.0
    by_phase: Mapping[str, float] = field(default_factory=dict)
    by_provenance: Mapping[str, float] = field(default_factory=dict)
    unknown_s: float = 0.0

    @property
    def measured_share(self) -> float:
        """Share of the joules that a counter or sensor measured, in [0, 1]."""
        measured = sum(j for label, j in self.by_provenance.items() if label.startswith("M-"))
        return measured / self.energy_j if self.energy_j > 0 else 0.0


def sums(readings: Iterable[EnergyReading]) -> list[EnergySum]:
    """Readings added up by arm, phase and source."""
    joules: dict[tuple[str | None, str, str, str, str], list[float]] = {}
    for r in readings:
        key = (r.arm, r.phase, r.device, r.source, r.provenance)
        row = joules.setdefault(key, [0.0, 0.0, 0.0])
        row[0] += r.energy_j or 0.0
        row[1] += r.duration_s
        row[2] += r.duration_s if r.energy_j is None else 0.0
    return [
        EnergySum(
            arm=arm, phase=phase, device=device, source=source, provenance=provenance,
            energy_j=energy_j, duration_s=duration_s, unknown_s=unknown_s,
        )
        for (arm, phase, device, source, provenance), (energy_j, duration_s, unknown_s)
        in joules.items()
    ]  # fmt: skip


MINUTE = timedelta(minutes=1)


def minutes(readings: Iterable[EnergyReading]) -> list[EnergyMinute]:
    """Readings added up by minute; one that spans several counts in each by its share of time."""
    sums: dict[tuple[datetime, str, str, str, str, str, str], list[float]] = {}
    notes: dict[tuple[datetime, str, str, str, str, str, str], str] = {}
    for r in readings:
        for minute, share in _over_minutes(r.started_at, r.ended_at):
            key = (
                minute, r.run_id or "", r.arm or "", r.phase, r.device, r.source, r.provenance,
            )  # fmt: skip
            row = sums.setdefault(key, [0.0, 0.0, 0.0])
            row[0] += share * (r.energy_j or 0.0)
            row[1] += share * r.duration_s
            row[2] += share * r.duration_s if r.energy_j is None else 0.0
            notes[key] = r.note or notes.get(key, "")
    return [
        EnergyMinute(
            minute=key[0], run_id=key[1], arm=key[2], phase=key[3], device=key[4], source=key[5],
            provenance=key[6], energy_j=joules, duration_s=duration_s, unknown_s=unknown_s,
            note=notes[key],
        )
        for key, (joules, duration_s, unknown_s) in sums.items()
    ]  # fmt: skip


def _over_minutes(start: datetime, end: datetime) -> list[tuple[datetime, float]]:
    """(minute, share of the span that lies in it); a span without length lies in its minute."""
    minute = start.replace(second=0, microsecond=0)
    span = (end - start) / timedelta(seconds=1)
    if span <= 0:
        return [(minute, 1.0)]
    parts = []
    while minute < end:
        inside = min(end, minute + MINUTE) - max(start, minute)
        parts.append((minute, inside / timedelta(seconds=1) / span))
        minute += MINUTE
    return parts


def total(parts: Iterable[EnergySum]) -> EnergyTotal:
    """The sum of some parts.

    Errors of one source move together and add up linearly; sources err independently, so their
    sums combine as a root of squares.
    """
    by_phase: dict[str, float] = defaultdict(float)
    by_provenance: dict[str, float] = defaultdict(float)
    u_by_source: dict[tuple[str, str], float] = defaultdict(float)
    unknown_s = 0.0
    for part in parts:
        by_phase[part.phase] += part.energy_j
        by_provenance[part.provenance] += part.energy_j
        u_by_source[part.source, part.device] += RELATIVE_U[part.provenance] * part.energy_j
        unknown_s += part.unknown_s
    return EnergyTotal(
        energy_j=sum(by_phase.values()),
        u_j=math.sqrt(sum(u * u for u in u_by_source.values())),
        by_phase=dict(by_phase),
        by_provenance=dict(by_provenance),
        unknown_s=unknown_s,
    )


SHARED = "(shared)"
"""The arm that joules of no arm in particular are booked on, e.g. loading torch once for all."""


def by_arm(parts: Iterable[EnergySum]) -> dict[str, EnergyTotal]:
    """The total of each arm, in alphabetical order; what no arm owns stands under `(shared)`."""
    groups: dict[str, list[EnergySum]] = defaultdict(list)
    for part in parts:
        groups[part.arm or SHARED].append(part)
    return {arm: total(groups[arm]) for arm in sorted(groups)}


def spent_until(readings: Iterable[EnergyReading], at: datetime) -> float:
    """Joules until `at`; a reading that spans it counts by its share of time."""
    joules = 0.0
    for r in readings:
        if r.energy_j is None or r.started_at >= at:
            continue
        span = (r.ended_at - r.started_at).total_seconds()
        share = 1.0 if r.ended_at <= at else (at - r.started_at).total_seconds() / max(span, 1e-9)
        joules += r.energy_j * share
    return joules


def energy_to_target(points: Sequence[tuple[float, float]], target: float) -> float | None:
    """Joules at which the metric first reaches `target`, interpolated linearly; None = never.

    Args:
        points: (joules so far, metric), in order of time.
        target: the metric to reach.
    """
    before: tuple[float, float] | None = None
    for joules, metric in points:
        if metric >= target:
            if before is None:
                return joules
            j0, m0 = before
            return j0 + (joules - j0) * (target - m0) / (metric - m0)
        before = (joules, metric)
    return None
