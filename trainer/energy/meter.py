"""The energy meter: reads counters from outside the training process, a row per source and second.

Counters are cumulative joules; the meter cuts all of them at once whenever the phase changes and
at least each second, so the rows of a run always add up to what the counters moved. What cannot be
read is None with a reason, never 0.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from storage.models import EnergyCounter, EnergyReading
from trainer.energy.clock import boot_time, read_boot_id
from trainer.energy.sources import EnergySource
from trainer.energy.track import Slice, Slot, Track

log = logging.getLogger(__name__)

TICK_S = 1.0

Sink = Callable[[Sequence[EnergyReading], Sequence[EnergyCounter]], object]
"""Stores rows and, together with them, where the counters stand."""
ChargeIdle = Literal["none", "reserved"]
"""Who pays what the machine's devices draw while a run waits for people, its process gone."""


class EnergyMeter:
    """Samples all sources in a thread of its own and hands rows to a sink.

    Args:
        sources: cumulative counters.
        sink: stores rows; called by one thread at a time.
        clock: seconds that run on while the machine sleeps.
        now: aware UTC.
        boot_id: changes whenever the machine starts anew.
        charge_idle: `reserved`: the run that waits; `none`: nobody.
    """

    def __init__(
        self,
        sources: Sequence[EnergySource],
        sink: Sink,
        *,
        clock: Callable[[], float] = boot_time,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        boot_id: str | None = None,
        charge_idle: ChargeIdle = "none",
    ) -> None:
        self._sink, self._clock, self._now = sink, clock, now
        self.boot_id = boot_id or read_boot_id()
        self._charge_idle = charge_idle
        self._slot = Slot()
        self._bots: list[Slot] = []  # whom the bot works for; the first is the next to be charged
        self._tracks = [Track(source, clock, self._slot) for source in sources]
        beats = {t: t.device.poll_s for t in self._tracks if t.device and t.device.poll_s}
        self._polled, self._beat_s = list(beats), min(beats.values(), default=TICK_S)
        self._seq = 0
        self._rows: list[EnergyReading] = []
        self._counters: list[EnergyCounter] = []
        self._lock, self._delivery = threading.Lock(), threading.Lock()
        self._wake, self._is_closing = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="energy-meter", daemon=True)

    def take_up(self, left: Iterable[tuple[EnergyCounter, Slot]]) -> None:
        """Go on from where a meter that died left the counters, and for whom the machine worked.

        What they moved since is booked on those, as a gap, with the first rows. Before `start`.
        """
        tracks = {(t.source.name, t.source.device): t for t in self._tracks}
        for counter, slot in left:
            track = tracks.get((counter.source, counter.device))
            if track is not None and counter.boot_id == self.boot_id:
                track.take_up(counter, slot)

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
        """From now on the bot's own joules belong to this run, and to all others under way.

        They take turns, slice by slice: of the same size in the long run.
        """
        self.cut()
        with self._lock:
            others = [slot for slot in self._bots if slot.run_id != run_id]
            self._bots = [*others, Slot(run_id, arm, None, "bot")]

    def release(self, run_id: str) -> None:
        """A run has ended: from now on its joules are nobody's; other runs keep theirs."""
        self.cut(Slot() if self._slot.run_id == run_id else None)
        with self._lock:
            self._bots = [slot for slot in self._bots if slot.run_id != run_id]

    def cut(self, slot: Slot | None = None) -> None:
        """Book everything up to now on the slot it was spent for."""
        with self._lock:
            now = self._now()
            self._seq = max(self._seq + 1, int(self._clock() * 1e6))  # grows over restarts, too
            for track in self._tracks:
                for part in track.cut(slot or self._slot):
                    if part.energy_j != 0 or part.seconds >= TICK_S / 2:
                        self._rows.append(self._row(track, part, now))
            self._counters = [*self._standing(now)]
            self._slot = slot or self._slot
            self._bots = [*self._bots[1:], *self._bots[:1]]

    def book(self, row: EnergyReading) -> None:
        """Add a row that was told by other means; it gets a number of its own."""
        self.cut()
        with self._lock:
            self._seq += 1
            self._rows.append(row.model_copy(update={"seq": self._seq}))

    def flush(self) -> None:
        """Cut now and store everything: what is read next is complete."""
        self.cut()
        self._flush()

    def poll(self) -> None:
        """Sample what has to be sampled between two cuts."""
        with self._lock:
            for track in self._polled:
                track.poll()

    def _row(self, track: Track, part: Slice, now: datetime) -> EnergyReading:
        owner = self._owner(track, part)
        return EnergyReading(
            run_id=owner.run_id,
            arm=owner.arm,
            segment_id=owner.segment_id,
            phase=owner.phase,
            device=track.source.device,
            source=track.source.name + part.suffix,
            provenance=part.provenance,
            boot_id=self.boot_id,
            seq=self._seq,
            started_at=now - timedelta(seconds=part.seconds),
            ended_at=now,
            duration_s=part.seconds,
            energy_j=part.energy_j,
            note=part.note,
        )

    def _owner(self, track: Track, part: Slice) -> Slot:
        if isinstance(part.owner, Slot):
            return part.owner
        if part.owner == "bot":
            return self._bots[0] if self._bots else Slot(phase="bot")
        is_idle = track.device is not None and self._slot.phase == "wait"
        if part.owner == "nobody" or (is_idle and self._charge_idle == "none"):
            return Slot(phase=self._slot.phase if is_idle else "other")
        return self._slot

    def _standing(self, now: datetime) -> Iterable[EnergyCounter]:
        for track in self._tracks:
            stands = track.standing()
            if stands is not None:
                yield EnergyCounter(
                    boot_id=self.boot_id,
                    source=track.source.name,
                    device=track.source.device,
                    value_j=stands[0],
                    at=now,
                    clock_s=stands[1],
                )

    def _run(self) -> None:
        due = beat = self._clock()
        while not self._is_closing:
            now = self._clock()
            if now >= due:
                self.cut()
                due = now + TICK_S
            if self._polled and now >= beat:
                self.poll()
                beat = max(beat, now - self._beat_s) + self._beat_s  # what was missed is missed
            self._flush()
            until = min(due, beat) if self._polled else due
            self._wake.wait(max(until - self._clock(), 0.0))
            self._wake.clear()

    def _flush(self) -> None:
        with self._delivery:  # one at a time: whoever flushes waits for rows on their way
            with self._lock:
                rows, self._rows, counters = self._rows, [], self._counters
            if not rows:
                return
            try:
                self._sink(rows, counters)
            except Exception:  # whatever the sink raises: no joule is lost
                log.exception("energy rows kept for the next try", extra={"rows": len(rows)})
                with self._lock:
                    self._rows = rows + self._rows
