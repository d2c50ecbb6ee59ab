"""After a round training waits for cleaner electricity, until somebody is in haste."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from storage.models import RunState
from tests.flows.people import ended, head, thread, vote_until_ended
from trainer.spec import SpecError


async def test_training_waits_for_the_cleanest_hour_or_for_a_word(
    open_bot, chat, tiny_spec, tmp_path
):
    spec = tiny_spec(ask={"at": [0.3], "audit": 0}).model_copy(update={"may_wait": 6 * 3600.0})
    path = tmp_path / "grid.csv"
    async with open_bot(carbon_forecast=str(write(path, [400, 400, 100, 100, 400]))) as bot:
        run = await bot.rounds.begin(spec, who="memory:ana")
        voting = asyncio.create_task(vote_until_ended(chat, bot, run))
        async with asyncio.timeout(60):
            await chat.until(lambda: any("75% less than now" in text for text in chat.said()))
        segments = bot.house.store.runs.segments(f"{run.run_id}.human")
        assert [s.report["outcome"] for s in segments] == ["done"]

        await chat.command("ana", f"resume {run.run_id}", "joulery")
        run = await voting

        assert run.state is RunState.FINISHED
        assert said(chat, run).count("less than now") == 1


async def test_a_run_that_waits_is_idle_says_so_and_can_be_held_and_set_going(
    open_bot, chat, tiny_spec, tmp_path
):
    """What it draws meanwhile is no work; after a pause one resume is enough, and goes on at once."""
    spec = tiny_spec(ask={"at": [0.3], "audit": 0}).model_copy(update={"may_wait": 6 * 3600.0})
    path = write(tmp_path / "grid.csv", [400, 400, 100, 100, 400])
    async with open_bot(carbon_forecast=str(path)) as bot:
        run = await bot.rounds.begin(spec, who="memory:ana")
        voting = asyncio.create_task(vote_until_ended(chat, bot, run))
        async with asyncio.timeout(60):
            await chat.until(lambda: waits(head(chat, run).card.lines[0]))
        await chat.command("ana", f"status {run.run_id}", "joulery")
        async with asyncio.timeout(10):
            await chat.until(lambda: any(waits(text) for text in chat.said()))
        assert bot.house.meter.slot.phase == "wait"

        await chat.command("ana", f"pause {run.run_id}", "joulery")
        async with asyncio.timeout(10):
            await chat.until(lambda: "Paused" in head(chat, run).card.lines[0])
        await chat.command("ana", f"resume {run.run_id}", "joulery")
        run = await voting

        assert run.state is RunState.FINISHED


def waits(text):
    return "Waiting for cleaner electricity until" in text and "say resume" in text


async def test_where_the_grid_stays_as_it_is_nobody_waits(open_bot, chat, tiny_spec, tmp_path):
    spec = tiny_spec(ask={"at": [0.3], "audit": 0, "deadline": 1})
    spec = spec.model_copy(update={"may_wait": 6 * 3600.0})
    path = write(tmp_path / "grid.csv", [300, 300, 300, 300])
    async with open_bot(carbon_forecast=str(path)) as bot:
        run = await ended(bot, await bot.rounds.begin(spec, who="memory:ana"))

        assert run.state is RunState.FINISHED
        assert "less than now" not in said(chat, run)


async def test_a_run_that_may_wait_for_nobody_knows_what_is_refused(open_bot, tiny_spec):
    spec = tiny_spec().model_copy(update={"may_wait": 6 * 3600.0})
    async with open_bot() as bot:
        with pytest.raises(SpecError, match=r"may_wait: 6 h .*set JOULERY_CARBON_FORECAST"):
            await bot.rounds.begin(spec, who="memory:ana")

        assert bot.house.store.runs.all() == []


def said(chat, run):
    return "\n".join(thread(chat, head(chat, run).ref))


def write(path, grams):
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    lines = [f"{(start + timedelta(hours=i)).isoformat()},{g}" for i, g in enumerate(grams)]
    path.write_text("\n".join(["start,g_per_kwh", *lines]) + "\n")
    return path
