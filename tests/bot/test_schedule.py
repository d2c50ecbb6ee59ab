"""Ticks come again and again, one at a time; one that comes late comes once."""

import asyncio

import pytest

from bot.schedule import Schedule


@pytest.fixture
async def schedule():
    clock = Schedule()
    clock.start()
    yield clock
    clock.close()


async def test_a_job_that_fails_comes_again_and_others_go_on(schedule):
    seen = []

    async def fail():
        seen.append("fails")
        raise ValueError("whatever")

    async def work():
        seen.append("works")

    schedule.every(0.05, "fails", fail)
    schedule.every(0.05, "works", work)
    await asyncio.sleep(0.3)

    assert seen.count("fails") >= 2
    assert seen.count("works") >= 2


async def test_a_job_that_takes_long_is_not_begun_twice(schedule):
    at_work, most = 0, 0

    async def slow():
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0.2)
        at_work -= 1

    schedule.every(0.02, "slow", slow)
    await asyncio.sleep(0.5)

    assert most == 1


async def test_what_was_missed_while_the_machine_was_busy_comes_once(schedule):
    """The event loop stood still over ten ticks."""
    seen = []

    async def note():
        seen.append(asyncio.get_running_loop().time())

    schedule.every(0.1, "note", note)
    await asyncio.sleep(0.15)
    before = len(seen)
    loop = asyncio.get_running_loop()
    until = loop.time() + 1.0
    while loop.time() < until:
        pass
    await asyncio.sleep(0.05)

    assert before == 1
    assert len(seen) <= 3  # the missed ones as one, and maybe the next


async def test_a_faster_clock_ticks_faster():
    seen = []
    clock = Schedule(lambda seconds: seconds / 100)
    clock.start()

    async def note():
        seen.append(1)

    clock.every(10.0, "note", note)
    await asyncio.sleep(0.35)
    clock.close()

    assert 2 <= len(seen) <= 4
