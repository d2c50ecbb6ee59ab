"""Asking now, stopping later, going back to a checkpoint, and what a stop leaves to be asked again."""

import asyncio
from pathlib import Path

import pytest

from bot.completing import complete
from bot.steps import CUT_SHORT
from storage.database import StoreError
from storage.models import RunState, SegmentState, Wish
from tests.flows.people import ended, head, open_cards, thread, vote_on_all, vote_until_ended
from tests.flows.served import at_work, until, write_spec

LONG = {"epochs": 100, "batch_size": 2}


def segments(store):
    return store.runs.segments("r1.human")


def stands(segment):
    """What a segment is known by, once it has ended."""
    return (segment.state, (segment.report or {}).get("outcome"), round(segment.until, 2))


def reached(segment):
    return segment.report["checkpoint"]["samples"]


async def test_asked_now_a_run_asks_at_its_next_step_and_later_as_planned(
    open_bot, chat, tiny_spec
):
    spec = tiny_spec(ask={"at": [0.9], "feature_cards": 0, "deadline": 600}, train=LONG)
    async with open_bot() as bot:
        store = bot.house.store
        run = await bot.rounds.begin(spec, who="memory:ana")
        await at_work(store, 0)
        await chat.command("bo", "ask", "joulery")
        await until(lambda: store.votes.open_rounds())
        first, asked = segments(store)
        assert stands(first) == (SegmentState.DONE, "stopped", 0.9)
        assert 0 < asked.until < 0.9
        assert reached(asked) == reached(first)  # nothing more was trained
        assert store.runs.get("r1").wish is None
        with pytest.raises(StoreError, match="its questions are open already"):
            await bot.rounds.ask("r1", "memory:bo")

        run = await vote_until_ended(chat, bot, run)

        assert run.state is RunState.FINISHED
        planned = [s.until for s in segments(store) if s.until in (0.9, 1.0)]
        assert planned == [0.9, 0.9, 1.0]  # the first was cut short
        assert len(store.votes.rounds("r1")) == 2
        assert any("memory:bo wants questions now" in t for t in thread(chat, head(chat, run).ref))
        with pytest.raises(StoreError, match="cannot ask now: it is finished"):
            await bot.rounds.ask("r1", "memory:bo")


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"ask": {"cards": 0, "feature_cards": 0, "at": []}}, "its spec plans no questions"),
        ({"ask": {"at": [0.5]}}, "it has not begun; it asks at 50% of its training"),
    ],
    ids=["no cards", "queued"],
)
async def test_asking_where_it_makes_no_sense_is_refused_with_the_reason(
    open_bot, chat, tiny_spec, parts, why
):
    async with open_bot() as bot:
        first = await bot.rounds.begin(tiny_spec(ask={"at": []}, train=LONG), who="memory:ana")
        await at_work(bot.house.store, 0)
        second = await bot.rounds.begin(tiny_spec(**parts), who="memory:ana")
        with pytest.raises(StoreError, match=why):
            await bot.rounds.ask(second.run_id, "memory:bo")
        await bot.rounds.pause(second.run_id, "memory:ana")
        with pytest.raises(StoreError, match="cannot ask now: it is paused"):
            await bot.rounds.ask(second.run_id, "memory:bo")
        for run in (second, first):
            await bot.rounds.stop(run.run_id, "memory:ana")
            await ended(bot, run)


async def test_stopped_later_a_run_trains_to_its_pause_asks_nobody_and_asks_when_resumed(
    open_bot, chat, tiny_spec
):
    spec = tiny_spec(ask={"at": [0.5], "deadline": 600}, train=LONG)
    async with open_bot() as bot:
        store = bot.house.store
        run = await bot.rounds.begin(spec, who="memory:ana")
        await at_work(store, 0)
        await chat.command("bo", "stop r1 --later", "joulery")
        await until(lambda: store.runs.get("r1").wish)
        run = await ended(bot, run)

        [segment] = segments(store)
        planned = store.runs.arms("r1")[0].planned_samples
        assert (run.state, run.wish) == (RunState.STOPPED, None)
        assert run.reason == "at its pause, as memory:bo wanted"
        assert reached(segment) == pytest.approx(planned / 2, abs=2)
        assert store.votes.rounds("r1") == []
        assert [p for p in chat.cards() if p.card.tone == "question"] == []

        await bot.rounds.resume("r1", "memory:ana")
        await open_cards(chat, 6)
        again = segments(store)[-1]
        assert (again.until, reached(again)) == (0.5, reached(segment))
        run = await vote_until_ended(chat, bot, run)
        assert run.state is RunState.FINISHED
        assert len(store.votes.rounds("r1")) == 1


async def test_a_stop_that_was_to_come_later_can_be_taken_back(open_bot, chat, tiny_spec):
    spec = tiny_spec(ask={"at": []}, train=LONG)
    async with open_bot() as bot:
        store = bot.house.store
        run = await bot.rounds.begin(spec, who="memory:ana")
        await at_work(store, 0)
        assert await bot.rounds.stop_later("r1", "memory:ana") is True
        assert "goes on after its next pause" in await bot.rounds.resume("r1", "memory:ana")
        run = await ended(bot, run)

        assert run.state is RunState.FINISHED


async def test_stopped_later_a_control_that_waits_trains_no_more_and_the_run_can_be_completed(
    open_bot, chat, tiny_spec
):
    """The arm at work gets to its pause; what only compares does not even begin."""
    spec = tiny_spec(ask={"at": []}, train={"epochs": 40})
    async with open_bot() as bot:
        store = bot.house.store
        run = await bot.rounds.begin(spec, who="memory:ana", arms=("human", "control"))
        await at_work(store, 0)
        assert await bot.rounds.stop_later("r1", "memory:ana") is True
        run = await ended(bot, run)
        assert run.state is RunState.STOPPED
        assert [stands(s) for s in segments(store)] == [(SegmentState.DONE, "done", 1.0)]
        assert store.runs.segments("r1.control") == []
        assert await complete(bot.house, "resume", "run", "") == ["r1"]
        assert await complete(bot.house, "stop", "run", "") == []

        await bot.rounds.resume("r1", "memory:ana")
        run = await ended(bot, run)
        assert run.state is RunState.FINISHED
        assert await complete(bot.house, "resume", "run", "") == []


async def test_what_is_said_of_a_stop_or_a_pause_is_what_happens(open_bot, chat, tiny_spec):
    async def said(words, answer):
        await chat.command("bo", words, "joulery")
        async with asyncio.timeout(20):
            await chat.until(lambda: any(answer in text for text in chat.said()))
        for post in [p for p in chat.posts.values() if answer in p.text]:
            del chat.posts[post.ref]

    async with open_bot() as bot:
        await bot.rounds.begin(tiny_spec(ask={"at": []}, train=LONG), who="memory:ana")
        await at_work(bot.house.store, 0)
        await bot.rounds.begin(tiny_spec(ask={"at": []}), who="memory:ana")
        await said("pause r2", "Run r2 is paused. Say resume")  # it waited for the device
        await said("pause r2", "Run r2 is paused. Say resume")
        await said("stop r1 --yes", "Run r1 stops at its next step")
        await ended(bot, bot.house.store.runs.get("r1"))
        await said("stop r1", "Run r1 is stopped; its last")
        states = [run.state for run in bot.house.store.runs.all()]
        assert states == [RunState.STOPPED, RunState.PAUSED]


async def test_stopped_later_while_it_asks_it_stops_at_once(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(ask={"at": [0]}), who="memory:ana")
        await open_cards(chat, 6)
        assert await bot.rounds.stop_later("r1", "memory:ana") is False
        run = await ended(bot, run)

        assert run.state is RunState.STOPPED


async def test_what_was_asked_when_a_run_was_stopped_is_asked_again_when_it_goes_on(
    open_bot, chat, tiny_spec
):
    """The answered cards stand; those that nobody answered may come again."""
    spec = tiny_spec(ask={"at": [0], "feature_cards": 0, "quorum": 1, "deadline": 600})
    async with open_bot() as bot:
        store = bot.house.store
        run = await bot.rounds.begin(spec, who="memory:ana")
        cards = await open_cards(chat, 6)
        for post in cards[:2]:
            await chat.react("ana", post.ref, post.card.seeds[0])
        await bot.house.office.drained(5)
        await bot.rounds.stop("r1", "memory:ana")
        run = await ended(bot, run)
        [cut] = store.votes.rounds("r1")
        assert cut.closed_by.startswith(CUT_SHORT)
        assert cut.outcome["votes"] == 2
        assert not [p for p in chat.cards() if not p.card.is_closed]

        await bot.rounds.resume("r1", "memory:ana")
        await open_cards(chat, 6)
        again = store.votes.open_rounds()[0]
        answered = {v.ballot_id for v in store.votes.current(ballot_ids(store))}
        done = targets(store, cut.round_id, answered)
        assert not done & targets(store, again.round_id)
        run = await vote_until_ended(chat, bot, run)

        assert run.state is RunState.FINISHED
        assert [r.closed_by for r in store.votes.rounds("r1")][1:] == ["quorum"]
        assert len(answered) == 2


def is_gone(path):
    return not Path(path).exists()


def ballot_ids(store):
    return [b.ballot_id for b in store.votes.ballots(run_id="r1")]


def targets(store, round_id, only=None):
    return {
        s.target
        for b in store.votes.ballots(round_id=round_id)
        if only is None or b.ballot_id in only
        for s in b.subjects
    }


async def test_gone_back_to_a_checkpoint_what_came_after_did_not_happen_but_was_paid_for(
    open_bot, chat, tiny_spec
):
    spec = tiny_spec(
        ask={"at": [0.25, 0.5, 0.75], "feature_cards": 0, "deadline": 600},
        train={"epochs": 8, "evaluations": 8},
    )
    async with open_bot() as bot:
        store = bot.house.store
        run = await bot.rounds.begin(spec, who="memory:ana")
        for n in range(1, 4):
            await until(lambda n=n: len(store.votes.rounds("r1")) == n)
            await open_cards(chat, 6)
            if n < 3:
                await vote_on_all(chat, "ana")
        before_j = sum(part.energy_j for part in store.ledger.sums("r1"))
        await bot.rounds.pause("r1", "memory:ana")
        await until(lambda: not bot.rounds._tasks)
        kept = [c.samples for c in store.runs.checkpoints("r1.human")]
        goal = kept[-2]

        await chat.command("ana", "resume r1 from=77", "joulery")
        async with asyncio.timeout(20):
            await chat.until(lambda: any("kept are:" in text for text in chat.said()))
        await chat.command("ana", f"resume r1 from={goal}", "joulery")
        await until(lambda: store.runs.get("r1").state is not RunState.PAUSED)
        after = [s for s in segments(store) if s.state is SegmentState.UNDONE]
        assert [reached(s) for s in after] == [kept[-1]]
        assert max(e.samples for e in store.runs.evaluations("r1.human")) <= goal
        assert is_gone(after[0].report["checkpoint"]["path"])
        run = await vote_until_ended(chat, bot, run)

        assert run.state is RunState.FINISHED
        done = [s for s in segments(store) if s.state is SegmentState.DONE]
        assert [s.until for s in done] == [0.25, 0.5, 0.75, 1.0]
        assert reached(done[2]) == kept[-1]  # trained once more, to the same pause
        samples = [e.samples for e in store.runs.evaluations("r1.human")]
        assert len(samples) == len(set(samples)) == 9
        assert sum(part.energy_j for part in store.ledger.sums("r1")) > before_j
        rounds = store.votes.rounds("r1")
        assert [r.closed_by for r in rounds] == [
            "quorum", "quorum", "the run went back to before it", "quorum",
        ]  # fmt: skip


async def test_the_last_two_checkpoints_and_the_best_are_kept(open_bot, chat, tiny_spec):
    at = [0.2, 0.4, 0.6, 0.8]
    spec = tiny_spec(ask={"at": at, "feature_cards": 0, "deadline": 0.5}, train={"evaluations": 10})
    async with open_bot() as bot:
        store = bot.house.store
        run = await ended(bot, await bot.rounds.begin(spec, who="memory:ana"))

        assert run.state is RunState.FINISHED
        kept = store.runs.checkpoints("r1.human")
        ends = [reached(s) for s in segments(store)]
        assert len(ends) == 5
        assert [c.samples for c in kept][-2:] == ends[-2:]
        assert len(kept) <= 3
        folder = Path(kept[-1].path).parent
        assert names_in(folder) == [Path(c.path).name for c in kept]


async def test_a_folder_that_a_kill_left_over_goes_with_the_next_checkpoint(
    open_bot, chat, tiny_spec
):
    spec = tiny_spec(ask={"at": [0.5], "feature_cards": 0, "deadline": 600})
    async with open_bot() as bot:
        store = bot.house.store
        run = await bot.rounds.begin(spec, who="memory:ana")
        await open_cards(chat, 6)
        [first] = store.runs.checkpoints("r1.human")
        left, newer = (Path(first.path).with_name(name) for name in ("000000001", "000999999"))
        for folder in (left, newer):
            folder.mkdir()
        await vote_until_ended(chat, bot, run)

        kept = [Path(c.path).name for c in store.runs.checkpoints("r1.human")]
        assert first.path in {c.path for c in store.runs.checkpoints("r1.human")}
        # of a newer one nobody knows yet whose it is
        assert names_in(left.parent) == [*kept, newer.name]


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
async def test_what_was_wished_for_before_the_bot_died_is_done_by_the_next_one(served, tiny_spec):
    """It died before it could ask its child to end early."""
    write_spec(served, tiny_spec(ask={"at": [0.9], "feature_cards": 0}, train=LONG))
    await served.start()
    async with served.guests("Ana") as [ana]:
        store = served.store()
        await ana.say("/joulery start tiny")
        child = await at_work(store, 0)
        child.suspend()
        served.kill()
        store.runs.set_wish(
            "r1", Wish(what="ask", who="web:ana"), (), store.runs.get("r1").created_at
        )
        await served.start()
        await served.has_logged("child adopted")
        child.resume()
        await until(lambda: store.votes.open_rounds())

        first, asked = segments(store)
        assert stands(first) == (SegmentState.DONE, "stopped", 0.9)
        assert 0 < asked.until < 0.9
        assert store.runs.get("r1").wish is None
