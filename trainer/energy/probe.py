"""What this host can measure and what it must guess."""

from __future__ import annotations

import os
from dataclasses import dataclass

from trainer.energy.meter import boot_time
from trainer.energy.nvml import boards
from trainer.energy.sources import (
    WATTS_PER_CORE,
    WATTS_PER_GIB,
    CpuTimeSource,
    EnergySource,
    MemorySource,
    ProcessGroup,
)


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
    found, lines = boards()
    watts = watts_per_core or WATTS_PER_CORE
    origin = "set" if watts_per_core else "assumed"
    sources: list[EnergySource] = [
        *found,
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
