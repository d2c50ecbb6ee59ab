"""The team's quiet hours: no reminders, no summaries, and a night counts towards no deadline. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)
HOURS = re.compile(r"(\d{1,2})(?::(\d{2}))?\s*-\s*(\d{1,2})(?::(\d{2}))?")


@dataclass(frozen=True, slots=True)
class Quiet:
    """From one time of day to another, on the team's clock; they may lie on two days.

    Attributes:
        begins: first moment of a night.
        ends: first moment after it; the same as `begins` = there is no night.
        zone: where the clock hangs. A time that is skipped in spring is the moment after the jump,
            one that comes twice in autumn the first of both.
    """

    begins: time
    ends: time
    zone: ZoneInfo

    def until(self, now: datetime) -> datetime | None:
        """When the night that `now` lies in is over, UTC; None by day."""
        for begin, end in self._nights(now):
            if now < end:
                return end if begin <= now else None
        return None

    def after(self, start: datetime, length: timedelta) -> datetime:
        """The moment `length` after `start`, counting by day only, UTC."""
        left, at = length, start.astimezone(UTC)
        for begin, end in self._nights(start):
            if at < begin and at + left <= begin:
                break
            if at < end:
                left -= max(timedelta(0), begin - at)
                at = end
        return at + left

    def between(self, start: datetime, end: datetime) -> timedelta:
        """How much of the time from `start` to `end` is day; none where it ends first."""
        first, last = start.astimezone(UTC), end.astimezone(UTC)
        length = max(timedelta(0), last - first)
        for night_begins, night_ends in self._nights(start):
            if night_begins >= last:
                break
            length -= max(timedelta(0), min(last, night_ends) - max(first, night_begins))
        return length

    def held(self, deadline: datetime, since: datetime, now: datetime) -> datetime:
        """A deadline that stood still from `since` until now, UTC: what was left by day is left."""
        return self.after(now, self.between(since, deadline))

    def _nights(self, since: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The nights from the one before `since` on, UTC, without end; none where there are none."""
        day = since.astimezone(self.zone).date() - ONE_DAY
        while self.begins != self.ends:
            morning = day if self.begins < self.ends else day + ONE_DAY
            begin, end = (
                datetime.combine(on, at, self.zone).astimezone(UTC)
                for on, at in ((day, self.begins), (morning, self.ends))
            )
            if begin < end:  # else it lies in an hour that is skipped
                yield begin, end
            day += ONE_DAY


ALWAYS_DAY = Quiet(time(), time(), ZoneInfo("UTC"))


def parse(text: str) -> tuple[time, time]:
    """`22-7` or `21:30-06:45` as two times of day.

    Raises:
        ValueError: it is neither, or spans no hours.
    """
    found = HOURS.fullmatch(text.strip())
    if found is None:
        raise ValueError("write quiet hours such as 22-7 or 21:30-06:45")
    hours = (int(found[1]), int(found[2] or 0)), (int(found[3]), int(found[4] or 0))
    if any(hour > 23 or minute > 59 for hour, minute in hours):
        raise ValueError("hours go from 0 to 23, minutes to 59")
    begins, ends = (time(*one) for one in hours)
    if begins == ends:
        raise ValueError("they begin and end at the same time; leave them empty for none")
    return begins, ends
