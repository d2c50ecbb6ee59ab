"""A training process that gives no sign is told of once, and started again from its checkpoint."""

import asyncio
import time

import pytest

from adapters.base import Card
from bot import outgoing
from bot.watchdog import AT_WORK, AT_WORK_THEN, LEAST_S, THEN, Watchdog
from storage.models import RunState, SegmentState
from tests.flows.people import head, thread, vote_until_ended
from tests.flows.served import at_work
from tests.storage.records import new_run, segment


class Process:
    """A process that lives until it is told to end."""

    def __init__(self, is_heard=True):
        self.is_heard, self.is_alive, self.ends = is_heard, True, 0

    async def end(self, grace_s):
        self.ends += 1
        self.is_alive = False


class Watched:
    """A watchdog on a process of a run that has its head message; the clock is ours."""

    def __init__(self, bot, chat):
        self.bot, self.chat, self.now_s, self.cpu_s = bot, chat, 1000.0, 0.0
        self.run = new_run(bot.house.store)
        [arm, _] = bot.house.store.runs.arms(self.run.run_id)
        self.segment = segment(arm.arm_id)
        self.dog = Watchdog(
            bot.house, clock=lambda: self.now_s, cpu_s_of=lambda process: self.cpu_s
        )
        self.about = (self.run, arm, self.segment)

    async def look(self, now_s):
        """What the thread and the operators have heard by then, in messages."""
        self.now_s = now_s
        await self.dog.look()
        assert await self.bot.house.office.drained(10)
        keys = [post.key or "" for post in self.chat.posts.values()]
        return tuple(
            sum(key.startswith(x) for key in keys) for x in ("silent:", "alert:heartbeat:")
        )


@pytest.fixture
async def watched(open_bot, chat):
    async with open_bot() as bot:
        it = Watched(bot, chat)
        key = outgoing.head_key(it.run.run_id, "memory")
        await bot.house.office.queue(outgoing.post(key, "memory", "joulery", Card(text="head")))
        yield it


async def test_a_silent_process_is_told_of_once_and_ended_once(watched):
    process, seen = Process(), []
    with watched.dog.watching(*watched.about, process):
        for silent_s in (LEAST_S - 1, LEAST_S, LEAST_S + 60, THEN * LEAST_S, THEN * LEAST_S + 60):
            seen.append((await watched.look(1000 + silent_s), process.ends))

    assert seen == [((0, 0), 0), ((1, 0), 0), ((1, 0), 0), ((1, 1), 1), ((1, 1), 1)]
    why = watched.dog.why(watched.segment.segment_id)
    assert why == "the training process gave no sign for 15 min and was ended"


async def test_a_process_that_is_often_silent_for_long_is_given_more_time(watched):
    """It was silent for 100 s once: ten times as long is nothing to speak of."""
    with watched.dog.watching(*watched.about, Process()):
        watched.now_s += 100
        watched.dog.heard(watched.segment.segment_id)
        seen = [await watched.look(1100 + silent_s) for silent_s in (999, 1000)]

    assert seen == [(0, 0), (1, 0)]


@pytest.mark.parametrize(("share", "said"), [(2 * AT_WORK, 0), (AT_WORK / 2, 1)])
async def test_a_process_nobody_hears_is_alive_while_it_computes(watched, share, said):
    """Adopted from a bot that died, its marks go nowhere."""
    with watched.dog.watching(*watched.about, Process(is_heard=False)):
        for now_s in (1100, 1200, 1300, 1400):
            watched.cpu_s += share * 100
            seen = await watched.look(now_s)

    assert seen == (said, 0)


async def test_one_that_computes_is_given_more_time(watched):
    """It may load a model from a slow disk, or compile for long."""
    process, seen = Process(), []
    with watched.dog.watching(*watched.about, process):
        for times in (THEN, AT_WORK_THEN - 1, AT_WORK_THEN):
            watched.cpu_s += times * LEAST_S
            seen.append((await watched.look(1000 + times * LEAST_S), process.ends))

    assert seen == [((1, 0), 0), ((1, 0), 0), ((1, 1), 1)]


async def test_one_that_has_ended_is_not_watched(watched):
    with watched.dog.watching(*watched.about, Process()):
        pass

    assert await watched.look(10_000) == (0, 0)


async def test_a_real_process_that_hangs_is_started_again_from_its_checkpoint(
    open_bot, tiny_spec, chat
):
    """The clock of who watches leaps while it hangs; all else is real."""
    leapt_s = 0.0
    async with open_bot() as bot:
        store = bot.house.store
        dog = Watchdog(bot.house, clock=lambda: time.monotonic() + leapt_s, grace_s=0.5)
        bot.rounds.segments.watchdog = bot.rounds.segments.reports._watchdog = dog
        run = await bot.rounds.begin(tiny_spec(ask={"at": [0.5]}), who="memory:ana")
        child = await at_work(store, 0)
        child.suspend()

        async def keep_looking():
            nonlocal leapt_s
            while True:
                await dog.look()
                if store.runs.segments("r1.human")[0].state is SegmentState.RUNNING:
                    leapt_s += LEAST_S / 2
                await asyncio.sleep(0.1)

        looking = asyncio.create_task(keep_looking())
        run = await vote_until_ended(chat, bot, run)
        looking.cancel()

        assert run.state is RunState.FINISHED
        first, *others = store.runs.segments("r1.human")
        assert (first.state, first.error.partition(" for ")[0]) == (
            SegmentState.FAILED, "the training process gave no sign",
        )  # fmt: skip
        assert [s.state for s in others] == [SegmentState.DONE] * 2
        said = thread(chat, head(chat, run).ref)
        assert sum("has given no sign for" in text for text in said) == 1
