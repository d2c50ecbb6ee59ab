"""What went wrong with the metering of a day, or is to be kept in mind, in words. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot import words
from bot.days import LocalDay
from storage.energy import GAP
from storage.models import EnergyMinute

MAX_LINES = 5
"""Of each kind."""


@dataclass(frozen=True, slots=True)
class _Remark:
    """Minutes of one device with the same to remark upon."""

    minutes: Sequence[datetime]  # in order
    device: str
    what: str

    def said(self, day: LocalDay) -> str:
        """When, where, what."""
        first, last = (self.minutes[n].astimezone(day.zone) for n in (0, -1))
        when = f"at {first:%H:%M}"
        if len(self.minutes) > 1:
            when = f"{len(self.minutes)} minutes from {first:%H:%M} to {last:%H:%M}"
        return f"{when}, {short(self.device)}: {self.what}"


def warnings(marked: Sequence[EnergyMinute], day: LocalDay) -> list[str]:
    """One line on what went wrong; the thread says more."""
    amiss = _grouped(m for m in marked if _is_amiss(m))
    if not amiss:
        return []
    n = words.plural(len({at for one in amiss for at in one.minutes}), "minute")
    return [f"⚠ {n} with gaps or anomalies, first {amiss[0].said(day)}"]


def remarked(marked: Sequence[EnergyMinute], day: LocalDay) -> list[str]:
    """The remarks, a line each: what is amiss first, the first few; then what to keep in mind."""
    amiss = _grouped(m for m in marked if _is_amiss(m))
    lines = [f"⚠ {one.said(day)}" for one in amiss[:MAX_LINES]]
    if len(amiss) > MAX_LINES:
        lines.append(f"⚠ and {len(amiss) - MAX_LINES} more")
    noted = _grouped(m for m in marked if not _is_amiss(m))
    return [*lines, *(f"Note: {one.said(day)}" for one in noted[:MAX_LINES])]


def short(device: str) -> str:
    """A device as people may tell it apart: of a board's id the beginning."""
    return device[:12] + "…" if device.startswith("GPU-") and len(device) > 13 else device


def _is_amiss(minute: EnergyMinute) -> bool:
    """A gap, or something that could not be read; boards of many are no fault."""
    return minute.unknown_s > 0 or minute.provenance == GAP


def _grouped(marked: Iterable[EnergyMinute]) -> list[_Remark]:
    """Alike remarks together, oldest first."""
    found: dict[tuple[str, str], set[datetime]] = defaultdict(set)
    for m in marked:
        found[m.device, m.note or "filled in after a crash"].add(m.minute)
    remarks = [_Remark(sorted(at), device, what) for (device, what), at in found.items()]
    return sorted(remarks, key=lambda one: one.minutes[0])
