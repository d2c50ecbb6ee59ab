"""What goes wrong in a month: the bot is killed at random moments, the database is locked at times."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from bot.bench.chat.process import BotProcess
from bot.bench.month.clock import Pace

LOCKED_S = (0.3, 1.5)
"""For how long, on the wall."""


@dataclass(slots=True)
class Outages:
    """When the bot was down, from the kill until it listened again."""

    spans: list[tuple[datetime, datetime]] = field(default_factory=list)

    def up(self, start: datetime, end: datetime) -> float:
        """Seconds within [start, end) in which it was up."""
        down = sum(
            max(0.0, (min(end, until) - max(start, since)).total_seconds())
            for since, until in self.spans
        )
        return max(0.0, (end - start).total_seconds() - down)


async def kill(
    bot: BotProcess, times: int, wall_s: float, pace: Pace, rng: random.Random
) -> Outages:
    """Kill the bot so often within that time, at random moments, and start it again each time.

    A moment is drawn from the time that is left: on a machine where starting takes long, those that
    fall into it must not follow one upon the other.
    """
    outages, loop = Outages(), asyncio.get_running_loop()
    ends = loop.time() + wall_s
    for left in range(times, 0, -1):
        # the first of so many uniform moments
        share = 1.0 - rng.random() ** (1 / left)
        await asyncio.sleep(max(0.0, ends - loop.time()) * share)
        since = pace.now()
        await asyncio.to_thread(bot.kill)
        await bot.start()
        outages.spans.append((since, pace.now()))
    return outages


async def lock(database: Path, times: int, wall_s: float, rng: random.Random) -> None:
    """Hold the database's write lock so often within that time, as a backup might."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for moment in sorted(rng.uniform(0.0, wall_s) for _ in range(times)):
        await asyncio.sleep(max(0.0, began + moment - loop.time()))
        await asyncio.to_thread(_hold, database, rng.uniform(*LOCKED_S))


def _hold(database: Path, seconds: float) -> None:
    with contextlib.closing(sqlite3.connect(database, timeout=20)) as held:
        held.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        held.rollback()
