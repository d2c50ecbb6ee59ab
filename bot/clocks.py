"""People's own clocks: how a moment is written for one person alone. Pure.

What many read is on the team's clock, with its zone's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time

from storage.models import Member


@dataclass(frozen=True, slots=True)
class Clock:
    """Where a clock hangs, and how its times are written.

    Attributes:
        zone: its time zone.
        language: a locale such as `de` or `en_US`; "" = 24 hours and English days.
    """

    zone: ZoneInfo
    language: str = ""

    def moment(self, at: datetime, since: datetime) -> str:
        """`15:05 CET`, or with its day where that is another than `since`'s: `Sa. 15:05 CET`.

        Args:
            at: aware.
            since: aware; a moment that is today for the reader.
        """
        here = at.astimezone(self.zone)
        is_today = here.date() == since.astimezone(self.zone).date()
        if not self.language:
            return f"{here:%H:%M %Z}" if is_today else f"{here:%a %H:%M %Z}"
        written = format_time(here, "short", locale=self.language)
        day = "" if is_today else f"{format_date(here, 'EEE', locale=self.language)} "
        return f"{day}{written} {here:%Z}"


def clock_of(member: Member | None, team: ZoneInfo) -> Clock:
    """Somebody's own clock; the team's where nobody said another one."""
    if member is None:
        return Clock(team)
    zone, language = zone_named(member.timezone or ""), language_named(member.locale or "")
    return Clock(ZoneInfo(zone) if zone else team, language)


def zone_named(text: str) -> str:
    """The IANA name of a time zone; "" where `text` is none."""
    try:
        return ZoneInfo(text).key if "/" in text or text == "UTC" else ""
    except (LookupError, OSError, ValueError):  # none, a folder of zones, no name at all
        return ""


def language_named(text: str) -> str:
    """`de-AT` or `de_AT` as `de_AT`; "" where `text` is none that is known."""
    spelt = text.replace("-", "_")
    try:
        return str(Locale.parse(spelt)) if spelt else ""
    except (UnknownLocaleError, ValueError, TypeError):
        return ""
