"""Quiet hours on the team's clock, whatever the clocks do."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.quiet import Quiet, parse

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
NIGHT = Quiet(time(22), time(7), BERLIN)
NOON_REST = Quiet(time(12), time(14), BERLIN)


def berlin(text):
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ("2026-06-10 21:59", None),
        ("2026-06-10 22:00", "2026-06-11 07:00"),
        ("2026-06-11 03:00", "2026-06-11 07:00"),
        ("2026-06-11 07:00", None),
        ("2026-03-28 23:00", "2026-03-29 07:00"),  # the short night
        ("2026-10-25 02:30", "2026-10-25 07:00"),  # in the hour that comes twice
    ],
)
def test_a_night_lies_between_its_hours_on_the_teams_clock(now, ends):
    assert NIGHT.until(berlin(now)) == (berlin(ends) if ends else None)


@pytest.mark.parametrize(
    ("start", "minutes", "closes"),
    [
        ("2026-06-10 12:00", 10, "2026-06-10 12:10"),  # by day: as it is
        ("2026-06-10 23:00", 10, "2026-06-11 07:10"),  # at night: from the morning on
        ("2026-06-10 21:55", 10, "2026-06-11 07:05"),  # what is left goes on in the morning
        ("2026-06-10 21:50", 10, "2026-06-10 22:00"),  # all of it before the night
        ("2026-06-10 12:00", 24 * 60, "2026-06-11 21:00"),  # 10 h, and 14 h after the night
        ("2026-06-10 12:00", 15 * 60 * 3, "2026-06-13 12:00"),  # three days of 15 h
    ],
)
def test_a_deadline_counts_by_day_only(start, minutes, closes):
    assert NIGHT.after(berlin(start), timedelta(minutes=minutes)) == berlin(closes)


@pytest.mark.parametrize(
    ("deadline", "since", "now", "closes"),
    [
        ("2026-06-10 12:10", "2026-06-10 12:02", "2026-06-10 13:00", "2026-06-10 13:08"),  # by day
        ("2026-06-10 21:00", "2026-06-10 20:55", "2026-06-11 05:00", "2026-06-11 07:05"),  # goes on at night
        ("2026-06-11 07:05", "2026-06-10 21:55", "2026-06-10 21:58", "2026-06-11 07:08"),  # over a night
        ("2026-06-11 07:05", "2026-06-11 03:00", "2026-06-11 12:00", "2026-06-11 12:05"),  # held at night
        ("2026-06-10 12:10", "2026-06-10 12:20", "2026-06-10 13:00", "2026-06-10 13:00"),  # it was over
    ],
)  # fmt: skip
def test_a_deadline_that_was_held_has_left_what_was_left_by_day(deadline, since, now, closes):
    assert NIGHT.held(berlin(deadline), berlin(since), berlin(now)) == berlin(closes)


@given(st.integers(0, 200), st.integers(0, 3000))
def test_the_time_by_day_until_a_deadline_is_what_it_was_given(hours, minutes):
    start, length = (
        berlin("2026-10-23 12:00").astimezone(UTC) + timedelta(hours=hours),
        timedelta(minutes=minutes),
    )

    assert NIGHT.between(start, NIGHT.after(start, length)) == length


@pytest.mark.parametrize(
    ("zone", "evening", "hours"),
    [
        (BERLIN, "2026-03-28 22:00", 8),
        (BERLIN, "2026-10-24 22:00", 10),
        (NEW_YORK, "2026-03-07 22:00", 8),
        (NEW_YORK, "2026-10-31 22:00", 10),
        (BERLIN, "2026-06-10 22:00", 9),
    ],
)
def test_nights_are_as_long_as_the_clocks_make_them(zone, evening, hours):
    quiet = Quiet(time(22), time(7), zone)
    start = datetime.fromisoformat(evening).replace(tzinfo=zone).astimezone(UTC)

    assert quiet.until(start) - start == timedelta(hours=hours)
    assert quiet.after(start, timedelta(minutes=1)) - start == timedelta(hours=hours, minutes=1)


def test_an_hour_that_is_skipped_is_no_night_and_one_that_comes_twice_is_one():
    """02:00 to 03:00: in spring it does not exist, in autumn it is two hours long."""
    quiet = Quiet(time(2), time(3), BERLIN)

    assert quiet.until(datetime(2026, 3, 29, 1, 0, tzinfo=UTC)) is None
    assert quiet.until(datetime(2026, 10, 25, 0, 0, tzinfo=UTC)) == datetime(
        2026, 10, 25, 2, 0, tzinfo=UTC
    )


def test_a_rest_at_noon_lies_on_one_day():
    assert NOON_REST.until(berlin("2026-06-10 13:00")) == berlin("2026-06-10 14:00")
    assert NOON_REST.until(berlin("2026-06-10 15:00")) is None
    assert NOON_REST.after(berlin("2026-06-10 11:30"), timedelta(hours=1)) == berlin(
        "2026-06-10 14:30"
    )


MOMENTS = st.integers(1_577_836_800, 1_893_456_000).map(lambda s: datetime.fromtimestamp(s, UTC))
MINUTES = st.integers(0, 24 * 60 - 1).map(lambda m: time(m // 60, m % 60))


@given(MINUTES, MINUTES, st.sampled_from([BERLIN, NEW_YORK]), MOMENTS, st.integers(1, 4000))
def test_no_deadline_falls_into_a_night_and_none_comes_early(begins, ends, zone, start, minutes):
    quiet, length = Quiet(begins, ends, zone), timedelta(minutes=minutes)
    closes = quiet.after(start, length)

    assert closes >= start + length
    a_second_before = closes - timedelta(seconds=1)
    assert quiet.until(a_second_before) is None  # it passes while people are awake
    assert quiet.after(start, length + timedelta(minutes=1)) > closes


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("22-7", (time(22), time(7))),
        ("21:30 - 06:45", (time(21, 30), time(6, 45))),
        ("0-5", (time(0), time(5))),
    ],
)
def test_quiet_hours_are_written_shortly(text, read):
    assert parse(text) == read


@pytest.mark.parametrize("text", ["", "22", "22-24", "7-7", "10pm-7am", "22:60-7", "-1-7"])
def test_what_is_no_quiet_hours_is_refused(text):
    with pytest.raises(ValueError, match=r"quiet|hours|begin"):
        parse(text)
