"""The clock: APScheduler with a memory job store, rebuilt at every start.

Jobs are ticks; what is due is decided from the database, so a tick that comes twice or late does
no harm, and a deadline that passed while the bot was down is made up for at the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.clock import WALL

log = logging.getLogger(__name__)

Job = Callable[..., Awaitable[Any]]


class Schedule:
    """The ticks of one bot process.

    Args:
        tick_s: the wall's seconds between two ticks that are to come every so many.
    """

    def __init__(self, tick_s: Callable[[float], float] = WALL.tick_s) -> None:
        self._tick_s = tick_s
        self._scheduler: Any = AsyncIOScheduler(
            timezone="UTC",
            # a job late for whatever reason still runs, once
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def start(self) -> None:
        """Begin to tick."""
        self._scheduler.start()

    def close(self) -> None:
        """Stop ticking, if it ever began."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def every(self, seconds: float, name: str, job: Job) -> None:
        """Run `job` every `seconds`."""
        how = {"seconds": self._tick_s(seconds), "id": name}
        self._scheduler.add_job(_guarded, "interval", args=[job, name], **how)


async def _guarded(job: Job, name: str) -> None:
    """A job that fails is logged; the clock goes on."""
    try:
        await job()
    except Exception:  # whatever a job raises: the other jobs must go on
        log.exception("job failed", extra={"job": name})
