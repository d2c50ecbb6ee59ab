"""Meter and ledger together: what a crash missed, and what devices draw with nothing of ours on them."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from storage.ledger import Ledger
from storage.models import EnergyBaseline, EnergyCounter, EnergyReading
from trainer.energy.meter import EnergyMeter
from trainer.energy.sources import TRAINING_CPU, DeviceSource, EnergySource
from trainer.energy.track import Slot
from trainer.segment import SegmentReport

IDLE_WINDOW = timedelta(seconds=60)
FEWEST = 5
"""Slices without which nothing is said of what a device draws idle."""
SMALL_S = 0.1
"""CPU seconds of a child that may lie between its last mark and its end."""

WORTH_MARKING = timedelta(seconds=5)
UNMETERED = "no bot was there to read it"

Device = tuple[str, str]  # (source, device)


def left_off(ledger: Ledger, boot_id: str) -> list[tuple[EnergyCounter, Slot]]:
    """Where a meter that died since this boot left its counters, and whom the machine worked for."""
    found = []
    for counter in ledger.counters(boot_id):
        row = ledger.newest(counter)
        slot = Slot(row.run_id, row.arm, row.segment_id, row.phase) if row else Slot()
        found.append((counter, slot))
    return found


def fill_from_report(
    meter: EnergyMeter,
    ledger: Ledger,
    watts_per_core: float | None,
    slot: Slot,
    report: SegmentReport,
) -> None:
    """Book what a child computed while no bot was there, by its own clock: no counter saw it.

    Counted is what its report has more than the ledger, so it may be done again after a crash.

    Args:
        meter: hands the row over.
        ledger: what is booked so far.
        watts_per_core: what the CPU is estimated by; None = it has a counter, and that ran on.
        slot: the segment.
        report: what the child left.
    """
    if watts_per_core is None or slot.run_id is None or slot.segment_id is None:
        return
    meter.flush()
    rows = ledger.of_segment(slot.run_id, slot.segment_id)
    rows = [r for r in rows if r.source == TRAINING_CPU]
    spent_j = sum(cost.cpu_s for cost in report.costs) * watts_per_core
    owed_j = spent_j - sum(r.energy_j or 0.0 for r in rows)
    if owed_j <= SMALL_S * watts_per_core:
        return
    start, end = widest_gap(rows, report.started_at, report.ended_at)
    seconds = (end - start).total_seconds()
    meter.book(
        EnergyReading(
            run_id=slot.run_id,
            arm=slot.arm,
            segment_id=slot.segment_id,
            phase="other",
            device="cpu",
            source=TRAINING_CPU,
            provenance="E-gap",
            boot_id=meter.boot_id,
            seq=0,  # the meter's to give
            started_at=start,
            ended_at=end,
            duration_s=seconds,
            energy_j=owed_j,
            note=f"filled from the child's own CPU time after {seconds:.0f} s without readings",
        )
    )
    meter.flush()


def mark_unmetered(
    meter: EnergyMeter,
    ledger: Ledger,
    sources: Iterable[EnergySource],
    slot: Slot,
    report: SegmentReport,
) -> None:
    """Book as unknown what no counter ran on for while no bot was there: memory, polled boards.

    May be done again after a crash.

    Args:
        meter: hands the rows over.
        ledger: what is booked so far.
        sources: of this host.
        slot: the segment.
        report: what the child left.
    """
    if slot.run_id is None or slot.segment_id is None:
        return
    meter.flush()
    booked = ledger.of_segment(slot.run_id, slot.segment_id)
    for source in sources:
        own = [r for r in booked if (r.source, r.device) == (source.name, source.device)]
        runs_on = isinstance(source, DeviceSource) and source.is_persistent
        if runs_on or source.name == TRAINING_CPU or not own:
            continue
        start, end = widest_gap(own, report.started_at, report.ended_at)
        if end - start < WORTH_MARKING:
            continue
        meter.book(
            own[-1].model_copy(
                update={
                    "boot_id": meter.boot_id, "phase": "other", "energy_j": None,
                    "started_at": start, "ended_at": end,
                    "duration_s": (end - start).total_seconds(), "note": UNMETERED,
                }
            )
        )  # fmt: skip
    meter.flush()


def widest_gap(
    rows: Iterable[EnergyReading], start: datetime, end: datetime
) -> tuple[datetime, datetime]:
    """The longest stretch of [start, end] without a reading."""
    widest, covered = (start, start), start
    slices = sorted((r.started_at, r.ended_at) for r in rows)
    for began, ended in [*slices, (end, end)]:
        if min(began, end) - covered > widest[1] - widest[0]:
            widest = (covered, min(began, end))
        covered = max(covered, ended)
    return widest


def keep_baselines(
    meter: EnergyMeter, ledger: Ledger, sources: Iterable[EnergySource], run_id: str, now: datetime
) -> None:
    """Keep, once, what devices drew just before a run; only while no training process is at work."""
    devices = {(s.name, s.device) for s in sources if isinstance(s, DeviceSource)}
    if not devices or ledger.baselines(run_id):
        return
    meter.flush()
    rows = ledger.between(now - IDLE_WINDOW, now)
    ledger.keep_baselines(baselines(run_id, devices, rows, now))


def baselines(
    run_id: str, devices: Collection[Device], rows: Sequence[EnergyReading], at: datetime
) -> list[EnergyBaseline]:
    """Median power of each device over the slices in which nothing of ours worked on it.

    Loading torch for all keeps the CPU busy and boards idle, so it counts for boards alone.
    """
    idle: dict[Device, list[EnergyReading]] = defaultdict(list)
    for row in rows:
        busy = row.segment_id is not None or (row.phase == "load" and row.device.startswith("cpu"))
        key = (row.source, row.device)
        if key in devices and not busy and row.energy_j is not None and row.duration_s >= 0.5:
            idle[key].append(row)
    return [
        EnergyBaseline(
            run_id=run_id,
            source=source,
            device=device,
            power_w=statistics.median(watts := [(r.energy_j or 0.0) / r.duration_s for r in seen]),
            sd_w=statistics.stdev(watts),
            window_s=sum(r.duration_s for r in seen),
            at=at,
        )
        for (source, device), seen in idle.items()
        if len(seen) >= FEWEST
    ]
