"""Ticks come again and again, one at a time; one that comes late comes once."""

import asyncio
import time
from collections.abc import Callable

import pytest

from bot.schedule import Schedule


@pytest.fixture
async def schedule():
    clock = Schedule()
    clock.start()
    yield clock
    clock.close()


async def until(look: Callable[[], bool]) -> float:
    """Wait for something; how many seconds it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(30):
        while not look():  # noqa: ASYNC110 -- a tick signals nothing
            await asyncio.sleep(0.005)
    return loop.time() - began


async def test_a_job_that_fails_comes_again_and_others_go_on(schedule):
    seen = []

    async def fail():
        seen.append("fails")
        raise ValueError("whatever")

    async def work():
        seen.append("works")

    schedule.every(0.05, "fails", fail)
    schedule.every(0.05, "works", work)

    await until(lambda: seen.count("fails") >= 2 and seen.count("works") >= 2)

    assert "works" in seen[seen.index("fails") :]


async def test_a_job_that_takes_long_is_not_begun_twice(schedule):
    at_work, most, done = 0, 0, 0

    async def slow():
        nonlocal at_work, most, done
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0.2)
        at_work -= 1
        done += 1

    schedule.every(0.02, "slow", slow)
    await until(lambda: done == 2)

    assert most == 1


async def test_what_was_missed_while_the_machine_was_busy_comes_once(schedule):
    """The event loop stood still over ten ticks."""
    seen = []

    async def note():
        seen.append(1)

    schedule.every(0.1, "note", note)
    await until(lambda: bool(seen))
    before = len(seen)
    time.sleep(1.0)  # noqa: ASYNC251 -- the loop is to stand still
    meanwhile_s = await until(lambda: len(seen) > before)

    assert len(seen) - before <= 2 + meanwhile_s / 0.1  # the missed ones as one, and the next


async def test_a_faster_clock_ticks_faster():
    seen = []
    clock = Schedule(lambda seconds: seconds / 100)
    clock.start()

    async def note():
        seen.append(1)

    clock.every(10.0, "note", note)
    took_s = await until(lambda: len(seen) == 3)
    clock.close()

    assert 0.2 < took_s < 10
