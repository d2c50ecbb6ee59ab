"""What this host can measure and what it must guess."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from trainer.energy.clock import boot_time
from trainer.energy.findings import Finding
from trainer.energy.nvml import boards
from trainer.energy.rapl import POWERCAP, BotShare, packages
from trainer.energy.sources import (
    TRAINING_CPU,
    WATTS_PER_CORE,
    WATTS_PER_GIB,
    CpuTimeSource,
    EnergySource,
    MemorySource,
    ProcessGroup,
)

MODULE = "GH200"
"""Its counter holds the CPU, too (Zeus, pull request 172)."""
NOT_COVERED = "power supply losses, fans, network, disks"


@dataclass(frozen=True, slots=True)
class Probe:
    """The sources of this host and what they are.

    Attributes:
        sources: the best one of each device.
        training: the processes that train.
        findings: what was found, in words.
        watts_per_core: what the CPU is estimated by; None where its counter is read.
    """

    sources: tuple[EnergySource, ...]
    training: ProcessGroup
    findings: tuple[Finding, ...]
    watts_per_core: float | None

    @property
    def lines(self) -> tuple[str, ...]:
        """What was found, a line each, for the run's first message."""
        told = [f.line for f in self.findings if f.state != "none" or f.part == "GPU"]
        return (*told, f"not covered: {NOT_COVERED}")


def probe(
    watts_per_core: float | None = None,
    bot_pid: int | None = None,
    *,
    clock: Callable[[], float] = boot_time,
    powercap: Path = POWERCAP,
) -> Probe:
    """The best source per device of this host."""
    training, bot = ProcessGroup(), ProcessGroup()
    bot.watch(bot_pid or os.getpid(), from_now=True)
    gpus, found = boards(training.pids, clock)
    cores = psutil.cpu_count() or 1
    cpus, counter = packages(lambda: BotShare(bot.cpu_s, clock, cores), powercap)
    sources: list[EnergySource] = [*gpus, *cpus]
    found.append(counter)
    watts = None
    if any(MODULE in finding.part and finding.state == "measured" for finding in found):
        how = f"by the counter of the {MODULE}, which holds CPU and GPU"
        found.append(Finding("CPU", "measured", how, "M-ctr"))
    elif not cpus:
        watts = watts_per_core or WATTS_PER_CORE
        sources += [
            CpuTimeSource(training, watts, TRAINING_CPU),
            CpuTimeSource(bot, watts, "cpu-time-bot", owner="bot"),
        ]
        found.append(_guessed_cpu(watts, is_set=watts_per_core is not None))
    sources.append(MemorySource(training, clock, "ram-training"))
    found.append(
        Finding("RAM", "estimated", f"{WATTS_PER_GIB:g} W per GiB in use by training", "E-const")
    )
    return Probe(tuple(sources), training, tuple(found), watts)


def _guessed_cpu(watts: float, *, is_set: bool) -> Finding:
    how = f"CPU time x {watts:g} W per core ({'set' if is_set else 'assumed'})"
    remedy = (
        ""
        if is_set
        else ("set JOULERY_WATTS_PER_CORE to the CPU's power (TDP) divided by its cores")
    )
    return Finding("CPU", "estimated", how, "E-tdp", remedy=remedy)
