"""On an NVIDIA board: counter against polling, and what a CUDA context draws; nothing without one."""

from __future__ import annotations

import asyncio
import time

from bot.bench.energy import children
from bot.bench.figures import BenchError, Figure
from trainer.energy import nvml
from trainer.energy.clock import boot_time

SETTLE_S, LOAD_S = 5.0, 30.0


def missing() -> str | None:
    """Why nothing can be measured; None where it can."""
    sources, findings = nvml.boards(frozenset, boot_time)
    if not any(isinstance(source, nvml.NvmlCounterSource) for source in sources):
        return findings[0].line if findings else "no board"
    return None


async def figures(*, quick: bool) -> tuple[Figure, ...]:
    """About two minutes on the first board with a counter.

    Raises:
        BenchError: the board fell silent, or the process that loads it died.
    """
    return await asyncio.to_thread(_figures, 10.0 if quick else 30.0)


def _figures(idle_s: float) -> tuple[Figure, ...]:
    first, again = drawn(idle_s)[0] / idle_s, drawn(idle_s)[0] / idle_s
    with children.burner() as child:
        child.do("context")
        time.sleep(SETTLE_S)
        context_w = drawn(idle_s)[0] / idle_s
        child.tell(f"load {LOAD_S + 2 * SETTLE_S}")
        time.sleep(SETTLE_S)
        counted, polled = drawn(LOAD_S)
        child.answer()
    return (
        Figure("GPU, 30 s of load: polling beside the counter", abs(polled / counted - 1), "", "<= 0.05"),
        Figure("GPU, load", counted / LOAD_S, "W", ">= 0"),
        Figure("GPU, idle", first, "W", ">= 0"),
        Figure("... measured again, difference", abs(again - first), "W", "<= 3"),
        Figure("GPU, a CUDA context on top of idle", context_w - min(first, again), "W", ">= 0"),
    )  # fmt: skip


def drawn(seconds: float) -> tuple[float, float]:
    """(J by the counter, J by power polled every 100 ms) of the first board that has a counter."""
    sources, _ = nvml.boards(frozenset, boot_time)
    uuid = next(s.device for s in sources if isinstance(s, nvml.NvmlCounterSource))
    counter = nvml.NvmlCounterSource(nvml.Board(uuid))
    power = nvml.NvmlPowerSource(nvml.Board(uuid), boot_time)
    before, end = counter.read(), time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(nvml.POLL_S)
        power.poll()
    power.poll()
    after, polled = counter.read(), power.read()
    if before is None or after is None or polled is None:
        raise BenchError(f"the board fell silent: {counter.reason or power.reason}")
    return after - before, polled
