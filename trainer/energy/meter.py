"""The energy meter: reads counters from outside the training process, a row per source and second.

Counters are cumulative joules; the meter cuts all of them at once whenever the phase changes and
at least each second, so the rows of a run always add up to what the counters moved. What cannot be
read is None with a reason, never 0.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from storage.models import EnergyReading
from trainer.energy.sources import EnergySource

log = logging.getLogger(__name__)

TICK_S = 1.0


@dataclass(frozen=True, slots=True)
class Slot:
    """Who the machine works for at the moment."""

    run_id: str | None = None
    arm: str | None = None
    segment_id: str | None = None
    phase: str = "other"


Sink = Callable[[Sequence[EnergyReading]], None]


class EnergyMeter:
    """Samples all sources in a thread of its own and hands rows to a sink.

    Args:
        sources: cumulative counters.
        sink: stores rows; called by one thread at a time.
        clock: seconds that run on while the machine sleeps.
        now: aware UTC.
    """

    def __init__(
        self,
        sources: Sequence[EnergySource],
        sink: Sink,
        *,
        clock: Callable[[], float] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        boot_id: str | None = None,
    ) -> None:
        self.sources = list(sources)
        self._sink, self._clock, self._now = sink, clock or boot_time, now
        self._boot_id = boot_id or read_boot_id()
        self._slot, self._bot_slot = Slot(), Slot(phase="bot")
        self._last = [source.read() for source in self.sources]
        self._at = self._clock()
        self._seq = 0
        self._rows: list[EnergyReading] = []
        self._lock, self._delivery = threading.Lock(), threading.Lock()
        self._wake, self._is_closing = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="energy-meter", daemon=True)

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def close(self) -> None:
        """Cut once more and hand over what is left."""
        self._is_closing = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        self.cut()
        self._flush()

    @property
    def slot(self) -> Slot:
        """Who the machine works for."""
        return self._slot

    def switch(self, slot: Slot) -> None:
        """From now on the machine works for `slot`; safe from any thread."""
        self.cut(slot)
        self._wake.set()

    def charge_bot_to(self, run_id: str, arm: str) -> None:
        """From now on the bot's own joules belong to this run."""
        self.cut()
        self._bot_slot = Slot(run_id, arm, None, "bot")

    def release(self, run_id: str) -> None:
        """A run has ended: from now on its joules are nobody's; other runs keep theirs."""
        self.cut(Slot() if self._slot.run_id == run_id else None)
        if self._bot_slot.run_id == run_id:
            self._bot_slot = Slot(phase="bot")

    def cut(self, slot: Slot | None = None) -> None:
        """Book everything up to now on the slot it was spent for."""
        with self._lock:
            now, at = self._now(), self._clock()
            duration_s = max(at - self._at, 0.0)
            started_at = now - timedelta(seconds=duration_s)
            self._seq = max(self._seq + 1, int(at * 1e6))  # grows over restarts, too
            for i, source in enumerate(self.sources):
                value, before = source.read(), self._last[i]
                self._last[i] = value
                joules, note = _delta(before, value)
                if joules == 0 and duration_s < TICK_S / 2:
                    continue
                owner = self._bot_slot if source.phase == "bot" else self._slot
                self._rows.append(
                    EnergyReading(
                        run_id=owner.run_id,
                        arm=owner.arm,
                        segment_id=owner.segment_id,
                        phase=owner.phase,
                        device=source.device,
                        source=source.name,
                        provenance=source.provenance,
                        boot_id=self._boot_id,
                        seq=self._seq,
                        started_at=started_at,
                        ended_at=now,
                        duration_s=duration_s,
                        energy_j=joules,
                        note=note,
                    )
                )
            self._at = at
            if slot is not None:
                self._slot = slot

    def flush(self) -> None:
        """Cut now and store everything: what is read next is complete."""
        self.cut()
        self._flush()

    def _run(self) -> None:
        due = self._clock()
        while not self._is_closing:
            if self._clock() >= due:
                self.cut()
                due = self._clock() + TICK_S
            self._flush()
            self._wake.wait(TICK_S / 4)
            self._wake.clear()

    def _flush(self) -> None:
        with self._delivery:  # one at a time: whoever flushes waits for rows on their way
            with self._lock:
                rows, self._rows = self._rows, []
            if not rows:
                return
            try:
                self._sink(rows)
            except Exception:  # whatever the sink raises: no joule is lost
                log.exception("energy rows kept for the next try", extra={"rows": len(rows)})
                with self._lock:
                    self._rows = rows + self._rows


def _delta(before: float | None, value: float | None) -> tuple[float | None, str]:
    """(joules, reason) between two readings of a counter; None where they cannot be told."""
    if before is None or value is None:
        return None, "the source did not answer"
    if value < before:
        return None, "the counter was reset"
    return value - before, ""


def boot_time() -> float:
    """Seconds since boot, sleep included."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def read_boot_id() -> str:
    """An id that changes with every boot of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"boot-{int(psutil.boot_time())}"
