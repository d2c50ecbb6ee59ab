"""One source and where it stood: readings become slices of known joules, or unknown with a reason."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from storage.models import EnergyCounter, Provenance
from trainer.energy.plausible import SILENT, STILL, STILL_S, Moved, moved
from trainer.energy.sources import DeviceSource, EnergySource, Owner

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Slot:
    """Who the machine works for at the moment."""

    run_id: str | None = None
    arm: str | None = None
    segment_id: str | None = None
    phase: str = "other"


@dataclass(frozen=True, slots=True)
class Slice:
    """What came in since the last cut.

    Attributes:
        energy_j: joules; None = not known, for the reason in `note`.
        provenance: how well they are known.
        seconds: how long it took to come in.
        owner: whose they are; a Slot where that was settled before the cut.
        suffix: tells parts of one source apart.
        note: the reason, or what to keep in mind.
    """

    energy_j: float | None
    provenance: Provenance
    seconds: float
    owner: Owner | Slot
    suffix: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Stood:
    value_j: float
    clock_s: float
    slot: Slot  # who the machine went on to work for


class Track:
    """A source under watch.

    A hole, in which it did not answer or nobody asked, is filled from the counter once it answers
    again: on whoever the machine worked for when the hole began, and marked as a gap.
    """

    def __init__(self, source: EnergySource, clock: Callable[[], float], slot: Slot) -> None:
        self.source = source
        self.device = source if isinstance(source, DeviceSource) else None
        self._clock = clock
        self._booked_s = clock()
        value = self._read()
        self._stood = _Stood(value, self._booked_s, slot) if value is not None else None
        self._hole_since: float | None = None

    def take_up(self, counter: EnergyCounter, slot: Slot) -> None:
        """Go on from where a meter that died had booked the counter, for whom it worked then."""
        self._stood = _Stood(counter.value_j, counter.clock_s, slot)
        self._booked_s = self._hole_since = counter.clock_s

    def standing(self) -> tuple[float, float] | None:
        """(joules, seconds since boot) up to which all is booked; None unless it runs on by itself."""
        if self._stood is None or self.device is None or not self.device.is_persistent:
            return None
        return self._stood.value_j, self._stood.clock_s

    def cut(self, then: Slot) -> list[Slice]:
        """What came in since the last cut; `then` is who the machine works for from now on."""
        asked_s = self._clock()
        value, now_s = self._read(), self._clock()
        seconds, self._booked_s = max(now_s - self._booked_s, 0.0), now_s
        stood = self._stood
        if value is None:
            self._hole_opens(now_s - seconds)
            return [self._unknown(seconds, self.device.reason if self.device else SILENT)]
        if stood is None:  # it answers for the first time
            self._stood, self._hole_since = _Stood(value, asked_s, then), None
            return [self._unknown(seconds, SILENT)]
        came = moved(
            stood.value_j, value, now_s - stood.clock_s, self.device.bounds if self.device else None
        )
        if came.energy_j == 0 and self.device is not None:
            return [self._still(seconds, now_s - stood.clock_s, then)]
        self._stood = _Stood(value, asked_s, then)
        hole_since, self._hole_since = self._hole_since, None
        if came.energy_j is None:
            return [self._unknown(seconds, came.note)]
        if hole_since is not None and self.device is not None and self.device.is_persistent:
            return [_filled(came, seconds, now_s - hole_since, stood.slot)]
        return self._shared_out(came.energy_j, seconds)

    def poll(self) -> None:
        """Sample a device between two cuts."""
        if self.device is not None:
            try:
                self.device.poll()
            except Exception:  # whatever a source dies of, the others are metered on
                log.exception("a source failed", extra={"source": self.source.name})

    def _read(self) -> float | None:
        try:
            return self.source.read()
        except Exception:  # whatever a source dies of: its reading is unknown, the others go on
            log.exception("a source failed", extra={"source": self.source.name})
            return None

    def _still(self, seconds: float, still_s: float, then: Slot) -> Slice:
        """A counter that stands still: nothing drawn for a moment, broken in the long run."""
        if still_s >= STILL_S:
            self._hole_opens(self._booked_s - seconds)
            return self._unknown(seconds, STILL)
        if self._hole_since is None and self._stood is not None:
            self._stood = replace(self._stood, slot=then)
        return Slice(0.0, self.source.provenance, seconds, self.source.owner)

    def _hole_opens(self, at_s: float) -> None:
        if self._hole_since is None:
            self._hole_since = at_s

    def _shared_out(self, energy_j: float, seconds: float) -> list[Slice]:
        source = self.source
        if self.device is None:
            return [Slice(energy_j, source.provenance, seconds, source.owner)]
        return [
            Slice(part.energy_j, part.provenance, seconds, part.owner, part.suffix, part.note)
            for part in self.device.parts(energy_j, seconds)
        ]

    def _unknown(self, seconds: float, why: str) -> Slice:
        return Slice(None, self.source.provenance, seconds, self.source.owner, note=why or SILENT)


def _filled(came: Moved, seconds: float, hole_s: float, slot: Slot) -> Slice:
    was = Slot(slot.run_id, slot.arm, slot.segment_id, "other")
    note = f"filled from the counter after {hole_s:.0f} s without readings"
    return Slice(came.energy_j, "E-gap", seconds, was, note=note)
