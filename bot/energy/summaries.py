"""The daily energy summary: which days lack one is asked of the database, each is posted once.

Also what is asked for by hand, and the daily folding of old readings.
"""

from __future__ import annotations

import asyncio
import logging
import platform
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from adapters.base import Picture
from bot import accounts, conclusion, outgoing, pictures
from bot.days import LocalDay, due
from bot.energy import daily
from bot.energy.budget import parse
from bot.energy.daily import DayBook, RunDay
from bot.energy.grid import Grid
from bot.energy.spending import Spending
from bot.house import House
from bot.settings import Settings
from storage import energy
from storage.energy import EnergyTotal
from storage.models import OutboxItem, Run, RunState
from storage.store.store import Store

log = logging.getLogger(__name__)

WEEK = 7
FOLD_AFTER = timedelta(hours=48)


class Summaries:
    """Posts what is due; each call is a tick of the schedule."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._done: set[str] = set()  # saves a look into the database each minute

    async def look(self) -> None:
        """Post the summary of every day that lacks one; with nothing to say, say nothing."""
        house, settings = self._house, self._house.settings
        if settings.quiet.until(house.now()) is not None:
            return
        for day in due(house.now(), settings.zone, settings.summary_hour):
            keys = {
                key(name, channel, day): (name, channel) for name, channel in house.channels.items()
            }
            if unknown := keys.keys() - self._done:
                self._done |= set(await house.call(house.store.upkeep.done, unknown))
            lacking = {k: where for k, where in keys.items() if k not in self._done}
            if lacking:
                await self._post(day, lacking)

    async def _post(self, day: LocalDay, lacking: Mapping[str, tuple[str, str]]) -> None:
        house = self._house
        book = await _book(house, day)
        picture = None if book.is_quiet else await draw(house, book)
        for done, (name, channel) in lacking.items():
            # off the event loop: intervals over pairs take a second the first time
            items = await house.call(said, book, picture, done, name, channel)
            await house.call(house.store.upkeep.once, done, house.now(), items)
            self._done.add(done)
        house.office.wake()

    async def fold(self) -> None:
        """Fold old readings, once a day."""
        house = self._house
        done = f"fold:{LocalDay.of(house.now(), house.settings.zone).date}"
        if done in self._done:
            return
        is_mine = await house.call(house.store.upkeep.once, done, house.now())
        self._done.add(done)
        if not is_mine:
            return
        had, have = await house.call(house.store.ledger.compact, house.now() - FOLD_AFTER)
        if had:
            log.info("old readings folded", extra={"rows_before": had, "rows_after": have})


def key(name: str, channel: str, day: LocalDay) -> str:
    """What a summary is done under: its platform's channel, and the local day."""
    return f"energy:{name}:{channel}:{day.date}"


def said(
    book: DayBook, picture: Picture | None, done: str, name: str, channel: str
) -> list[OutboxItem]:
    """What is posted of a day in one channel; nothing of a day without anything worth a line."""
    if book.is_quiet:
        line = "" if book.is_empty else daily.quiet_line(book)
        return [outgoing.say(done, name, channel, line)] if line else []
    return [
        outgoing.post(done, name, channel, daily.card(book, picture)),
        outgoing.say(f"{done}:details", name, channel, daily.details(book), thread=done),
    ]


async def draw(house: House, book: DayBook) -> Picture | None:
    """The day's picture; None when drawing failed: words alone then have to do."""
    path = house.settings.data_dir.resolve() / "summaries" / f"{book.day.date}.png"
    try:
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        is_drawn = await pictures.draw(daily.chart(book), path)
    except OSError as err:
        log.warning("summary not drawn", extra={"path": str(path), "reason": str(err)})
        return None
    if not is_drawn:
        return None
    return Picture(path=str(path), alt=daily.alt(book))


async def _book(house: House, day: LocalDay) -> DayBook:
    return await house.call(book_of, house.store, house.settings, house.grid, day, house.now())


def book_of(
    store: Store, settings: Settings, grid: Grid | None, day: LocalDay, now: datetime
) -> DayBook:
    """The books of a day; blocks while the database is read."""
    by_run = store.ledger.sums_between(day.start, day.end)
    runs = [
        RunDay(
            run,
            by_run[run_id],
            _report(run, day),
            store.ledger.baselines(run_id),
            _budget(store, grid, settings, run),
        )
        for run_id in sorted(by_run, key=_number)
        if run_id and (run := store.runs.get(run_id)) is not None
    ]
    known = {one.run.run_id for one in runs}
    voted = [one.run for one in runs]
    return DayBook(
        day=day,
        runs=runs,
        people=accounts.took_between(store, settings, voted, day.start, day.end),
        loose=[part for run_id, own in by_run.items() if run_id not in known for part in own],
        place=accounts.place(settings, grid),
        before=[total_of(store, day.before(ago)) for ago in range(WEEK, 0, -1)],
        remarks=store.ledger.remarks(day.start, day.end),
        host=platform.node(),
        is_late=day.is_late(now, settings.summary_hour),
        is_over=day.end <= now,
    )


def total_of(store: Store, day: LocalDay) -> EnergyTotal | None:
    """All joules of a day that are ours; None where nothing was booked."""
    by_run = store.ledger.sums_between(day.start, day.end)
    parts = [
        part
        for run_id, own in by_run.items()
        for part in own
        if run_id or not daily.is_nobodys(part)
    ]
    return energy.total(parts) if parts else None


def _number(run_id: str) -> tuple[int, str]:
    """`r2` before `r10`."""
    return len(run_id), run_id


def _budget(store: Store, grid: Grid | None, settings: Settings, run: Run) -> str:
    """How much of its budget a run has used, in all its days; "" without one."""
    if not run.budget:
        return ""
    grams = None if grid is None else grid.g_per_kwh * (settings.pue or 1.0)
    return f"{parse(run.budget).said(Spending(store.ledger, grams).spent(run.run_id))} is used"


def _report(run: Run, day: LocalDay) -> dict[str, Any] | None:
    """What a run left behind that ended on the day."""
    ended = run.ended_at
    if run.state is not RunState.FINISHED or ended is None or not day.start <= ended < day.end:
        return None
    try:
        return conclusion.read_report(run)
    except (OSError, ValueError) as err:  # the day is told without it
        log.warning("report not read", extra={"run": run.run_id, "reason": str(err)})
        return None


# --- asked for by hand --------------------------------------------------------------------------


async def about_day(house: House) -> str:
    """Today so far."""
    await house.call(house.meter.flush)
    day = LocalDay.of(house.now(), house.settings.zone)
    return await house.call(daily.text, await _book(house, day))


async def about_week(house: House) -> str:
    """The last seven days, today among them."""
    await house.call(house.meter.flush)
    today = LocalDay.of(house.now(), house.settings.zone)
    days = [today.before(ago) for ago in range(WEEK - 1, -1, -1)]
    totals = [(day, await house.call(total_of, house.store, day)) for day in days]
    return daily.week(totals)
