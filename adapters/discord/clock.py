"""What time it is on Discord: its reactions have none, and votes are put in order by its time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

TICK = timedelta(milliseconds=1)  # of the times in Discord's ids


class Clock:
    """Our clock, set by the times Discord gives to our own messages; it never goes back."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._ahead = timedelta(0)
        self._last: datetime | None = None

    def compare(self, asked: datetime, answered: datetime, theirs: datetime) -> None:
        """A message was made at `theirs`, between two moments of ours: no more is put right than that."""
        earliest, latest = asked - TICK, answered
        self._ahead = min(theirs - earliest, timedelta(0)) + max(theirs - latest, timedelta(0))

    def moment(self) -> datetime:
        """Now, as Discord would say; later than every moment before."""
        found = self._now() + self._ahead
        if self._last is not None and found <= self._last:
            found = self._last + timedelta(microseconds=1)
        self._last = found
        return found
