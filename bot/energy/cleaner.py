"""When training had best go on: where the grid is cleanest before a deadline. Pure.

This saves CO2e, not joules.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

WORTH_IT = 0.05
"""A start later must save this share of the grams, or nobody is kept waiting."""
YEARS = range(2000, 3000)
"""Times beyond may not be added to or taken from."""


class ForecastError(Exception):
    """The forecast cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The grid from a moment on, until the next slice begins."""

    start: datetime  # aware
    g_per_kwh: float


@dataclass(frozen=True, slots=True)
class Window:
    """A start, and what it saves.

    Attributes:
        start: when to go on.
        g_per_kwh: the grid's mean while training then runs.
        now_g_per_kwh: the same, going on at once.
    """

    start: datetime
    g_per_kwh: float
    now_g_per_kwh: float


def read(text: str) -> tuple[Slice, ...]:
    """The forecast in a CSV with the columns `start` and `g_per_kwh`, in order of time.

    Raises:
        ForecastError: it is none; the text names the line.
    """
    rows = csv.DictReader(io.StringIO(text, newline=None))
    try:
        if not {"start", "g_per_kwh"} <= set(rows.fieldnames or ()):
            raise ForecastError("it has no columns start and g_per_kwh")
        given = list(rows)
    except csv.Error as err:
        raise ForecastError(f"line {rows.line_num}: {err}") from None
    found = []
    for line, row in enumerate(given, 2):
        try:
            one = Slice(datetime.fromisoformat(row["start"]), float(row["g_per_kwh"]))
        except (TypeError, ValueError) as err:
            raise ForecastError(f"line {line}: {err}") from None
        if one.start.tzinfo is None or not 0 <= one.g_per_kwh < 1e5:
            raise ForecastError(f"line {line}: write the time with its offset, grams from 0 on")
        if one.start.year not in YEARS:
            raise ForecastError(f"line {line}: the year {one.start.year} is none to forecast")
        found.append(one)
    return tuple(sorted(found, key=lambda one: one.start))


def cleanest(
    slices: Sequence[Slice], now: datetime, latest: datetime, lasts: timedelta
) -> Window | None:
    """The cleanest start from now until `latest`; None where none saves enough, or little is known.

    Args:
        slices: the forecast, in order of time; the last one lasts as long as the one before it.
        now: the earliest start.
        latest: the latest start.
        lasts: how long training then runs.
    """
    at_once = _mean(slices, now, lasts)
    if at_once is None:
        return None
    ends = [one.start - lasts for one in slices]  # where a window ends as a slice does
    starts = {one.start for one in slices} | set(ends)
    known = [
        (grams, start)
        for start in sorted(starts)
        if now < start <= latest and (grams := _mean(slices, start, lasts)) is not None
    ]
    if not known:
        return None
    grams, start = min(known)
    if grams > (1 - WORTH_IT) * at_once:
        return None
    return Window(start, grams, at_once)


def _mean(slices: Sequence[Slice], start: datetime, lasts: timedelta) -> float | None:
    """Mean grams over a window; None where the forecast does not cover it."""
    if len(slices) < 2 or start < slices[0].start:
        return None
    ends = [
        *(one.start for one in slices[1:]),
        2 * (slices[-1].start - slices[-2].start) + slices[-2].start,
    ]
    if start + lasts > ends[-1] or lasts <= timedelta():
        return None
    grams = 0.0
    for one, end in zip(slices, ends, strict=True):
        inside = min(end, start + lasts) - max(one.start, start)
        grams += max(0.0, inside / lasts) * one.g_per_kwh
    return grams
