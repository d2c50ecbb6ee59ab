"""`joulery bench energy`: groups of figures, each beside what was wanted of it."""

from __future__ import annotations

import os
import platform
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from bot.bench.energy import accounting, foresight, gpu, metering
from bot.bench.figures import BenchReport, Figure


class Group(Protocol):
    """Some figures; raises BenchError where they cannot be had."""

    def __call__(self, *, quick: bool) -> Awaitable[tuple[Figure, ...]]:
        """Carry out what is measured."""


GROUPS: Mapping[str, Group] = {
    "metering": metering.figures,
    "accounting": accounting.figures,
    "foresight": foresight.figures,
}


async def run(*, quick: bool, progress: Callable[[int, int], None]) -> BenchReport:
    """All groups; that of boards only where there is one.

    Raises:
        BenchError: a group could not be carried out.
    """
    groups, why = dict(GROUPS), gpu.missing()
    if why is None:
        groups["gpu"] = gpu.figures
    found: list[Figure] = []
    for done, (_, group) in enumerate(groups.items()):
        progress(done, len(groups))
        found += await group(quick=quick)
    return BenchReport(
        setting={
            "quick": quick,
            "cores": os.cpu_count(),
            "machine": platform.platform(),
            "skipped": {} if why is None else {"gpu": why},
        },
        figures=tuple(found),
    )
