"""How `MemoryChat` misbehaves when a test asks it to."""

from __future__ import annotations

import random

import pytest

from adapters.base import (
    CardDeleted,
    ChatRefused,
    ChatUnavailable,
    Emoji,
    ReactionAdded,
    ReactionsCleared,
    Reconnected,
)
from adapters.memory import MemoryChat
from tests.adapters.cards import CLOSED, QUESTION
from tests.adapters.drivers import CHANNEL, Ears


@pytest.fixture
async def chat(ears: Ears) -> MemoryChat:
    chat = MemoryChat()
    await chat.connect(ears)
    return chat


async def test_a_failing_call_does_nothing(chat: MemoryChat) -> None:
    chat.fail_next(ChatUnavailable("rate limited", retry_after_s=2.0))

    with pytest.raises(ChatUnavailable):
        await chat.post_card(CHANNEL, QUESTION, "k")

    assert await chat.find_post(CHANNEL, "k") is None
    await chat.post_card(CHANNEL, QUESTION, "k")


async def test_a_dropped_post_stands_and_is_found(chat: MemoryChat) -> None:
    chat.drop_next()

    with pytest.raises(ChatUnavailable):
        await chat.post_card(CHANNEL, QUESTION, "k")

    found = await chat.find_post(CHANNEL, "k")
    assert await chat.post_card(CHANNEL, QUESTION, "k") == found
    assert len(chat.cards()) == 1


async def test_held_events_arrive_shuffled(chat: MemoryChat, ears: Ears) -> None:
    card = await chat.post_card(CHANNEL, QUESTION, "k")
    people = [f"p{number}" for number in range(9)]

    chat.hold()
    for person in people:
        await chat.react(person, card, "up")
    nothing_yet = list(ears.events)
    await chat.release(random.Random(1))

    users = [event.user for event in ears.events]
    assert nothing_yet == []
    assert sorted(users) == [f"memory:{person}" for person in people]
    assert users != sorted(users)


async def test_duplicates_carry_the_same_event_id(chat: MemoryChat, ears: Ears) -> None:
    card = await chat.post_card(CHANNEL, QUESTION, "k")
    await chat.react("ana", card, "up")
    await chat.react("bo", card, "up")

    await chat.duplicate(2)

    ids = [event.event_id for event in ears.events]
    assert ids[:2] == ids[2:]


async def test_marks_made_during_an_outage_only_stand(chat: MemoryChat, ears: Ears) -> None:
    card = await chat.post_card(CHANNEL, QUESTION, "k")

    chat.go_offline()
    await chat.react("ana", card, "up")
    assert not await chat.press("ana", card, "skip")
    assert not chat.health().is_connected
    await chat.come_back()

    assert [type(event) for event in ears.events] == [Reconnected]
    assert (await chat.snapshot(card)).reactions == {"up": {"memory:ana"}}


async def test_skin_tones_are_spellings_of_one_emoji(chat: MemoryChat, ears: Ears) -> None:
    card = await chat.post_card(CHANNEL, QUESTION, "k")

    await chat.react("ana", card, "up")
    await chat.react("ana", card, "up::3")

    assert isinstance(ears.events[1], ReactionAdded)
    assert ears.events[1].emoji == Emoji(raw="up::3", canonical="up")
    assert (await chat.snapshot(card)).canonical == {"up": "up", "up::3": "up"}


async def test_cleared_reactions_are_gone(chat: MemoryChat, ears: Ears) -> None:
    card = await chat.post_card(CHANNEL, QUESTION, "k")
    await chat.react("ana", card, "up")
    await chat.react("bo", card, "down")

    await chat.clear_reactions("mod", card, "up")

    assert isinstance(ears.events[-1], ReactionsCleared)
    assert (await chat.snapshot(card)).reactions == {"down": {"memory:bo"}}


async def test_a_deleted_card_is_refused_and_not_found(chat: MemoryChat, ears: Ears) -> None:
    card = await chat.post_card(CHANNEL, QUESTION, "k")

    await chat.delete_card("admin", card)

    assert isinstance(ears.events[-1], CardDeleted)
    assert await chat.find_post(CHANNEL, "k") is None
    with pytest.raises(ChatRefused):
        await chat.edit_card(card, CLOSED)


async def test_an_incomplete_snapshot_says_so(chat: MemoryChat) -> None:
    card = await chat.post_card(CHANNEL, QUESTION, "k")
    chat.is_complete = False

    assert not (await chat.snapshot(card)).is_complete


async def test_a_test_can_wait_for_what_the_bot_says(chat: MemoryChat) -> None:
    card = await chat.post_card(CHANNEL, QUESTION, "k")
    await chat.say(card, "Thank you", "s")

    await chat.until(lambda: "Thank you" in chat.said(card))

    assert chat.said() == ["Thank you"]
