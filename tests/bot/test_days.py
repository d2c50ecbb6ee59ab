"""Local days, whatever the clocks do."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.days import CATCH_UP_DAYS, LocalDay, due

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
MOMENTS = st.integers(1_577_836_800, 1_893_456_000).map(lambda s: datetime.fromtimestamp(s, UTC))
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "America/Santiago",
    "Asia/Beirut",
    "UTC",
)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (BERLIN, date(2026, 3, 29), 23),
        (BERLIN, date(2026, 10, 25), 25),
        (NEW_YORK, date(2026, 3, 8), 23),
        (NEW_YORK, date(2026, 11, 1), 25),
        (BERLIN, date(2026, 11, 21), 24),
        # its clocks jump at midnight: the day begins at 01:00
        (ZoneInfo("America/Santiago"), date(2026, 9, 6), 23),
    ],
)
def test_days_have_as_many_hours_as_the_clocks_give_them(zone, day, hours):
    found = LocalDay(day, zone)

    assert (found.end - found.start) / timedelta(hours=1) == hours
    assert (f"a day of {hours} h" in found.hours) is (hours != 24)


@given(
    st.sampled_from(ZONES),
    MOMENTS,
)
def test_every_moment_lies_in_exactly_one_day(zone, moment):
    day = LocalDay.of(moment, ZoneInfo(zone))

    assert day.start <= moment < day.end
    assert day.before(1).end == day.start


@pytest.mark.parametrize(
    ("hour", "due_at"),
    [
        (1, datetime(2026, 3, 29, 0, 0, tzinfo=UTC)),
        (2, datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),  # 02:00 is skipped: at 03:00 summer time
        (3, datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        (9, datetime(2026, 3, 29, 7, 0, tzinfo=UTC)),
    ],
)
def test_an_hour_that_the_clocks_skip_is_the_next_one(hour, due_at):
    assert LocalDay(date(2026, 3, 28), BERLIN).due_at(hour) == due_at


def test_an_hour_that_comes_twice_is_the_first_one():
    assert LocalDay(date(2026, 10, 24), BERLIN).due_at(2) == datetime(2026, 10, 25, 0, tzinfo=UTC)


@given(
    st.sampled_from(ZONES),
    st.integers(0, 23),
    MOMENTS,
)
def test_the_last_days_are_due_each_once_and_none_before_its_time(zone, hour, now):
    days = due(now, ZoneInfo(zone), hour)

    assert len(days) == CATCH_UP_DAYS
    assert all(day.due_at(hour) <= now for day in days)
    assert [b.date - a.date for a, b in pairwise(days)] == [timedelta(1)] * 2
    after = days[-1].before(-1)
    assert after.due_at(hour) > now


def test_a_day_is_late_an_hour_after_it_was_due():
    day = LocalDay(date(2026, 11, 21), BERLIN)  # due at 08:00 UTC the day after

    assert not day.is_late(datetime(2026, 11, 22, 8, 59, tzinfo=UTC), 9)
    assert day.is_late(datetime(2026, 11, 22, 9, 0, tzinfo=UTC), 9)
