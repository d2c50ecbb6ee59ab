"""A team's night: nothing is summed up, and runs do as their spec says."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.energy.summaries import Summaries
from storage.models import RunState
from tests.flows.people import ended, head, open_cards, thread, vote_until_ended
from tests.storage.records import new_run, reading

NIGHT = datetime(2026, 11, 21, 22, 30, tzinfo=UTC)  # 23:30 in Berlin
BERLIN = {"timezone": "Europe/Berlin", "quiet_hours": "22-7"}


async def test_a_pause_at_night_asks_until_the_morning(open_bot, tiny_spec, chat):
    """60 s from 07:00 on, Berlin time."""
    async with open_bot(**BERLIN) as bot:
        bot.house.now = lambda: NIGHT
        run = await bot.rounds.begin(tiny_spec(ask={"at": [0.5]}), who="memory:ana")

        await open_cards(chat, 6)
        [round_] = bot.house.store.votes.open_rounds()

        assert round_.closes_at == datetime(2026, 11, 22, 6, 1, tzinfo=UTC)
        opened = next(text for text in thread(chat, head(chat, run).ref) if "Round 1" in text)
        assert "closes by Sun 07:01 CET" in opened
        assert (await vote_until_ended(chat, bot, run)).state is RunState.FINISHED


async def test_a_run_that_goes_on_through_the_night_asks_nobody_and_says_so(
    open_bot, tiny_spec, chat
):
    async with open_bot(**BERLIN) as bot:
        bot.house.now = lambda: NIGHT
        spec = tiny_spec(ask={"at": [0.3, 0.6], "at_night": "continue"})
        run = await bot.rounds.begin(spec, who="memory:ana")

        assert (await ended(bot, run)).state is RunState.FINISHED
        assert bot.house.store.votes.rounds(run.run_id) == []
        said = thread(chat, head(chat, run).ref)
        assert sum("Quiet hours until 07:00 CET: nobody is asked" in text for text in said) == 2


async def test_a_run_that_goes_on_through_the_night_asks_at_the_next_pause_by_day(
    open_bot, tiny_spec, chat
):
    async with open_bot(**BERLIN) as bot:
        segments = bot.house.store.runs

        def now():
            is_first_over = any(s.report for s in segments.segments("r1.human"))
            return NIGHT + timedelta(hours=10) if is_first_over else NIGHT

        bot.house.now = now
        spec = tiny_spec(ask={"at": [0.3, 0.6], "at_night": "continue"})
        run = await bot.rounds.begin(spec, who="memory:ana")

        assert (await vote_until_ended(chat, bot, run)).state is RunState.FINISHED
        [round_] = bot.house.store.votes.rounds(run.run_id)
        assert (round_.n, segments.segments("r1.human")[1].until) == (0, 0.6)


@pytest.mark.parametrize(("hour", "posts"), [(5, 0), (6, 1)])  # 06:30 and 07:30 in Berlin
async def test_no_summary_is_posted_at_night(open_bot, chat, hour, posts):
    async with open_bot(**BERLIN, summary_hour=6) as bot:
        bot.house.now = lambda: datetime(2026, 11, 22, hour, 30, tzinfo=UTC)
        store, at = bot.house.store, NIGHT - timedelta(hours=9)
        run = new_run(store)
        store.ledger.add(
            [reading(1, 3600.0, started_at=at, ended_at=at, run_id=run.run_id, phase="train")]
        )

        await Summaries(bot.house).look()
        await bot.house.office.drained(10)

        assert sum((p.key or "").startswith("energy:") and not p.ref.thread
                   for p in chat.posts.values()) == posts  # fmt: skip
