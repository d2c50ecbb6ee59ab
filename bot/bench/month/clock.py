"""The clock of a month that takes minutes; a killed bot's successor reads on from it."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from bot.clock import Clock

LEAST_TICK_S = 0.25
"""Looks that are to come every second would come all the time."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Which moment is which.

    Attributes:
        starts: the month's first moment, epoch s.
        wall: when it was on the wall, epoch s.
        speed: seconds of the month in one of the wall's.
    """

    starts: float
    wall: float
    speed: float

    @classmethod
    def from_now(cls, starts: datetime, speed: float) -> Self:
        """A month that begins now."""
        return cls(starts.timestamp(), time.time(), speed)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The pace that was kept."""
        return cls(**json.loads(path.read_text("utf-8")))

    def keep(self, path: Path) -> None:
        """Have other processes read it."""
        path.write_text(json.dumps(asdict(self)), "utf-8")

    def seconds(self) -> float:
        """What time it is, epoch s."""
        return self.starts + (time.time() - self.wall) * self.speed

    def now(self) -> datetime:
        """What time it is, aware UTC."""
        return datetime.fromtimestamp(self.seconds(), UTC)

    def wall_s(self, span: timedelta) -> float:
        """How long that takes on the wall."""
        return span.total_seconds() / self.speed


class FastClock(Clock):
    """The bot's clock in such a month."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    def now(self) -> datetime:
        """Aware UTC, of the month."""
        return self._pace.now()

    def running_s(self) -> float:
        """Seconds of the month."""
        return self._pace.seconds()

    def tick_s(self, seconds: float) -> float:
        """Looks cost as much as ever, so they come less often than the month's time runs.

        What is due is told from the database, so a look that comes late finds it.
        """
        return LEAST_TICK_S * max(1.0, math.sqrt(seconds) / 2)
