"""Operators are told of trouble once, and of no alert that waits."""

import asyncio
from datetime import UTC, datetime, timedelta

from adapters.base import ChatUnavailable
from adapters.memory import MemoryChat
from bot import outgoing
from bot.alerts import TOO_FULL_B, Alerts
from bot.app import running
from storage.models import RunState
from tests.flows.people import vote_until_ended
from tests.storage.records import edit, item

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
PLENTY = 2 * TOO_FULL_B


def told(chat):
    return [p.text for p in chat.posts.values() if (p.key or "").startswith("alert:")]


async def look(bot, now, free_b=PLENTY):
    """A bot's look at a moment, as after a restart."""
    bot.house.now = lambda: now
    await Alerts(bot.house, lambda: free_b).look()
    async with asyncio.timeout(10):
        while bot.house.store.mail.pending("memory"):  # noqa: ASYNC110 -- it signals nothing
            await asyncio.sleep(0.02)


async def test_messages_that_wait_for_ten_minutes_are_told_of_once_a_day(settings, chat):
    down = MemoryChat()
    down.name = "down"
    async with running(settings, {"memory": chat, "down": down}) as bot:
        down.fail_next(ChatUnavailable("the chat is down", retry_after_s=3600), times=100)
        mail = bot.house.store.mail
        mail.enqueue([outgoing.say("a", "down", "joulery", "hello")], NOON)
        mail.enqueue([outgoing.say("b", "down", "joulery", "again")], NOON + timedelta(minutes=9))

        for minutes, seen in ((9, 0), (10, 1), (30, 1), (600, 1), (24 * 60, 2)):
            await look(bot, NOON + timedelta(minutes=minutes))
            assert len(told(chat)) == seen, minutes

        assert told(chat)[0] == (
            "For operators: On down 2 messages could not be posted for 10 min; what waits goes out as "
            "soon as it can. The bot's log says why."
        )


async def test_an_alert_that_waits_is_no_trouble(open_bot):
    """Nobody sends: what is queued stays."""
    async with open_bot() as bot:
        mail, nobody = bot.house.store.mail, Alerts(bot.house, lambda: TOO_FULL_B - 1)
        bot.house.office.wake = lambda: None
        bot.house.now = lambda: NOON
        await nobody.look()
        bot.house.now = lambda: NOON + timedelta(hours=1)
        await nobody.look()

        assert mail.oldest("memory", without="alert:") is None
        assert mail.oldest("memory", without="nothing") == NOON
        assert mail.pending() == 1


async def test_an_edit_that_is_replaced_waits_from_then_on(store):
    """A head message is edited for days: its first edit says nothing of how long the last waits."""
    post, later = item("head"), NOON + timedelta(days=1)
    store.mail.enqueue([post, edit("head", "a")], NOON)
    for _ in range(2):
        store.mail.sent(store.mail.claim("memory", NOON), "memory:c:1", NOON)

    store.mail.enqueue([edit("head", "b")], later)
    store.mail.enqueue([edit("head", "c")], later + timedelta(minutes=5))

    assert store.mail.oldest("memory", without="alert:") == later


async def test_a_disk_that_is_nearly_full_is_told_of_in_the_operators_channel(open_bot, chat):
    async with open_bot(operators_channel="memory:ops") as bot:
        for n in range(2):
            await look(bot, NOON + n * timedelta(minutes=1), free_b=1_234_000_000)

        [post] = [p for p in chat.posts.values() if (p.key or "").startswith("alert:")]
        assert (post.ref.channel, post.ref.thread) == ("ops", None)
        assert post.text.startswith("For operators: Only 1.2 GB are left on the disk of ")


async def test_where_the_operators_channel_is_out_of_reach_the_usual_one_hears(open_bot, chat):
    async with open_bot(operators_channel="slack:C045") as bot:
        await look(bot, NOON, free_b=1_234_000_000)

        [post] = [p for p in chat.posts.values() if (p.key or "").startswith("alert:")]
        assert post.ref.channel == "joulery"


async def test_with_room_and_a_chat_that_answers_nothing_is_told(open_bot, chat):
    async with open_bot() as bot:
        await look(bot, NOON)

        assert told(chat) == []


async def test_a_round_that_closed_half_seen_is_told_of(open_bot, tiny_spec, chat):
    async with open_bot() as bot:
        chat.is_complete = False
        run = await bot.rounds.begin(tiny_spec(ask={"at": [0.5]}), who="memory:ana")

        assert (await vote_until_ended(chat, bot, run)).state is RunState.FINISHED
        assert told(chat) == [
            "For operators: Round 1 of run r1 closed, but not every card could be looked at once "
            "more: votes given while the chat was away may not count."
        ]
