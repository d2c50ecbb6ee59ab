"""Two bots on one database: one acts, the other stops or does not begin."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from adapters.memory import MemoryChat
from bot.app import running
from bot.lease import NAME, Lease, LeaseError
from storage.models import RunState, SegmentState
from tests.flows.people import open_cards, vote_until_ended


def take_over(store):
    """Another bot takes the lease, as if ours had run out."""
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert store.upkeep.take_lease(NAME, "another", later, timedelta(minutes=1))


async def test_a_second_bot_does_not_begin(open_bot, settings):
    async with open_bot():
        with pytest.raises(LeaseError, match="another bot is running on this database"):
            async with running(settings, {"memory": MemoryChat()}):
                pass


async def test_a_bot_that_is_stopped_lets_the_next_one_begin_at_once(open_bot):
    async with open_bot() as first:
        holder = first.lease.holder
    async with open_bot() as second:
        store, now = second.house.store, datetime.now(UTC)
        assert second.lease.holder != holder
        assert not store.upkeep.take_lease(NAME, holder, now, timedelta(minutes=1))


async def test_a_bot_that_lost_its_lease_stops_and_operators_hear_of_it(open_bot, tiny_spec, chat):
    """Its child saves its work; the run goes on with the bot that holds the database now."""
    with pytest.raises(ExceptionGroup) as stopped:  # noqa: PT012 -- it stops within
        async with open_bot() as bot:
            run = await bot.rounds.begin(tiny_spec(ask={"at": [0.5]}), who="memory:ana")
            await open_cards(chat, 6)
            take_over(bot.house.store)
            await bot.lease.keep()
            await asyncio.sleep(60)
    posts = len(chat.posts)
    assert stopped.group_contains(LeaseError, match="this bot stops: another one has taken over")
    assert not asyncio.all_tasks() - {asyncio.current_task()}  # nothing of it works on

    bot.house.store.upkeep.give_up_lease(NAME, "another")
    async with open_bot() as bot:
        assert (await vote_until_ended(chat, bot, run)).state is RunState.FINISHED
        assert len(chat.posts) > posts
        [alert] = [p.text for p in chat.posts.values() if (p.key or "").startswith("alert:lease:")]
        assert "stopped: another one has taken over its database" in alert
        segments = bot.house.store.runs.segments("r1.human")
        assert [s.state for s in segments] == [SegmentState.DONE] * 2


async def test_a_lease_that_was_lost_is_not_taken_back(store):
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    ours = Lease(store, lambda: now)
    await ours.take()
    take_over(store)
    await ours.keep()
    store.upkeep.give_up_lease(NAME, "another")

    await ours.keep()

    assert ours.is_lost
    with pytest.raises(LeaseError):
        await ours.until_lost()


# --- the holder was killed ----------------------------------------------------------------------

HOLDER = """
import asyncio, sys
from datetime import UTC, datetime
from bot.lease import Lease
from storage.store.store import Store

lease = Lease(Store.open(sys.argv[1]), lambda: datetime.now(UTC))
asyncio.run(lease.take())
print(lease.holder, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def elsewhere(store, tmp_path):
    """A process that holds the lease, and its name there."""
    command = [sys.executable, "-c", HOLDER, f"sqlite:///{tmp_path / 'joulery.db'}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process, process.stdout.readline().decode().strip()
        process.kill()


def lease_of(store):
    return Lease(store, lambda: datetime.now(UTC))


async def test_who_is_refused_hears_which_process_it_is_and_how_long_to_wait(store, elsewhere):
    process, holder = elsewhere

    with pytest.raises(LeaseError, match=rf"\(process {process.pid} on {holder.split(':')[0]}\)"):
        await lease_of(store).take()
    with pytest.raises(LeaseError, match=r"stop it first, or wait (30|2\d) s if it was killed"):
        await lease_of(store).take()


async def test_a_bot_whose_earlier_one_was_killed_begins_at_once(store, elsewhere):
    process, holder = elsewhere
    assert store.upkeep.lease(NAME)[0] == holder
    process.kill()
    process.wait()
    first, second = lease_of(store), lease_of(store)

    await first.take()

    with pytest.raises(LeaseError):
        await second.take()
    await first.keep()
    assert not first.is_lost


@pytest.mark.parametrize("part", [0, 1], ids=["host", "boot or namespace"])
async def test_a_process_id_of_another_machine_says_nothing(store, elsewhere, part):
    process, holder = elsewhere
    process.kill()
    process.wait()
    store.upkeep.give_up_lease(NAME, holder)
    parts = holder.split(":")
    parts[part] = "other"
    store.upkeep.take_lease(NAME, ":".join(parts), datetime.now(UTC), timedelta(seconds=30))

    with pytest.raises(LeaseError):
        await lease_of(store).take()
