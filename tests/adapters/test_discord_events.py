"""What Discord tells a bot, what it does not, and what stands there anyway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.base import (
    ReactionAdded,
    ReactionRemoved,
    ReactionsCleared,
    Reconnected,
    Ref,
    ReplyDeleted,
    ThreadReply,
)
from adapters.discord import replies
from tests.adapters.cards import FEATURES, QUESTION
from tests.adapters.discord_driver import CHANNEL, DiscordDriver
from tests.fake_discord.world import BOT_USER


@pytest.fixture
async def unread(tmp_path: Path) -> AsyncIterator[DiscordDriver]:
    """Without Message Content Intent."""
    driver = DiscordDriver()
    driver.discord.world.flags = 0
    async with driver.discord:
        await driver.start_bot()
        yield driver
        await driver.stop_bot()


async def test_resume_brings_what_was_missed_once(in_discord: DiscordDriver) -> None:
    card = await in_discord.chat.post_card(CHANNEL, QUESTION, "k")
    await in_discord.react("ana", card, "up")

    in_discord.discord.gateway.drop_sockets()
    await in_discord.discord.react("bo", card, "👎")
    await in_discord.discord.unreact("ana", card, "👍")
    await in_discord.ears.until(Reconnected)
    await in_discord.discord.gateway.duplicate(4)
    await in_discord.discord.gateway.round_trip()

    told = [e for e in in_discord.ears.heard() if not isinstance(e, Reconnected)]
    assert [(type(e), e.user) for e in told] == [
        (ReactionAdded, in_discord.user("ana")),
        (ReactionAdded, in_discord.user("bo")),
        (ReactionRemoved, in_discord.user("ana")),
    ]
    assert in_discord.discord.gateway.resumed == 1


async def test_after_a_lost_session_the_snapshot_finds_what_was_missed(
    in_discord: DiscordDriver,
) -> None:
    card = await in_discord.chat.post_card(CHANNEL, QUESTION, "k")
    in_discord.discord.gateway.resumes = False
    began = datetime.now(UTC)

    in_discord.discord.gateway.forget_sessions()
    await in_discord.discord.react("bo", card, "👎")
    await in_discord.discord.say("cy", "refund 5", card)
    [back] = await in_discord.ears.until(Reconnected)

    assert back.gap_since is not None
    assert back.gap_since <= began
    assert in_discord.discord.gateway.identified == 2
    standing = await in_discord.chat.snapshot(card)
    assert standing.reactions == {"👎": {in_discord.user("bo")}}
    assert [r.text for r in standing.replies] == ["refund 5"]
    assert in_discord.chat.health().is_connected
    await in_discord.react("ana", card, "up")
    assert isinstance(in_discord.ears.events[-1], ReactionAdded)


async def test_an_invited_reconnection_and_an_open_close_code_resume(
    in_discord: DiscordDriver,
) -> None:
    await in_discord.discord.gateway.ask_to_reconnect()
    await in_discord.ears.until(Reconnected, 1)
    await in_discord.discord.gateway.close_sockets(4000)
    await in_discord.ears.until(Reconnected, 2)

    assert in_discord.discord.gateway.resumed == 2


async def test_a_token_that_was_reset_is_told(in_discord: DiscordDriver) -> None:
    await in_discord.discord.gateway.close_sockets(4004)
    async with asyncio.timeout(5):
        while "4004" not in in_discord.chat.health().detail:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    assert not in_discord.chat.health().is_connected


async def test_cleared_reactions_are_heard(in_discord: DiscordDriver) -> None:
    card = await in_discord.chat.post_card(CHANNEL, QUESTION, "k")

    async with in_discord._heard():
        await in_discord.discord.clear_reactions(card, "👍")
        await in_discord.discord.clear_reactions(card)

    one, all_ = in_discord.ears.events
    assert isinstance(one, ReactionsCleared)
    assert isinstance(all_, ReactionsCleared)
    assert (one.emoji and one.emoji.canonical, all_.emoji) == ("up", None)


async def test_bots_do_not_vote_and_tones_are_spellings(in_discord: DiscordDriver) -> None:
    card = await in_discord.chat.post_card(CHANNEL, QUESTION, "k")
    in_discord.discord.world.user("robo", is_bot=True)

    async with in_discord._heard():
        await in_discord.discord.react("robo", card, "👍")
        await in_discord.discord.react("ana", card, "👍🏽")
        await in_discord.discord.react("bo", card, "🤷🏿\u200d♀️")
        await in_discord.discord.react("cy", card, "blob:77")

    assert [(e.user, e.emoji.canonical) for e in in_discord.ears.events] == [
        (in_discord.user("ana"), "up"),
        (in_discord.user("bo"), "unsure"),
        (in_discord.user("cy"), None),
    ]
    standing = await in_discord.chat.snapshot(card)
    assert standing.reactions == {
        "👍🏽": {in_discord.user("ana")},
        "🤷🏿\u200d♀️": {in_discord.user("bo")},
    }


async def test_every_one_of_a_crowd_is_named_and_super_reactions_count(
    in_discord: DiscordDriver,
) -> None:
    card = await in_discord.chat.post_card(CHANNEL, QUESTION, "k")
    in_discord.discord.gateway.lose(240)
    for n in range(232):
        await in_discord.discord.react(f"p{n}", card, "👍", is_super=n % 20 == 0)

    standing = await in_discord.chat.snapshot(card)

    assert standing.reactions["👍"] == {in_discord.user(f"p{n}") for n in range(232)}
    assert standing.is_complete
    in_discord.discord.world.shown_count["👍"] = 240
    assert not (await in_discord.chat.snapshot(card)).is_complete


async def test_a_reply_in_the_channel_is_one_like_in_the_thread(in_discord: DiscordDriver) -> None:
    card = await in_discord.chat.post_card(CHANNEL, QUESTION, "k")
    async with in_discord._heard():
        small_talk = await in_discord.discord.say("bo", "hello")
        said = await in_discord.discord.answer("ana", "+archive", card)
        await in_discord.discord.answer(
            "ana", "hello bo", Ref(platform="discord", channel=CHANNEL, message=small_talk)
        )

    [event] = in_discord.ears.events
    assert isinstance(event, ThreadReply)
    assert (event.ref, event.reply_id) == (card, said)
    assert [r.reply_id for r in (await in_discord.chat.snapshot(card)).replies] == [said]
    await in_discord.delete_reply("ana", card, said)
    assert isinstance(in_discord.ears.events[-1], ReplyDeleted)
    assert (await in_discord.chat.snapshot(card)).replies == ()


async def test_a_busy_channel_is_not_read_once_per_card(
    in_discord: DiscordDriver,
) -> None:
    cards = [await in_discord.chat.post_card(CHANNEL, QUESTION, f"k{n}") for n in range(6)]
    in_discord.discord.gateway.lose(1000)
    said = {}
    for n in range(250):
        said[n] = await in_discord.discord.answer("ana", f"answer {n}", cards[n % 6])
    in_discord.discord.rest.calls.clear()

    shots = await asyncio.gather(*(in_discord.chat.snapshot(card) for card in cards))

    for n, shot in enumerate(shots):
        assert [r.text for r in shot.replies] == [f"answer {m}" for m in range(n, 250, 6)]
        assert shot.is_complete
    pages = [c for c in in_discord.discord.rest.calls if c == "GET /channels/2000/messages"]
    assert len(pages) < 6 * 3


async def test_replies_beyond_what_is_read_are_said_to_be_missing(
    in_discord: DiscordDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "MAX_SCANNED", 20)
    card = await in_discord.chat.post_card(CHANNEL, QUESTION, "k")
    in_discord.discord.gateway.lose(1000)
    await in_discord.discord.answer("ana", "+archive", card)
    for n in range(19):
        await in_discord.discord.say("bo", f"small talk {n}")

    assert len((await in_discord.chat.snapshot(card)).replies) == 1
    await in_discord.discord.say("bo", "one more")
    shot = await in_discord.chat.snapshot(card)
    assert shot.replies == ()
    assert not shot.is_complete


async def test_without_the_privileged_intent_all_but_plain_texts_counts(
    unread: DiscordDriver,
) -> None:
    card = await unread.chat.post_card(CHANNEL, QUESTION, "k")
    form = await unread.chat.post_card(CHANNEL, FEATURES, "f")

    await unread.reply("ana", card, "refund 5")
    await unread.react("ana", card, "up")
    assert await unread.press("ana", card, "yes")
    assert await unread.submit("ana", form, {"archive": "5"})
    assert await unread.command("ana", "status")
    said = await unread.reply("ana", card, f"<@{BOT_USER}> refund 5")

    kinds = [e.kind for e in unread.ears.events]
    assert kinds == [
        "reaction_added", "button_pressed", "form_submitted", "command", "thread_reply",
    ]  # fmt: skip
    last = unread.ears.events[-1]
    assert isinstance(last, ThreadReply)
    assert last.text == "refund 5"
    standing = await unread.chat.snapshot(card)
    assert [(r.reply_id, r.text) for r in standing.replies] == [(said, "refund 5")]
    assert "without Message Content Intent" in unread.chat.health().detail
