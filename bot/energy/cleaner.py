"""When training had best go on: where the grid is cleanest before a deadline. Pure.

This saves CO2e, not joules.
"""

from __future__ import annotations

import csv
import io
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, pairwise

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
    curve = _Curve.of(slices)
    at_once = curve.mean(now, lasts) if curve else None
    if curve is None or at_once is None:
        return None
    starts = {time for time in (*curve.times, latest) if now < time <= latest}
    starts |= {time - lasts for time in curve.times if now < time - lasts <= latest}
    known = [
        (grams, start)
        for start in sorted(starts)
        if (grams := curve.mean(start, lasts)) is not None
    ]
    if not known:
        return None
    grams, start = min(known)
    if grams > (1 - WORTH_IT) * at_once:
        return None
    return Window(start, grams, at_once)


@dataclass(frozen=True, slots=True)
class _Curve:
    """The forecast summed up, so that a mean over a window takes two look-ups.

    Attributes:
        times: where slices begin, and where the last one ends.
        grams: of each slice.
        sums: gram seconds until each of the times.
    """

    times: Sequence[datetime]
    grams: Sequence[float]
    sums: Sequence[float]

    @classmethod
    def of(cls, slices: Sequence[Slice]) -> _Curve | None:
        """None where there are too few slices to say how long the last one lasts."""
        if len(slices) < 2:
            return None
        times = [one.start for one in slices]
        times.append(2 * (times[-1] - times[-2]) + times[-2])
        grams = [one.g_per_kwh for one in slices]
        spans = ((end - begin).total_seconds() for begin, end in pairwise(times))
        sums = accumulate((g * s for g, s in zip(grams, spans, strict=True)), initial=0.0)
        return cls(times, grams, list(sums))

    def mean(self, start: datetime, lasts: timedelta) -> float | None:
        """Mean grams over a window; None where the forecast does not cover it."""
        if start < self.times[0] or start + lasts > self.times[-1] or lasts <= timedelta():
            return None
        return (self._until(start + lasts) - self._until(start)) / lasts.total_seconds()

    def _until(self, time: datetime) -> float:
        at = min(bisect_right(self.times, time), len(self.grams)) - 1
        return self.sums[at] + self.grams[at] * (time - self.times[at]).total_seconds()
