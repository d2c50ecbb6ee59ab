"""The bot or its child killed at any moment: nothing is lost, nothing is said or done twice."""

import asyncio
import random
import subprocess
from datetime import UTC, datetime

import pytest

from adapters.base import ButtonPressed
from bot.post import PostOffice
from storage.models import RoundState, RunState, SegmentState
from tests.flows.people import ended, head, open_cards, thread, vote_on_all, vote_until_ended
from tests.flows.served import (
    JOULERY,
    Ballots,
    assert_all_stands_once,
    at_work,
    environment,
    free_port,
    is_gone,
    run_ended,
    until,
    write_spec,
)
from trainer.segment import SegmentPlan


async def vote_to_the_end(ballots, store, *guests):
    """All guests answer whatever is asked until the run has ended."""

    async def keep_voting():
        while True:
            for guest in guests:
                await ballots.vote_all(guest)
            await asyncio.sleep(0.1)

    voting = asyncio.create_task(keep_voting())
    try:
        return await run_ended(store)
    finally:
        voting.cancel()


# --- the bot, as a process ----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("meanwhile", ["it still runs", "it has finished"])
async def test_a_segment_that_outlived_its_bot_is_adopted(served, tiny_spec, meanwhile):
    write_spec(served, tiny_spec(ask={"at": [0.5], "cards": 3}))
    await served.start()
    async with served.guests("Ana") as [ana]:
        await ana.say("/joulery start tiny")
        store = served.store()
        child = await at_work(store, 0)
        child.suspend()  # so that it cannot end before the bot is back
        served.kill()
        if meanwhile == "it has finished":
            child.resume()
            await until(lambda: is_gone(child))
        await served.start()
        if meanwhile == "it still runs":
            await served.has_logged("child adopted")
            child.resume()
        ballots = Ballots(store)
        run = await vote_to_the_end(ballots, store, ana)

        assert run.state is RunState.FINISHED
        segments = store.runs.segments("r1.human")
        assert [(s.n, s.attempt, s.state) for s in segments] == [
            (0, 1, SegmentState.DONE),
            (1, 1, SegmentState.DONE),
        ]
        assert ballots.lost() == []
        await assert_all_stands_once(ana, store)


@pytest.mark.slow
async def test_when_the_child_died_too_the_segment_is_repeated_from_the_checkpoint(
    served, tiny_spec
):
    write_spec(served, tiny_spec(ask={"at": [0.5], "cards": 3}))
    await served.start()
    async with served.guests("Ana") as [ana]:
        await ana.say("/joulery start tiny")
        store = served.store()
        ballots = Ballots(store)
        await ballots.opened(ana, 4)
        await ballots.vote_all(ana)
        child = await at_work(store, 1)
        child.suspend()
        served.kill()
        child.kill()
        await served.start()
        run = await vote_to_the_end(ballots, store, ana)

        assert run.state is RunState.FINISHED
        segments = store.runs.segments("r1.human")
        assert [(s.n, s.attempt, s.state) for s in segments] == [
            (0, 1, SegmentState.DONE),
            (1, 1, SegmentState.FAILED),
            (1, 2, SegmentState.DONE),
        ]
        plan = SegmentPlan.read(served.folder / "data/runs/r1/human/segment-1-2/plan.json")
        assert plan.checkpoint == segments[0].report["checkpoint"]["path"]
        assert ballots.lost() == []
        await assert_all_stands_once(ana, store)


@pytest.mark.slow
async def test_a_bot_killed_while_it_posts_cards_posts_the_rest_and_none_twice(served, tiny_spec):
    write_spec(served, tiny_spec(ask={"at": [0], "cards": 24, "feature_cards": 0}))
    await served.start()
    async with served.guests("Ana") as [ana]:
        await ana.say("/joulery start tiny")
        store = served.store()
        await until(lambda: store.votes.rounds("r1"), every_s=0.005)
        some = [b.ballot_id for b in store.votes.ballots(run_id="r1")[:3]]
        await until(lambda: all(store.mail.postings(b) for b in some), every_s=0.002)
        served.kill()
        posted = [b for b in store.votes.ballots(run_id="r1") if store.mail.postings(b.ballot_id)]
        assert 3 <= len(posted) < 24  # else the moment was missed
        await served.start()
        ballots = Ballots(store)
        cards = await ballots.opened(ana, 24)
        run = await vote_to_the_end(ballots, store, ana)

        assert len(cards) == 24
        assert run.state is RunState.FINISHED
        assert ballots.lost() == []
        await assert_all_stands_once(ana, store)


@pytest.mark.slow
async def test_votes_outlive_kills_before_between_and_after_them(served, tiny_spec):
    """Killed while the round is open, between two votes, and as soon as the last one closed it."""
    write_spec(served, tiny_spec(ask={"at": [0], "cards": 5, "feature_cards": 0, "quorum": 2}))
    await served.start()
    async with served.guests("Ana", "Bo") as [ana, bo]:
        await ana.say("/joulery start tiny")
        store = served.store()
        ballots = Ballots(store)
        cards = await ballots.opened(ana, 5)
        served.kill()
        await served.start()
        await ballots.vote(ana, cards[0])
        await ballots.vote(bo, cards[0], -1.0)
        await ballots.vote(ana, cards[1], -1.0)
        served.kill()
        assert store.votes.rounds("r1")[0].state is RoundState.OPEN
        await served.start()
        await ballots.vote_all(ana)
        for card in cards[1:]:
            await ballots.vote(bo, card)
        await until(lambda: store.votes.rounds("r1")[0].state is not RoundState.OPEN, every_s=0.002)
        served.kill()
        await served.start()
        run = await run_ended(store)

        assert run.state is RunState.FINISHED
        [round_] = store.votes.rounds("r1")
        assert round_.closed_by == "quorum"
        assert round_.outcome["votes"] == 10
        assert round_.outcome["voters"] == 2
        assert ballots.lost() == []
        await assert_all_stands_once(ana, store)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7])
async def test_a_bot_killed_at_random_moments_does_everything_once(served, tiny_spec, seed):
    rng = random.Random(seed)
    write_spec(
        served,
        tiny_spec(ask={"at": [0, 0.3, 0.6], "cards": 4, "feature_cards": 1, "quorum": 2}),
    )
    await served.start()
    async with served.guests("Ana", "Bo") as [ana, bo]:
        await ana.say("/joulery start tiny")
        store = served.store()
        ballots = Ballots(store)
        voting = asyncio.create_task(vote_to_the_end(ballots, store, ana, bo))
        for _ in range(3):  # each start loads torch anew
            await asyncio.sleep(rng.uniform(0.0, 4.0))
            if voting.done():
                break
            served.kill()
            await served.start()
        run = await voting

        assert run.state is RunState.FINISHED, run.reason
        segments = store.runs.segments("r1.human")
        assert [s.n for s in segments if s.state is SegmentState.DONE] == [0, 1, 2, 3]
        assert [r.closed_by for r in store.votes.rounds("r1")] == ["quorum"] * 3
        assert ballots.lost() == []
        await assert_all_stands_once(ana, store)


@pytest.mark.slow
async def test_a_second_bot_on_the_database_is_refused(served):
    await served.start()

    def second():
        return subprocess.run(
            [JOULERY, "serve"],
            cwd=served.folder,
            env=environment(served.folder, web_port=free_port()),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    refused = await asyncio.to_thread(second)

    assert refused.returncode == 2
    assert "another bot is running on this database" in refused.stderr
    assert "s if it was killed" in refused.stderr
    assert "Traceback" not in refused.stderr


# --- a restart, step by step ----------------------------------------------------------------------


async def test_votes_recorded_before_a_crash_count_although_the_deadline_passed_meanwhile(
    open_bot, chat, tiny_spec
):
    """The crash fell between the inbox's commit and the vote; the bot comes back too late."""
    spec = tiny_spec(ask={"at": [0], "cards": 6, "deadline": 4, "quorum": 2, "style": "buttons"})
    async with open_bot() as bot:
        run = await bot.rounds.begin(spec, who="memory:ana")
        cards = await open_cards(chat, 6)
        [round_] = bot.house.store.votes.rounds(run.run_id)
        await bot.house.office.drained(10)
    store = bot.house.store
    for i, card in enumerate(cards):
        press = ButtonPressed(
            event_id=f"before-the-crash-{i}",
            user="memory:ana",
            user_name="Ana",
            at=round_.opened_at,
            ref=card.ref,
            choice=card.card.buttons[0].id,
        )
        store.mail.receive("memory", press.event_id, press.model_dump(mode="json"), press.at)
    await until(lambda: bot.house.now() > round_.closes_at)
    async with open_bot() as bot:
        await ended(bot, run)

    [round_] = store.votes.rounds(run.run_id)
    assert round_.outcome["votes"] == 6


@pytest.mark.parametrize("ticks", range(8))
async def test_the_post_office_leaves_at_whatever_moment_it_is_told(store, chat, ticks):
    """Also between being woken and looking what there is to send."""
    office = PostOffice({"memory": chat}, store, lambda: datetime.now(UTC))
    working = asyncio.create_task(office.run(no_effect))
    await asyncio.sleep(0.3)  # it has nothing to do, and waits
    office.wake()
    for _ in range(ticks):
        await asyncio.sleep(0)
    working.cancel()
    left, _ = await asyncio.wait([working], timeout=3)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()  # a test that fails must not hang
    await asyncio.wait([working])

    assert left


async def no_effect(event):
    """Nobody hears."""


# --- the child ----------------------------------------------------------------------------------


async def test_a_killed_child_is_repeated_from_its_checkpoint(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(ask={"at": [0.5]}), who="memory:ana")
        await open_cards(chat, 7)
        await vote_on_all(chat, "ana")
        store = bot.house.store
        for attempt in (1, 2):
            (await at_work(store, 1, attempt)).kill()
        run = await vote_until_ended(chat, bot, run)

        assert run.state is RunState.FINISHED
        segments = store.runs.segments("r1.human")
        assert [(s.n, s.attempt, s.state) for s in segments] == [
            (0, 1, SegmentState.DONE),
            (1, 1, SegmentState.FAILED),
            (1, 2, SegmentState.FAILED),
            (1, 3, SegmentState.DONE),
        ]
        done = [s.report for s in segments if s.state is SegmentState.DONE]
        left_over = sum(r["samples_trained"] for r in done) - done[-1]["planned_samples"]
        assert 0 <= left_over < 8  # the last batch may reach beyond; nothing is trained twice
        evaluations = [e.samples for e in store.runs.evaluations("r1.human")]
        assert evaluations == sorted(set(evaluations))


async def test_the_chart_shows_each_evaluation_of_a_repeated_segment_once(
    open_bot, chat, tiny_spec
):
    spec = tiny_spec(ask={"at": []}, train={"epochs": 30})
    async with open_bot() as bot:
        run = await bot.rounds.begin(spec, who="memory:ana")
        child = await at_work(bot.house.store, 0)
        bot.house.watchers.append(holding := HoldsAtFirstEvaluation(child))
        await until(lambda: holding.is_held)
        async with asyncio.timeout(60):
            await chat.until(lambda: any(s.y for s in chat.boards["r1"].series))
        child.kill()
        await ended(bot, run)

        segments = bot.house.store.runs.segments("r1.human")
        assert [s.state for s in segments] == [SegmentState.FAILED, SegmentState.DONE]
        stored = [100 * e.metric for e in bot.house.store.runs.evaluations("r1.human")]
        assert list(chat.boards["r1"].series[0].y) == pytest.approx(stored)


class HoldsAtFirstEvaluation:
    """A watcher that suspends a child as soon as it was evaluated once."""

    def __init__(self, child):
        self.child, self.is_held = child, False

    def progress(self, run, arm, what, done, total):
        pass

    def evaluated(self, run, arm, samples, metric):
        if not self.is_held:
            self.child.suspend()
            self.is_held = True

    def votes(self, run_id, cards_done, cards, votes):
        pass

    def news(self, run_id, text):
        pass


async def test_a_child_that_dies_three_times_fails_the_run_until_a_person_resumes_it(
    open_bot, chat, tiny_spec
):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(ask={"at": [0.5]}), who="memory:ana")
        await open_cards(chat, 7)
        await vote_on_all(chat, "ana")
        store = bot.house.store
        for attempt in (1, 2, 3):
            (await at_work(store, 1, attempt)).kill()
        run = await ended(bot, run)
        said = thread(chat, head(chat, run).ref)
        failed = next(text for text in said if "is failed" in text)

        assert run.state is RunState.FAILED
        assert run.reason in failed
        assert len(store.runs.segments("r1.human")) == 4

        await chat.command("ana", "resume r1", "joulery")
        await until(lambda: store.runs.get("r1").state is not RunState.FAILED)
        run = await vote_until_ended(chat, bot, run)
        assert run.state is RunState.FINISHED
        assert [s.state for s in store.runs.segments("r1.human")][-1] is SegmentState.DONE


async def test_the_reason_of_a_killed_child_is_a_plain_sentence(open_bot, chat, tiny_spec):
    """People read what happened and what to do, not which file was missing."""
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(ask={"at": []}), who="memory:ana")
        for attempt in (1, 2, 3):
            (await at_work(bot.house.store, 0, attempt)).kill()
        run = await ended(bot, run)

        assert "report.json" not in run.reason
        assert "Errno" not in run.reason
        assert "resume" in run.reason


# --- stop, pause, resume ------------------------------------------------------------------------


async def test_a_stopped_and_resumed_run_ends_with_the_weights_of_an_unstopped_one(
    open_bot, chat, tiny_spec
):
    spec = tiny_spec(ask={"at": [0.5], "deadline": 0.5}, train={"epochs": 20})
    async with open_bot() as bot:
        store = bot.house.store
        straight = await ended(bot, await bot.rounds.begin(spec, who="memory:ana"))
        run = await bot.rounds.begin(spec, who="memory:ana")
        for n in (0, 1):  # once in each segment
            await until(lambda n=n: trains(bot, "r2", n), every_s=0.005)
            await bot.rounds.stop("r2", "memory:ana")
            stopped = await ended(bot, run)
            assert stopped.state is RunState.STOPPED
            await bot.rounds.resume("r2", "memory:ana")
        run = await ended(bot, run)

        assert run.state is RunState.FINISHED
        outcomes = [s.report["outcome"] for s in store.runs.segments("r2.human")]
        assert outcomes.count("stopped") == 2
        ends = [store.runs.checkpoints(f"{r.run_id}.human")[-1] for r in (straight, run)]
        assert ends[0].samples == ends[1].samples
        assert ends[0].weights_sha256 == ends[1].weights_sha256
        histories = [store.runs.evaluations(f"{r.run_id}.human") for r in (straight, run)]
        assert [e.metric for e in histories[0]] == [e.metric for e in histories[1]]


def trains(bot, run_id, part):
    """True while a child trains; `part` 0 is before the round, 1 after it."""
    rounds = bot.house.store.votes.rounds(run_id)
    if len([r for r in rounds if r.state is RoundState.CLOSED]) != part:
        return False
    segments = bot.house.store.runs.segments(f"{run_id}.human")
    return bool(segments) and segments[-1].state is SegmentState.RUNNING


@pytest.mark.parametrize("moment", ["right after the start", "while the child starts"])
async def test_a_run_stopped_before_it_trains_asks_nothing_and_can_go_on(
    open_bot, chat, tiny_spec, moment
):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(ask={"at": [0]}), who="memory:ana")
        if moment == "while the child starts":
            await until(lambda: bot.house.store.runs.segments("r1.human"), every_s=0.001)
        await bot.rounds.stop("r1", "memory:ana")
        run = await ended(bot, run)
        questions = [p for p in chat.cards() if p.card.tone == "question"]
        said = thread(chat, head(chat, run).ref)

        assert run.state is RunState.STOPPED
        assert questions == []
        assert not [text for text in said if text.startswith("Round 1")]

        await bot.rounds.resume("r1", "memory:ana")
        run = await vote_until_ended(chat, bot, run)
        assert run.state is RunState.FINISHED


async def test_stopping_twice_is_said_once_and_harms_nothing(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(), who="memory:ana")
        await open_cards(chat, 6)
        for _ in range(2):
            await chat.command("ana", "stop r1 --yes", "joulery")
        run = await ended(bot, run)
        await until(lambda: len(answers(chat)) == 2)
        said = thread(chat, head(chat, run).ref)

        assert run.state is RunState.STOPPED
        assert len([text for text in said if "Run r1 is stopped" in text]) == 1
        await bot.rounds.resume("r1", "memory:ana")
        run = await vote_until_ended(chat, bot, run)
        assert run.state is RunState.FINISHED


async def test_a_round_that_ends_after_its_run_was_stopped_promises_no_training(
    open_bot, chat, tiny_spec
):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(ask={"deadline": 3}), who="memory:ana")
        await open_cards(chat, 6)
        await bot.rounds.stop("r1", "memory:ana")
        run = await ended(bot, run)
        store = bot.house.store
        await until(lambda: store.votes.rounds("r1")[0].state is RoundState.CLOSED)
        await bot.house.office.drained(10)
        said = thread(chat, head(chat, run).ref)

        assert run.state is RunState.STOPPED
        assert not [text for text in said if "training goes on" in text]
        assert not [p for p in chat.cards() if not p.card.is_closed]


@pytest.mark.parametrize("moment", ["the child starts", "a child trains", "cards are open"])
async def test_a_run_paused_at_any_moment_holds_and_goes_on(open_bot, chat, tiny_spec, moment):
    at = [0] if moment == "cards are open" else []
    spec = tiny_spec(ask={"at": at}, train={"epochs": 20})
    async with open_bot() as bot:
        store = bot.house.store
        run = await bot.rounds.begin(spec, who="memory:ana")
        if moment == "the child starts":
            await until(lambda: store.runs.segments("r1.human"), every_s=0.001)
        elif moment == "a child trains":
            await at_work(store, 0)
        else:
            await open_cards(chat, 6)
        for _ in range(2):  # the second time it is paused already
            await chat.command("ana", "pause r1", "joulery")
        await until(lambda: len(answers(chat)) == 2)
        await until(lambda: store.runs.segments("r1.human")[-1].state is not SegmentState.RUNNING)
        held = store.runs.get("r1")
        planned = len(store.runs.segments("r1.human"))
        await asyncio.sleep(1)

        assert held.state is RunState.PAUSED
        assert len(store.runs.segments("r1.human")) == planned

        await chat.command("ana", "resume r1", "joulery")
        run = await vote_until_ended(chat, bot, run)
        assert run.state is RunState.FINISHED
        said = thread(chat, head(chat, run).ref)
        assert len([text for text in said if "Run r1 is paused" in text]) == 1
        assert len([text for text in said if "Run r1 goes on: resumed" in text]) == 1


async def test_resuming_a_run_that_is_under_way_holds_nobody_up(open_bot, chat, tiny_spec):
    """Votes that come after a needless `resume` still close the round."""
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(ask={"at": [0], "deadline": 600}), who="memory:ana")
        await open_cards(chat, 6)
        await chat.command("ana", "resume r1", "joulery")
        await vote_on_all(chat, "ana")
        store = bot.house.store
        try:
            async with asyncio.timeout(60):
                await chat.until(lambda: bool(store.votes.rounds("r1")[0].outcome))
            is_held_up = False
        except TimeoutError:
            is_held_up = True
        await bot.rounds.stop("r1", "memory:ana")
        await ended(bot, run)

        assert not is_held_up


@pytest.mark.parametrize(
    ("verb", "why"),
    [
        ("pause", "run r1 is finished; it cannot become paused"),
        ("resume", "run r1 is finished; start a new one"),
        ("stop", "run r1 is finished; it cannot become stopped"),
    ],
)
async def test_a_finished_run_stays_finished(open_bot, chat, tiny_spec, verb, why):
    async with open_bot() as bot:
        run = await ended(bot, await bot.rounds.begin(tiny_spec(ask={"at": []}), who="memory:ana"))
        await chat.command("ana", f"{verb} r1", "joulery")
        await until(lambda: answers(chat))

        assert answers(chat) == [f"Not done: {why}"]
        assert bot.house.store.runs.get(run.run_id).state is RunState.FINISHED


def answers(chat):
    """What the bot answered to commands."""
    return [p.text for p in chat.posts.values() if p.key.startswith("answer:")]
