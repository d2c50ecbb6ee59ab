"""The bot as a whole: built from settings and platforms, run until stopped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from adapters.base import (
    ButtonPressed,
    CardDeleted,
    ChatPlatform,
    CommandInvoked,
    HasVerbs,
    HomeOpened,
    Inbound,
    Reconnected,
    ThreadReply,
)
from bot.access import Access
from bot.alerts import Alerts, tell
from bot.clock import WALL, Clock
from bot.commands.grammar import bare, on_card
from bot.commands.hearing import Commands
from bot.completing import complete
from bot.confirming import KEY as CONFIRM_KEY
from bot.doorkeeper import Doorkeeper
from bot.energy import metering
from bot.energy.carbon import grid_of
from bot.energy.intensity import provider
from bot.energy.spending import Spending
from bot.energy.summaries import Summaries
from bot.grammar import read_reply
from bot.home import show_home
from bot.house import House
from bot.lease import LOST, RENEW_S, Lease
from bot.members import forget_due
from bot.naming import Naming
from bot.noise import Voices
from bot.post import NotYet, PostOffice
from bot.reminders import Reminders
from bot.rounds import Rounds
from bot.schedule import Job, Schedule
from bot.settings import Settings, SettingsError
from bot.tracking.telling import LOOK_S, Trackers
from bot.verbs import SHOWN
from storage.database import StoreError
from storage.models import Posting, RunState
from storage.store.store import Store
from trainer.energy.cap import CapError, PowerCap
from trainer.energy.meter import EnergyMeter
from trainer.energy.probe import probe
from trainer.launch import LocalLauncher

log = logging.getLogger(__name__)

WRITTEN_DOWN_S = 30.0
"""So long after an event a card may stand in the chat that our books do not have yet."""
SNAPSHOT_S = 300.0
SUMMARY_S = 30.0
REMIND_S = 10.0
WATCH_S = 10.0
QUESTIONS_S = 2.0
ALERT_S = 60.0


@dataclass(slots=True)
class Bot:
    """A running bot."""

    house: House
    rounds: Rounds
    commands: Commands
    door: Doorkeeper
    schedule: Schedule
    lease: Lease
    started_at: datetime

    async def hear(self, event: Inbound, received_at: datetime) -> None:
        """Deal with one event: a command, a vote, or news of a connection."""
        self.door.saw(event)
        if isinstance(event, Reconnected):
            await self.look_at_open_cards()
            return
        if isinstance(event, CardDeleted):
            log.warning("a message of ours was deleted", extra={"ref": str(event.ref)})
            return  # its votes stay
        if isinstance(event, HomeOpened):
            await show_home(self.house, event.user)
            return
        posting = await self._posting(event)
        if isinstance(event, CommandInvoked):
            await self.commands.hear(event, posting)
        elif posting is None:
            return  # a message of somebody else's
        elif posting.ballot_id is not None and not await self._asks_about(event, posting):
            await self.rounds.listening.hear(event, posting, received_at)
        elif isinstance(event, ThreadReply) and (posting.ballot_id or bare(event.text)):
            await self.commands.hear(event, posting)
        elif isinstance(event, ButtonPressed) and posting.key.startswith(CONFIRM_KEY):
            await self.commands.confirm(event, posting)

    async def _asks_about(self, event: Inbound, posting: Posting) -> bool:
        """Whether somebody asks about a card in its thread; what is a vote there, stays one."""
        if not isinstance(event, ThreadReply) or not on_card(event.text):
            return False
        assert posting.ballot_id is not None
        found = await self.house.call(self.house.store.votes.ballot, posting.ballot_id)
        return found is not None and not read_reply(event.text, found[0]).said

    async def _posting(self, event: Inbound) -> Posting | None:
        if not event.ref.message:
            return None
        mail = self.house.store.mail
        posting = await self.house.call(mail.posting_at, str(event.ref))
        if posting is None and await self.house.call(mail.pending, event.ref.platform) > 0:
            # maybe a card of ours whose place is not written down yet
            waited = self.house.now() - max(event.at, self.started_at)
            if waited < timedelta(seconds=WRITTEN_DOWN_S):
                raise NotYet
        return posting

    async def look_at_open_cards(self) -> None:
        """Find what happened on open cards while nobody listened."""
        votes = self.house.store.votes
        for round_ in await self.house.call(votes.open_rounds):
            ballots = await self.house.call(votes.ballots, round_id=round_.round_id)
            await self.rounds.listening.look(ballots)
            self.rounds.changed(round_.run_id)

    def while_under_way(self, job: Job) -> Job:
        """The same job, but left out while no run is under way: a look costs joules, too."""

        async def look() -> None:
            if self.rounds.are_under_way:
                await job()

        return look

    async def close_due_rounds(self) -> None:
        """Close every round whose deadline passed, also those that passed while we were down."""
        for round_ in await self.house.call(self.house.store.votes.open_rounds):
            if self.house.now() < round_.closes_at:
                continue
            run = await self.house.call(self.house.store.runs.get, round_.run_id)
            if run is not None and run.state is not RunState.PAUSED:  # it gets its time back
                await self.rounds.listening.check(round_.round_id)

    async def stop_acting(self) -> None:
        """Another bot has taken over: no more ticks, and our children leave the work to its own."""
        self.schedule.close()
        with suppress(StoreError):
            holder = self.lease.holder
            await tell(self.house, f"lease:{holder}", f"The bot {holder} stopped: {LOST}.")
        await self.rounds.close()


@asynccontextmanager
async def running(
    settings: Settings,
    platforms: Mapping[str, ChatPlatform],
    *,
    clock: Clock = WALL,
    launcher: LocalLauncher | None = None,
) -> AsyncIterator[Bot]:
    """A bot that is connected, ticking and recovered; all is closed at the end.

    Args:
        settings: all there is to set.
        platforms: where people are.
        clock: all its time is this one's.
        launcher: starts training processes; by default on this host.

    Raises:
        StoreError: the database cannot be used, or another bot holds it.
        ChatSetupError: a platform cannot be connected.
        SettingsError: nothing is known of the country that is set, or a power limit cannot be set.
    """
    grid = await grid_of(settings)
    intensity = provider(settings.carbon_forecast)
    store = await asyncio.to_thread(Store.open, settings.database)
    lease = Lease(store, clock.now)
    await lease.take()
    found = await asyncio.to_thread(probe, settings.watts_per_core)
    grams = None if grid is None else grid.g_per_kwh * (settings.pue or 1.0)
    spending = Spending(store.ledger, grams)
    cap = PowerCap(settings.gpu_power_cap_w, settings.data_dir.resolve() / "power-limits.json")
    await asyncio.to_thread(cap.restore)
    try:
        await asyncio.to_thread(cap.check)
    except CapError as err:
        await lease.give_up()
        raise SettingsError(str(err)) from err
    voices = Voices(store)
    await asyncio.to_thread(voices.load)
    house = House(
        settings=settings,
        store=store,
        office=PostOffice(platforms, store, clock.now, voices.wants, Naming(store.votes).named),
        voices=voices,
        launcher=launcher or LocalLauncher(),
        meter=EnergyMeter(
            found.sources,
            spending.add,
            clock=clock.running_s,
            now=clock.now,
            charge_idle=settings.charge_idle,
        ),
        probe=found,
        spending=spending,
        cap=cap,
        channels={name: _channel(name, settings) for name in platforms},
        grid=grid,
        intensity=intensity,
        now=clock.now,
    )
    access = Access(settings.operators, settings.voters, settings.admins)
    door, rounds = Doorkeeper(house, access), Rounds(house, access)
    commands = Commands(house, rounds, access, door)
    bot = Bot(house, rounds, commands, door, Schedule(clock.tick_s), lease, house.now())
    left = await asyncio.to_thread(metering.left_off, store.ledger, house.meter.boot_id)
    house.meter.take_up(left)
    house.meter.start()
    is_all_ended = False
    for platform in platforms.values():
        if isinstance(platform, HasVerbs):
            platform.learn(SHOWN, partial(complete, house))
    try:
        await house.office.connect()
        await door.refresh()
        bot.schedule.start()
        bot.schedule.every(RENEW_S, "lease", lease.keep)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(house.office.run(bot.hear)),
                group.create_task(rounds.live.run()),
                group.create_task(lease.until_lost()),
            ]
            # what people did before a crash counts before any round may close
            await house.office.settled()
            await bot.look_at_open_cards()
            bot.schedule.every(1.0, "deadlines", bot.while_under_way(bot.close_due_rounds))
            bot.schedule.every(1.0, "budgets", bot.while_under_way(rounds.budgets.look))
            reminders = Reminders(house, access)
            bot.schedule.every(REMIND_S, "reminders", bot.while_under_way(reminders.look))
            summaries = Summaries(house)
            watchdog = rounds.segments.watchdog
            bot.schedule.every(WATCH_S, "watchdog", bot.while_under_way(watchdog.look))
            bot.schedule.every(ALERT_S, "alerts", Alerts(house).look)
            bot.schedule.every(SUMMARY_S, "summary", summaries.look)
            bot.schedule.every(SUMMARY_S, "fold", summaries.fold)
            bot.schedule.every(SUMMARY_S, "forget", partial(forget_due, house))
            bot.schedule.every(SNAPSHOT_S, "snapshots", bot.look_at_open_cards)
            bot.schedule.every(SNAPSHOT_S, "groups", door.refresh)
            trackers = Trackers(house)
            bot.schedule.every(LOOK_S, "trackers", trackers.look)
            await commands.questions.recover()
            bot.schedule.every(QUESTIONS_S, "questions", commands.questions.look)
            await rounds.recover()
            try:
                yield bot
            except asyncio.CancelledError:
                if lease.is_lost:
                    await bot.stop_acting()
                raise
            await rounds.close()
            await trackers.close()
            is_all_ended = True
            for task in tasks:
                task.cancel()
    finally:
        bot.schedule.close()
        await house.office.close()
        await asyncio.to_thread(house.meter.close)
        if is_all_ended:
            await asyncio.to_thread(_leave_counters, house)
        await lease.give_up()


def _leave_counters(house: House) -> None:
    """Nothing of ours works on: what counters move from here is not ours to book."""
    try:
        house.store.ledger.forget_counters(house.meter.boot_id)
    except StoreError as err:
        log.warning("counters not given up", extra={"reason": str(err)})


def _channel(platform: str, settings: Settings) -> str:
    """Where the bot talks on a platform."""
    own = {"slack": settings.slack_channel, "discord": settings.discord_channel}
    return own.get(platform, settings.channel)
