"""Readings to totals: joules by arm, phase and source, with their uncertainty. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from storage.models import EnergyBaseline, EnergyMinute, EnergyReading, EnergySum

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
        u_by_phase: phase -> half-width of the 95 % interval of its joules.
        duration_s: seconds of all sources together, read or not.
        gap_s: seconds of them that were filled in after a crash.
    """

    energy_j: float = 0.0
    u_j: float = 0.0
    by_phase: Mapping[str, float] = field(default_factory=dict)
    by_provenance: Mapping[str, float] = field(default_factory=dict)
    unknown_s: float = 0.0
    u_by_phase: Mapping[str, float] = field(default_factory=dict)
    duration_s: float = 0.0
    gap_s: float = 0.0

    @property
    def coverage(self) -> float:
        """Share of the sources' seconds in which they were sampled, in [0, 1]."""
        missed_s = self.unknown_s + self.gap_s
        return max(0.0, 1 - missed_s / self.duration_s) if self.duration_s > 0 else 1.0

    @property
    def is_unknown(self) -> bool:
        """Whether nothing at all could be read: its joules are then not 0."""
        return 0 < self.duration_s <= self.unknown_s

    def u_of(self, joules: float) -> float:
        """Half-width of the 95 % interval of a part of these joules, as well known as the whole."""
        return self.u_j / self.energy_j * abs(joules) if self.energy_j > 0 else 0.0

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
    given = list(parts)
    by_phase: dict[str, list[EnergySum]] = defaultdict(list)
    by_provenance: dict[str, float] = defaultdict(float)
    for part in given:
        by_phase[part.phase].append(part)
        by_provenance[part.provenance] += part.energy_j
    joules = {phase: sum(p.energy_j for p in own) for phase, own in by_phase.items()}
    return EnergyTotal(
        energy_j=sum(joules.values()),
        u_j=_u(given),
        by_phase=joules,
        by_provenance=dict(by_provenance),
        unknown_s=sum(p.unknown_s for p in given),
        u_by_phase={phase: _u(own) for phase, own in by_phase.items()},
        duration_s=sum(p.duration_s for p in given),
        gap_s=sum(p.duration_s for p in given if p.provenance == GAP),
    )


GAP = "E-gap"
"""The provenance of joules that were filled in after a crash."""


def _u(parts: Iterable[EnergySum]) -> float:
    by_source: dict[tuple[str, str], float] = defaultdict(float)
    for part in parts:
        by_source[part.source, part.device] += RELATIVE_U[part.provenance] * part.energy_j
    return math.sqrt(sum(u * u for u in by_source.values()))


@dataclass(frozen=True, slots=True)
class Net:
    """Joules above what idle devices would have drawn.

    Attributes:
        energy_j: of the devices whose idle power is known, and those that have none of their own.
        u_j: half-width of the 95 % interval; idle power may have drifted by twice its scatter.
        below: devices that drew less than their idle power: they count as 0, not less.
    """

    energy_j: float
    u_j: float
    below: tuple[str, ...] = ()


OF_DEVICES = frozenset({"M-ctr", "M-pow", "M-rapl", "A"})
"""Provenances of whole devices, which draw something while idle."""


def net(parts: Iterable[EnergySum], baselines: Iterable[EnergyBaseline]) -> Net | None:
    """Gross minus idle power times time, source by source; None where boards have no baseline.

    A source without a baseline follows processes of ours, which draw nothing when they are gone:
    its net is its gross.
    """
    parts, idle = list(parts), {(b.source, b.device): b for b in baselines}
    if not idle and any(part.provenance in OF_DEVICES for part in parts):
        return None
    by_source: dict[tuple[str, str], list[EnergySum]] = defaultdict(list)
    for part in parts:
        by_source[part.source, part.device].append(part)
    joules, squares, below = 0.0, 0.0, []
    for (source, device), own in by_source.items():
        gross, u = sum(p.energy_j for p in own), _u(own)
        known_s = sum(p.duration_s - p.unknown_s for p in own)
        baseline = idle.get((source, device))
        drawn = baseline.power_w * known_s if baseline else 0.0
        drift = 2 * baseline.sd_w * known_s if baseline else 0.0
        if drawn > gross:
            below.append(device)
        above = max(0.0, gross - drawn)
        joules += above
        squares += (u * above / gross if gross > 0 else 0.0) ** 2 + drift**2
    return Net(joules, math.sqrt(squares), tuple(sorted(below)))


MIX_TOLERANCE = 0.25
"""Share of the joules that may come from other sources before two arms are no longer compared."""
NOT_WORK = frozenset({"wait", "bot"})
"""Phases that only some arms have; they say nothing of how training was metered."""


def mix(parts: Iterable[EnergySum]) -> dict[str, float]:
    """Provenance -> its share of the joules of training itself."""
    work = [part for part in parts if part.phase not in NOT_WORK]
    whole = sum(part.energy_j for part in work)
    shares: dict[str, float] = defaultdict(float)
    for part in work:
        shares[part.provenance] += part.energy_j / whole if whole > 0 else 0.0
    return dict(shares)


def is_same_mix(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Whether two arms were metered alike: their joules may then be held against each other."""
    labels = one.keys() | other.keys()
    differ = sum(abs(one.get(label, 0.0) - other.get(label, 0.0)) for label in labels) / 2
    return differ <= MIX_TOLERANCE


def gpu_s_per_j(parts: Iterable[EnergySum]) -> float:
    """GPU time that comes with a joule of work, several boards added up; 0 without one."""
    work = [part for part in parts if part.phase not in NOT_WORK]
    joules = sum(part.energy_j for part in work)
    return gpu_s(work) / joules if joules > 0 else 0.0


def gpu_s(parts: Iterable[EnergySum]) -> float:
    """Seconds in which GPUs worked, several boards added up."""
    return sum(
        part.duration_s
        for part in parts
        if part.device.startswith("GPU-") and part.phase not in NOT_WORK
    )


def co2_g(energy_j: float, grid_g_per_kwh: float, pue: float = 1.0) -> float:
    """Grams of CO2e of IT energy, location-based; `pue` adds what the building draws."""
    return energy_j / 3.6e6 * pue * grid_g_per_kwh


def fold(readings: Iterable[EnergyReading]) -> list[EnergyReading]:
    """Readings of one minute, owner and source as one each; what is not known stays apart.

    Joules and seconds are kept. The first reading's `seq` stands for all, so nothing is counted
    twice. A note stays if any reading had one.
    """
    groups: dict[tuple[object, ...], list[EnergyReading]] = defaultdict(list)
    for r in readings:
        key = (
            r.started_at.replace(second=0, microsecond=0), r.run_id, r.arm, r.segment_id, r.phase,
            r.device, r.source, r.provenance, r.boot_id, r.energy_j is None,
        )  # fmt: skip
        groups[key].append(r)
    return [_folded(own) for own in groups.values()]


def _folded(own: Sequence[EnergyReading]) -> EnergyReading:
    if len(own) == 1:
        return own[0]
    first = min(own, key=lambda r: r.seq)
    is_known = first.energy_j is not None
    return first.model_copy(
        update={
            "started_at": min(r.started_at for r in own),
            "ended_at": max(r.ended_at for r in own),
            "duration_s": sum(r.duration_s for r in own),
            "energy_j": sum(r.energy_j or 0.0 for r in own) if is_known else None,
            "note": next((r.note for r in own if r.note), ""),
        }
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
