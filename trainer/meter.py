"""The energy meter: reads counters from outside the training process, a row per source and second.

Counters are cumulative joules; the meter cuts all of them at once whenever the phase changes and
at least each second, so the rows of a run always add up to what the counters moved. What cannot be
read is None with a reason, never 0.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import psutil

from storage.models import EnergyReading, Provenance

log = logging.getLogger(__name__)

TICK_S = 1.0
WATTS_PER_CORE = 4.0
"""CodeCarbon's fallback per hardware thread, where nothing better is known of the CPU."""
WATTS_PER_GIB = 0.375
"""RAM: 3 W per 8 GiB module, CodeCarbon's long-standing constant."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Who the machine works for at the moment."""

    run_id: str | None = None
    arm: str | None = None
    segment_id: str | None = None
    phase: str = "other"


class EnergySource(Protocol):
    """A cumulative counter of joules."""

    name: str
    device: str
    provenance: Provenance
    phase: str | None
    """The phase all its joules belong to, whatever the machine is doing; None = the slot's."""

    def read(self) -> float | None:
        """Joules since the source's own zero; None when it cannot be told right now."""


class ProcessGroup:
    """CPU seconds and memory of some processes, past ones included."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: dict[int, psutil.Process] = {}
        self._cpu_s: dict[int, float] = {}
        self._settled_s = 0.0

    def watch(self, pid: int, *, from_now: bool = False) -> None:
        """Count a process, from its birth unless `from_now`."""
        with self._lock, contextlib.suppress(psutil.Error):
            self._live[pid] = psutil.Process(pid)
            self._cpu_s[pid] = 0.0
            if from_now:
                self._settled_s -= _cpu_s(self._live[pid])

    def note(self, pid: int, cpu_s: float) -> None:
        """Take a process's own word for its CPU time: it may end before it is read again."""
        with self._lock:
            if pid in self._cpu_s:
                self._cpu_s[pid] = max(self._cpu_s[pid], cpu_s)

    def cpu_s(self) -> float:
        """CPU seconds so far, of all processes ever watched."""
        with self._lock:
            for pid, process in list(self._live.items()):
                try:
                    self._cpu_s[pid] = max(self._cpu_s[pid], _cpu_s(process))
                except psutil.Error:  # it ended
                    del self._live[pid]
                    self._settled_s += self._cpu_s.pop(pid)
            return self._settled_s + sum(self._cpu_s.values())

    def memory_gib(self) -> float:
        """Resident memory now."""
        total = 0
        with self._lock:
            for process in self._live.values():
                with contextlib.suppress(psutil.Error):
                    total += process.memory_info().rss
        return total / 2**30


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


class CpuTimeSource:
    """CPU time of a process group times a constant power per core: an estimate."""

    provenance: Provenance = "E-tdp"

    def __init__(
        self, group: ProcessGroup, watts_per_core: float, name: str, phase: str | None = None
    ) -> None:
        self.group, self.name, self.phase = group, name, phase
        self.device = "cpu"
        self._watts = watts_per_core

    def read(self) -> float | None:
        """CPU seconds times watts."""
        return self.group.cpu_s() * self._watts


class MemorySource:
    """Resident memory of a process group times a constant power per GiB: an estimate."""

    provenance: Provenance = "E-const"

    def __init__(self, group: ProcessGroup, clock: Callable[[], float], name: str) -> None:
        self.group, self.name, self.device = group, name, "ram"
        self.phase: str | None = None
        self._clock, self._at, self._joules = clock, clock(), 0.0

    def read(self) -> float | None:
        """The integral so far, memory taken as constant between two readings."""
        now = self._clock()
        self._joules += self.group.memory_gib() * WATTS_PER_GIB * (now - self._at)
        self._at = now
        return self._joules


class NvmlCounterSource:
    """The energy counter of one NVIDIA board: joules since the driver was loaded."""

    provenance: Provenance = "M-ctr"
    phase: str | None = None

    def __init__(self, uuid: str) -> None:
        import pynvml

        self._nvml = pynvml
        self._handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        self.name, self.device = "nvml-counter", uuid

    def read(self) -> float | None:
        """The counter; None when the driver does not answer."""
        try:
            return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1000
        except self._nvml.NVMLError as err:
            log.warning("no reading", extra={"device": self.device, "reason": str(err)})
            return None


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


@dataclass(frozen=True, slots=True)
class Probe:
    """The sources of this host and what they are, in words."""

    sources: tuple[EnergySource, ...]
    training: ProcessGroup
    lines: tuple[str, ...]


def probe(watts_per_core: float | None = None, bot_pid: int | None = None) -> Probe:
    """The best source per device of this host."""
    training, bot = ProcessGroup(), ProcessGroup()
    bot.watch(bot_pid or os.getpid(), from_now=True)
    boards, lines = _boards()
    watts = watts_per_core or WATTS_PER_CORE
    origin = "set" if watts_per_core else "assumed"
    sources: list[EnergySource] = [
        *boards,
        CpuTimeSource(training, watts, "cpu-time-training"),
        MemorySource(training, boot_time, "ram-training"),
        CpuTimeSource(bot, watts, "cpu-time-bot", phase="bot"),
    ]
    lines += [
        f"CPU: estimated, CPU time x {watts:g} W per core ({origin})",
        f"RAM: estimated, {WATTS_PER_GIB:g} W per GiB in use",
        "not covered: power supply losses, fans, network, disks",
    ]
    return Probe(tuple(sources), training, tuple(lines))


def _boards() -> tuple[list[EnergySource], list[str]]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded):
        return [], ["GPU: none (no NVIDIA driver)"]
    except pynvml.NVMLError as err:
        return [], [f"GPU: not metered, NVML says {err}"]
    found: list[EnergySource] = []
    lines = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        uuid, name = pynvml.nvmlDeviceGetUUID(handle), pynvml.nvmlDeviceGetName(handle)
        source = NvmlCounterSource(uuid)
        if source.read() is None:
            lines.append(f"GPU {index} {name}: not metered, it has no energy counter")
        else:
            found.append(source)
            lines.append(f"GPU {index} {name}: measured, energy counter")
    return found, lines
