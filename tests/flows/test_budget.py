"""Budgets of real runs: a word at 80 %, an end with a checkpoint at 100 %, more on request."""

import asyncio

from storage.models import EnergyReading, RunState
from tests.flows.people import ended, head, open_cards, thread, vote_until_ended

KWH = 3.6e6


def booked(bot, run, energy_j):
    """Joules that the ledger has for the run, beside those it really cost."""
    now = bot.house.now()
    row = EnergyReading(
        run_id=run.run_id, arm="human", segment_id=None, phase="evaluate", device="GPU-1",
        source="made up", provenance="M-ctr", boot_id="boot", seq=int(now.timestamp() * 1e6),
        started_at=now, ended_at=now, duration_s=0.0, energy_j=energy_j,
    )  # fmt: skip
    bot.house.spending.add([row])


async def seen(chat, is_so):
    async with asyncio.timeout(30):
        await chat.until(is_so)


def said(chat, run):
    return "\n".join(thread(chat, head(chat, run).ref))


async def test_a_run_is_warned_about_and_ends_with_a_checkpoint(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        spec = tiny_spec(ask={"at": [0.3], "audit": 0})
        run = await bot.rounds.begin(spec, who="memory:ana", budget="1kWh")
        await open_cards(chat, 1)

        booked(bot, run, 0.85 * KWH)
        await seen(chat, lambda: "of the budget of 1kWh is used" in said(chat, run))
        assert said(chat, run).count("of the budget of 1kWh is used") == 1
        booked(bot, run, 0.2 * KWH)
        run = await ended(bot, run)

        assert run.state is RunState.STOPPED
        assert "the budget of 1kWh is used up" in run.reason
        assert bot.house.store.runs.checkpoints(f"{run.run_id}.human")


async def test_a_run_without_budget_left_goes_on_once_it_gets_more(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(), who="memory:ana", budget="1J")
        run = await ended(bot, run)
        assert run.state is RunState.STOPPED

        await chat.command("ana", f"resume {run.run_id}", "joulery")
        await seen(chat, lambda: "is used up; say budget" in "\n".join(chat.said()))
        await chat.command("ana", f"budget {run.run_id} 2kWh", "joulery")
        await seen(chat, lambda: f"set the budget of run {run.run_id} to 2kWh" in said(chat, run))
        await chat.command("ana", f"resume {run.run_id}", "joulery")
        await seen(chat, lambda: f"Run {run.run_id} goes on" in "\n".join(chat.said()))
        run = await vote_until_ended(chat, bot, run)

        assert run.state is RunState.FINISHED


async def test_what_is_no_budget_is_refused_before_anything_starts(open_bot, chat, tmp_path):
    (tmp_path / "tiny.yaml").write_text("name: tiny\nmodel: toy\ndata: {pool: 'csv:pool.csv'}\n")
    async with open_bot(specs_dir=tmp_path) as bot:
        await chat.command("ana", "start tiny budget=lots", "joulery")
        await chat.command("ana", "start tiny --budget 3kgCO2e", "joulery")
        await seen(chat, lambda: "set JOULERY_COUNTRY" in "\n".join(chat.said()))

        assert "“lots” is no budget" in "\n".join(chat.said())
        assert bot.house.store.runs.all() == []
