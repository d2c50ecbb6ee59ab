"""The one clock of a bot: what time it is, and how often it looks."""

from __future__ import annotations

from datetime import UTC, datetime

from trainer.energy.clock import boot_time


class Clock:
    """The wall's. A benchmark that plays months hands in a faster one."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)

    def running_s(self) -> float:
        """Seconds that run on while the machine sleeps."""
        return boot_time()

    def tick_s(self, seconds: float) -> float:
        """How many seconds of the wall lie between two looks that are to come every `seconds`."""
        return seconds


WALL = Clock()
