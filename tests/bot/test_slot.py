"""The device's queue: one holds it, people first, then in order; whoever leaves holds nobody up."""

import asyncio
import random
from datetime import timedelta

from bot.slot import DeviceSlot, Place
from tests.bot.cards import T0


def place(run, rank=0, since=0):
    return Place(rank, T0 + timedelta(seconds=since), run, f"r{run}.{rank}", f"r{run}")


async def test_people_go_first_then_who_came_first():
    slot = DeviceSlot()
    wanted = [place(1, rank=1, since=0), place(2, since=5), place(3, since=2), place(4, since=2)]
    seen = []

    async def one(mine):
        async with slot.held(mine) as has_it:
            assert has_it
            seen.append(mine.run_id)

    async with slot.held(place(9)):
        tasks = [asyncio.create_task(one(mine)) for mine in wanted]
        await asyncio.sleep(0)
        assert [p.run_id for p in slot.waiting] == ["r3", "r4", "r2", "r1"]
        assert slot.holder == place(9)
    await asyncio.gather(*tasks)

    assert seen == ["r3", "r4", "r2", "r1"]
    assert (slot.holder, slot.waiting) == (None, [])


async def test_whoever_is_called_off_leaves_without_the_device_and_the_next_one_gets_it():
    slot = DeviceSlot()
    seen = {}

    async def one(mine):
        async with slot.held(mine) as has_it:
            seen[mine.run_id] = has_it

    async with slot.held(place(9)):
        tasks = [asyncio.create_task(one(place(run))) for run in (1, 2)]
        await asyncio.sleep(0)
        slot.call_off("r1")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert seen == {"r1": False}
    await asyncio.gather(*tasks)

    assert seen == {"r1": False, "r2": True}


async def test_one_place_is_told_at_once_whether_it_waits_or_not():
    slot, told = DeviceSlot(), []

    async def one():
        async with slot.held(place(2), lambda: told.append([p.run_id for p in slot.waiting])):
            pass

    async with slot.held(place(1), lambda: told.append(slot.holder)):
        task = asyncio.create_task(one())
        await asyncio.sleep(0)
        assert told == [place(1), ["r2"]]
    await task


async def test_it_is_held_by_one_at_most_whoever_is_cancelled_and_whenever():
    """Tasks that come, are called off and are cancelled at random: never two, and none is stuck."""
    rng = random.Random(8)
    slot, inside = DeviceSlot(), []

    async def one(mine):
        async with slot.held(mine) as has_it:
            if has_it:
                inside.append(mine)
                assert len(inside) == 1
                assert slot.holder == mine
                try:
                    await asyncio.sleep(rng.choice([0, 0, 0.0005]))
                finally:
                    inside.remove(mine)

    tasks = []
    for number in range(600):
        mine = place(number % 7, rank=rng.randrange(2), since=number)
        tasks.append(asyncio.create_task(one(mine)))
        if rng.random() < 0.2:
            rng.choice(tasks).cancel()
        if rng.random() < 0.1:
            slot.call_off(f"r{rng.randrange(7)}")
        await asyncio.sleep(0)
    async with asyncio.timeout(20):
        results = await asyncio.gather(*tasks, return_exceptions=True)

    wrong = [r for r in results if r is not None and not isinstance(r, asyncio.CancelledError)]
    assert wrong == []
    assert (slot.holder, slot.waiting) == (None, [])
