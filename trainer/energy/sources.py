"""The ports of all sources of joules, and those that estimate from what processes use."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import psutil

from storage.models import Provenance
from trainer.energy.plausible import Bounds

WATTS_PER_CORE = 4.0
"""CodeCarbon's fallback per hardware thread, where nothing better is known of the CPU."""
WATTS_PER_GIB = 0.375
"""RAM: 3 W per 8 GiB module, CodeCarbon's long-standing constant."""

TRAINING_CPU = "cpu-time-training"
"""The source that estimates what training processes cost the CPU."""

Owner = Literal["slot", "bot", "nobody"]
"""Who joules belong to: whoever the machine works for, the bot itself, or nobody we know."""


class EnergySource(Protocol):
    """A cumulative counter of joules."""

    name: str
    device: str
    provenance: Provenance
    owner: Owner

    def read(self) -> float | None:
        """Joules since the source's own zero; None when it cannot be told right now."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of what a device drew, and whose it is.

    Attributes:
        energy_j: joules.
        owner: whose they are.
        provenance: how well that is known.
        suffix: tells parts of one source apart, where there are several.
        note: what to keep in mind.
    """

    energy_j: float
    owner: Owner
    provenance: Provenance
    suffix: str = ""
    note: str = ""


@runtime_checkable
class DeviceSource(EnergySource, Protocol):
    """A counter or sensor of a piece of hardware, which belongs to the whole machine."""

    bounds: Bounds
    is_persistent: bool  # the counter runs on while nobody reads it
    poll_s: float | None  # how often it must be polled to be right; None = need not be

    @property
    def reason(self) -> str:
        """Why the last reading told nothing."""

    def poll(self) -> None:
        """Sample it once between two readings."""

    def parts(self, energy_j: float, seconds: float) -> tuple[Part, ...]:
        """Whose joules these are; they add up to `energy_j`."""


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
            process = psutil.Process(pid)
            if self._live.get(pid) == process:
                return
            before = _cpu_s(process) if from_now else 0.0
            self._settled_s += self._cpu_s.pop(pid, 0.0)  # of a process whose number it has now
            self._live[pid], self._cpu_s[pid] = process, before
            self._settled_s -= before

    def note(self, pid: int, cpu_s: float) -> None:
        """Take a process's own word for its CPU time: it may end before it is read again."""
        with self._lock:
            if pid in self._cpu_s:
                self._cpu_s[pid] = max(self._cpu_s[pid], cpu_s)

    def pids(self) -> frozenset[int]:
        """Those that were at work when they were last read."""
        with self._lock:
            return frozenset(self._live)

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
        self, group: ProcessGroup, watts_per_core: float, name: str, owner: Owner = "slot"
    ) -> None:
        self.group, self.name, self.owner = group, name, owner
        self.device = "cpu"
        self._watts = watts_per_core

    def read(self) -> float | None:
        """CPU seconds times watts."""
        return self.group.cpu_s() * self._watts


class MemorySource:
    """Resident memory of a process group times a constant power per GiB: an estimate."""

    provenance: Provenance = "E-const"
    owner: Owner = "slot"

    def __init__(self, group: ProcessGroup, clock: Callable[[], float], name: str) -> None:
        self.group, self.name, self.device = group, name, "ram"
        self._clock, self._at, self._joules = clock, clock(), 0.0

    def read(self) -> float | None:
        """The integral so far, memory taken as constant between two readings."""
        now = self._clock()
        self._joules += self.group.memory_gib() * WATTS_PER_GIB * (now - self._at)
        self._at = now
        return self._joules
