"""One device, several runs: who waits is queued and says so; the order outlives the bot."""

import asyncio

import pytest

from storage.models import ArmState, RunState, SegmentState
from tests.flows.people import ended, head, open_cards, vote_on_all, vote_until_ended
from tests.flows.served import at_work, is_gone, until, write_spec

LONG = {"epochs": 100, "batch_size": 1}
"""Some ten seconds of training: long enough for whoever waits to be looked at."""


def states(store):
    return [str(run.state) for run in store.runs.all()]


def moves(store, run_id):
    """The states a run went through."""
    return [move.after for move in store.runs.transitions(run_id)]


def first_trained(store, run_id):
    return min(m.at for m in store.runs.transitions(run_id) if m.after == RunState.TRAINING)


async def said(chat, words):
    async with asyncio.timeout(30):
        await chat.until(lambda: any(words in text for text in chat.said()))


async def test_who_finds_the_device_taken_is_queued_says_so_and_trains_in_its_turn(
    open_bot, chat, tiny_spec
):
    long = tiny_spec(ask={"at": []}, train=LONG)
    short = tiny_spec(ask={"at": []})
    async with open_bot() as bot:
        store = bot.house.store
        first = await bot.rounds.begin(long, who="memory:ana")
        await at_work(store, 0)
        second = await bot.rounds.begin(short, who="memory:ana")
        third = await bot.rounds.begin(short, who="memory:ana")
        assert states(store) == ["training", "queued", "queued"]
        async with asyncio.timeout(30):
            await chat.until(lambda: head(chat, third).card.lines[0].startswith("Queued, 3rd;"))
        async with asyncio.timeout(30):
            await chat.until(lambda: head(chat, second).card.lines[0].startswith("Queued, 2nd;"))
        await chat.command("bo", "queue", "joulery")
        await said(chat, "1. r1 (tiny) trains")
        await said(chat, "2. r2 (tiny) waits, 2nd;")

        await bot.rounds.stop("r2", "memory:ana")
        second = await ended(bot, second)
        assert states(store) == ["training", "stopped", "queued"]
        assert store.runs.segments("r2.human") == []  # it never trained

        await bot.rounds.stop("r1", "memory:ana")
        await ended(bot, first)
        third = await ended(bot, third)
        assert third.state is RunState.FINISHED
        assert moves(store, "r2") == ["queued", "stopped"]
        assert moves(store, "r3") == ["queued", "training", "finished"]
        assert [move.who for move in store.runs.transitions("r3")][1:] == ["joulery"] * 2


async def test_while_a_run_asks_another_trains_and_the_votes_wait_their_turn(
    open_bot, chat, tiny_spec
):
    async with open_bot() as bot:
        store = bot.house.store
        first = await bot.rounds.begin(
            tiny_spec(ask={"at": [0], "deadline": 600}), who="memory:ana"
        )
        await open_cards(chat, 6)
        long = tiny_spec(ask={"at": []}, train=LONG)
        second = await bot.rounds.begin(long, who="memory:ana")
        await until(lambda: states(store) == ["asking", "training"])

        await vote_on_all(chat, "ana")
        await until(lambda: states(store) == ["queued", "training"])
        await bot.rounds.stop(second.run_id, "memory:ana")
        first = await ended(bot, first)

        assert first.state is RunState.FINISHED
        assert moves(store, "r1") == [
            "queued", "training", "asking", "queued", "training", "finished",
        ]  # fmt: skip


async def test_a_queued_run_that_is_held_leaves_the_queue_and_comes_back_at_its_end(
    open_bot, chat, tiny_spec
):
    short = tiny_spec(ask={"at": []})
    async with open_bot() as bot:
        store = bot.house.store
        first = await bot.rounds.begin(tiny_spec(ask={"at": []}, train=LONG), who="memory:ana")
        await at_work(store, 0)
        second = await bot.rounds.begin(short, who="memory:ana")
        third = await bot.rounds.begin(short, who="memory:ana")
        await bot.rounds.pause("r2", "memory:ana")
        await until(lambda: [p.run_id for p in bot.house.slot.waiting] == ["r3"])
        await bot.rounds.resume("r2", "memory:ana")
        await until(lambda: [p.run_id for p in bot.house.slot.waiting] == ["r3", "r2"])
        await bot.rounds.stop("r1", "memory:ana")
        for run in (first, second, third):
            await ended(bot, run)

        assert states(store) == ["stopped", "finished", "finished"]
        assert first_trained(store, "r3") < first_trained(store, "r2")


@pytest.mark.slow
async def test_a_killed_bot_takes_the_queue_up_in_its_order(served, tiny_spec):
    """One is at work, three wait, one of them was stopped; its child outlives the bot."""
    write_spec(served, tiny_spec(ask={"at": []}))
    write_spec(served, tiny_spec(name="short", ask={"at": []}))
    await served.start()
    async with served.guests("Ana") as [ana]:
        store = served.store()
        await ana.say("/joulery start tiny")
        child = await at_work(store, 0)
        child.suspend()
        for _ in range(4):
            await ana.say("/joulery start short")
        await until(lambda: states(store) == ["training", *["queued"] * 4])
        await ana.say("/joulery stop r3 --yes")
        await until(lambda: states(store)[2] == "stopped")
        served.kill()
        await served.start()
        assert states(store) == ["training", "queued", "stopped", "queued", "queued"]
        child.resume()
        # what a run says at its end needs no device, and may take longer than the next one's training
        ended_all = ["finished", "finished", "stopped", "finished", "finished"]
        await until(lambda: states(store) == ended_all)

        assert [s.attempt for s in store.runs.segments("r1.human")] == [1]
        assert store.runs.segments("r3.human") == []
        order = [first_trained(store, run) for run in ("r1", "r2", "r4", "r5")]
        assert order == sorted(order)


@pytest.mark.slow
async def test_a_run_whose_bot_died_right_after_its_stop_is_tidied_up(served, tiny_spec):
    """The stop stands in the database; its child was not asked yet, and nobody was there for it."""
    write_spec(served, tiny_spec(ask={"at": []}, train=LONG))
    await served.start()
    async with served.guests("Ana") as [ana]:
        store = served.store()
        await ana.say("/joulery start tiny")
        child = await at_work(store, 0)
        child.suspend()
        served.kill()
        run = store.runs.get("r1")
        store.runs.move("r1", RunState.STOPPED, who="web:ana", why="stopped", now=run.created_at)
        await served.start()
        child.resume()
        await until(lambda: store.runs.segments("r1.human")[0].state is SegmentState.DONE)

        [segment] = store.runs.segments("r1.human")
        assert segment.report["outcome"] == "stopped"
        assert len(store.runs.checkpoints("r1.human")) == 1
        assert is_gone(child)
        assert states(store) == ["stopped"]


async def test_a_control_that_waits_behind_another_run_does_not_hide_open_questions(
    open_bot, chat, tiny_spec
):
    async with open_bot() as bot:
        store = bot.house.store
        spec = tiny_spec(ask={"at": [0], "deadline": 600})
        first = await bot.rounds.begin(spec, who="memory:ana", arms=("human", "control"))
        long = tiny_spec(ask={"at": []}, train=LONG)
        second = await bot.rounds.begin(long, who="memory:ana")
        await open_cards(chat, 6)
        await until(lambda: states(store) == ["asking", "training"])
        # people first: the second run has the device, not the first one's control
        assert [p.arm_id for p in bot.house.slot.waiting] == ["r1.control"]
        await bot.rounds.stop(second.run_id, "memory:ana")
        first = await vote_until_ended(chat, bot, first)

        assert first.state is RunState.FINISHED
        assert {arm.state for arm in store.runs.arms("r1")} == {ArmState.DONE}
