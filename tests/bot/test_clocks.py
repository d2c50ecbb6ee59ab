"""Times for one person alone: their zone, their language, and nothing that is neither."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.clocks import Clock, clock_of, language_named, zone_named
from storage.models import Member

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("language", "hours", "said"),
    [
        ("", 1, "14:00 CET"),
        ("", 13, "Sun 02:00 CET"),
        ("de", 1, "14:00 CET"),
        ("de", 13, "So. 02:00 CET"),
        ("en_US", 1, "2:00\u202fPM CET"),
        ("fr", 13, "dim. 02:00 CET"),
    ],
)
def test_a_moment_is_told_with_its_day_where_that_is_another(language, hours, said):
    assert Clock(BERLIN, language).moment(NOON + timedelta(hours=hours), NOON) == said


def test_which_day_it_is_says_the_readers_clock():
    late = datetime(2026, 11, 28, 23, 30, tzinfo=UTC)

    assert Clock(ZoneInfo("UTC")).moment(late, NOON) == "23:30 UTC"
    assert Clock(BERLIN).moment(late, NOON) == "Sun 00:30 CET"


def test_the_teams_clock_stands_in_for_what_nobody_said():
    team = ZoneInfo("Asia/Tokyo")
    ana = Member(member_id="memory:ana", person_id="memory:ana", locale="de")

    assert clock_of(None, team) == Clock(team)
    assert clock_of(ana, team) == Clock(team, "de")
    assert clock_of(ana.model_copy(update={"timezone": "Europe/Berlin"}), team).zone == BERLIN


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"), ("UTC", "UTC"), ("Berlin", ""), ("", ""),
        ("../../etc/passwd", ""), ("/etc/passwd", ""), ("Europe/", ""), ("Europe", ""),
        ("Europe/\0", ""), ("x" * 999 + "/y", ""),
    ],
)  # fmt: skip
def test_only_time_zones_are_time_zones(text, zone):
    assert zone_named(text) == zone


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("de", "de"), ("de-AT", "de_AT"), ("en_US", "en_US"), ("zh-TW", "zh_Hant_TW"), ("", ""),
        ("klingon", ""), ("../root", ""), ("de_DE.UTF-8", "de_DE"), ("12", ""), ("*", ""),
    ],
)  # fmt: skip
def test_only_languages_are_languages(text, language):
    assert language_named(text) == language
