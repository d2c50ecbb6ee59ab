"""A team's days in its own time zone, and which of them are due to be summed up. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

CATCH_UP_DAYS = 3
"""Days that are made up for after the bot was down; older ones are asked for by hand."""
LATE_AFTER = timedelta(hours=1)
ONE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LocalDay:
    """A calendar day of a time zone: 23, 24 or 25 hours."""

    date: date
    zone: ZoneInfo

    @classmethod
    def of(cls, moment: datetime, zone: ZoneInfo) -> LocalDay:
        """The day that a moment lies in."""
        return cls(moment.astimezone(zone).date(), zone)

    @property
    def start(self) -> datetime:
        """Its first moment, UTC."""
        return _at(self.date, 0, self.zone)

    @property
    def end(self) -> datetime:
        """The first moment of the next day, UTC."""
        return _at(self.date + ONE, 0, self.zone)

    @property
    def name(self) -> str:
        """`Sat 21 Nov 2026`."""
        return f"{self.date:%a} {self.date.day} {self.date:%b %Y}"

    @property
    def hours(self) -> str:
        """`00:00–24:00 Europe/Berlin`, with its length where it is not 24 h."""
        length_h = (self.end - self.start) / timedelta(hours=1)
        odd = "" if length_h == 24 else f", a day of {length_h:g} h"
        return f"00:00–24:00 {self.zone.key}{odd}"

    def before(self, days: int) -> LocalDay:
        """The day so many days ago."""
        return LocalDay(self.date - days * ONE, self.zone)

    def due_at(self, hour: int) -> datetime:
        """When its summary is due: from `hour` on the day after; an hour that is skipped, then next."""
        return _at(self.date + ONE, hour, self.zone)

    def is_late(self, now: datetime, hour: int) -> bool:
        """Whether its summary should have been posted long ago."""
        return now >= self.due_at(hour) + LATE_AFTER


def due(now: datetime, zone: ZoneInfo, hour: int) -> list[LocalDay]:
    """The days whose summary is due by now, oldest first: the last few."""
    today = LocalDay.of(now, zone)
    newest = 1 if today.before(1).due_at(hour) <= now else 2
    return [today.before(ago) for ago in range(newest + CATCH_UP_DAYS - 1, newest - 1, -1)]


def _at(day: date, hour: int, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(hour), zone).astimezone(UTC)
