"""What every chat platform must do, tested on each of them in the same words."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.base import (
    ButtonPressed,
    ChatRefused,
    CommandInvoked,
    FormSubmitted,
    ReactionAdded,
    ReactionRemoved,
    Ref,
    ReplyDeleted,
    ReplyEdited,
    ThreadReply,
)
from tests.adapters.cards import BLIND, CLOSED, FEATURES, NUMBERS, QUESTION, RUN, WHICH
from tests.adapters.drivers import Driver


async def test_a_whole_ballot_is_heard_in_order_and_stands_in_the_snapshot(driver: Driver) -> None:
    card = await driver.chat.post_card(driver.channel, QUESTION, "ballot-1")
    form = await driver.chat.post_card(driver.channel, FEATURES, "ballot-2")

    await driver.react("ana", card, "up")
    await driver.react("bo", card, "down")
    await driver.react("bo", card, "up")
    await driver.unreact("bo", card, "down")
    first = await driver.reply("cy", card, "+archive")
    second = await driver.reply("dee", card, "no idea")
    await driver.edit_reply("cy", card, first, "-archive")
    await driver.delete_reply("dee", card, second)
    assert await driver.press("eva", card, "skip")
    assert await driver.submit("eva", form, {"archive": "4"})

    ana, bo, cy, dee, eva = (driver.user(who) for who in ("ana", "bo", "cy", "dee", "eva"))
    assert [(type(event), event.user, event.ref) for event in driver.ears.events] == [
        (ReactionAdded, ana, card),
        (ReactionAdded, bo, card),
        (ReactionAdded, bo, card),
        (ReactionRemoved, bo, card),
        (ThreadReply, cy, card),
        (ThreadReply, dee, card),
        (ReplyEdited, cy, card),
        (ReplyDeleted, dee, card),
        (ButtonPressed, eva, card),
        (FormSubmitted, eva, form),
    ]
    standing = await driver.chat.snapshot(card)
    assert standing.is_complete
    assert standing.reactions == {driver.raw("up"): {ana, bo}}
    assert standing.canonical == {driver.raw("up"): "up"}
    assert [(r.reply_id, r.user, r.text) for r in standing.replies] == [(first, cy, "-archive")]


async def test_events_carry_what_the_votes_need(driver: Driver) -> None:
    card = await driver.chat.post_card(driver.channel, QUESTION, "k")
    form = await driver.chat.post_card(driver.channel, FEATURES, "f")

    await driver.react("ana", card, "unsure")
    reply_id = await driver.reply("ana", card, "refund 5")
    await driver.press("ana", card, "skip")
    await driver.submit("ana", form, {"archive": "5", "path": "0"})

    reacted, replied, pressed, submitted = driver.ears.events
    assert isinstance(reacted, ReactionAdded)
    assert (reacted.emoji.raw, reacted.emoji.canonical) == (driver.raw("unsure"), "unsure")
    assert isinstance(replied, ThreadReply)
    assert (replied.reply_id, replied.text) == (reply_id, "refund 5")
    assert isinstance(pressed, ButtonPressed)
    assert pressed.choice == "skip"
    assert isinstance(submitted, FormSubmitted)
    assert submitted.values == {"archive": "5", "path": "0"}
    assert len({event.event_id for event in driver.ears.events}) == 4
    assert all(event.at.utcoffset() is not None for event in driver.ears.events)


async def test_numbers_and_buttons_choose_among_labels(driver: Driver) -> None:
    card = await driver.chat.post_card(driver.channel, WHICH, "k")

    for number in NUMBERS:
        await driver.react(f"p-{number}", card, number)
    assert await driver.press("eva", card, "#10")

    *reacted, pressed = driver.ears.events
    assert [e.emoji.canonical for e in reacted if isinstance(e, ReactionAdded)] == list(NUMBERS)
    assert isinstance(pressed, ButtonPressed)
    assert pressed.choice == "#10"
    standing = await driver.chat.snapshot(card)
    assert set(standing.canonical.values()) == set(NUMBERS)
    assert standing.reactions[driver.raw("ten")] == {driver.user("p-ten")}


async def test_the_bots_own_seeds_and_replies_never_count(driver: Driver) -> None:
    card = await driver.chat.post_card(driver.channel, QUESTION, "k")
    await driver.chat.say(card, "Closing in 5 minutes", "note")

    standing = await driver.chat.snapshot(card)

    assert standing.reactions == {}
    assert standing.replies == ()


async def test_the_same_key_posts_once(driver: Driver) -> None:
    first = await driver.chat.post_card(driver.channel, QUESTION, "k")
    again = await driver.chat.post_card(driver.channel, QUESTION, "k")
    said = await driver.chat.say(driver.channel, "hello", "s")
    said_again = await driver.chat.say(driver.channel, "hello", "s")
    other = await driver.chat.post_card(driver.channel, QUESTION, "k2")

    assert first == again
    assert said == said_again
    assert len({first, said, other}) == 3


async def test_what_was_said_in_a_thread_is_reworded_in_place(driver: Driver) -> None:
    card = await driver.chat.post_card(driver.channel, QUESTION, "k")
    said = await driver.chat.say(card, "Round 1 closed", "closed")

    await driver.chat.edit_text(said, "Round 1 closed with 5 < 6 votes")

    assert "Round 1 closed with 5 " in await driver.text_of(said)
    assert await driver.chat.say(card, "Round 1 closed", "closed") == said  # under the same key
    assert (await driver.chat.snapshot(card)).replies == ()


async def test_posts_from_many_tasks_under_one_key_are_one(driver: Driver) -> None:
    posts = [driver.chat.post_card(driver.channel, QUESTION, "k") for _ in range(5)]

    assert len(set(await asyncio.gather(*posts))) == 1


async def test_a_post_is_found_by_its_key(driver: Driver) -> None:
    card = await driver.chat.post_card(driver.channel, QUESTION, "k")

    assert await driver.chat.find_post(driver.channel, "k") == card
    assert await driver.chat.find_post(driver.channel, "never posted") is None


async def test_references_survive_being_written_down(driver: Driver) -> None:
    card = await driver.chat.post_card(driver.channel, QUESTION, "k")
    in_thread = await driver.chat.say(card, "a note", "s")

    assert Ref.parse(str(card)) == card
    assert Ref.parse(str(in_thread)) == in_thread
    await driver.chat.edit_card(Ref.parse(str(card)), CLOSED)


async def test_a_repeated_event_is_the_same_event(driver: Driver) -> None:
    card = await driver.chat.post_card(driver.channel, QUESTION, "k")
    await driver.react("ana", card, "up")

    await driver.repeat_last()

    assert len(driver.ears.heard()) == 1
    assert (await driver.chat.snapshot(card)).reactions == {driver.raw("up"): {driver.user("ana")}}


async def test_putting_the_same_reaction_twice_is_one_event(driver: Driver) -> None:
    card = await driver.chat.post_card(driver.channel, QUESTION, "k")

    await driver.react("ana", card, "up")
    await driver.react("ana", card, "up")
    await driver.unreact("ana", card, "down")

    assert [type(event) for event in driver.ears.events] == [ReactionAdded]


async def test_commands_name_the_channel_or_the_thread_they_were_given_in(driver: Driver) -> None:
    run = await driver.chat.post_card(driver.channel, RUN, "run")

    await driver.command("ana", "status")
    await driver.command("ana", "pause docs-7", thread=run)
    await driver.reply("ana", run, "stop")

    in_channel, in_thread, bare = driver.ears.events
    assert isinstance(in_channel, CommandInvoked)
    assert (in_channel.words, in_channel.ref.channel, in_channel.ref.message) == (
        "status",
        driver.channel,
        "",
    )
    assert isinstance(in_thread, CommandInvoked)
    assert (in_thread.words, in_thread.ref) == ("pause docs-7", run)
    assert isinstance(bare, ThreadReply)
    assert (bare.text, bare.ref) == ("stop", run)


async def test_a_press_the_bot_could_not_keep_is_reported_to_the_person(driver: Driver) -> None:
    card = await driver.chat.post_card(driver.channel, QUESTION, "k")
    form = await driver.chat.post_card(driver.channel, FEATURES, "f")
    driver.ears.is_deaf = True

    assert not await driver.press("ana", card, "skip")
    assert not await driver.submit("ana", form, {"archive": "4"})
    assert not await driver.command("ana", "stop docs-7")

    driver.ears.is_deaf = False
    assert await driver.press("ana", card, "skip")
    assert [type(event) for event in driver.ears.events] == [ButtonPressed]


async def test_marks_the_bot_could_not_keep_stand_in_the_snapshot(driver: Driver) -> None:
    card = await driver.chat.post_card(driver.channel, QUESTION, "k")
    driver.ears.is_deaf = True

    await driver.react("ana", card, "up")
    reply_id = await driver.reply("bo", card, "+archive")

    standing = await driver.chat.snapshot(card)
    assert driver.ears.events == []
    assert standing.reactions == {driver.raw("up"): {driver.user("ana")}}
    assert [reply.reply_id for reply in standing.replies] == [reply_id]


async def test_a_restart_loses_nothing(driver: Driver) -> None:
    card = await driver.chat.post_card(driver.channel, QUESTION, "k")
    await driver.react("ana", card, "up")
    reply_id = await driver.reply("bo", card, "+archive")

    await driver.stop_bot()
    await driver.react_while_stopped("bo", card, "down")
    await driver.start_bot()

    standing = await driver.chat.snapshot(card)
    assert standing.reactions == {
        driver.raw("up"): {driver.user("ana")},
        driver.raw("down"): {driver.user("bo")},
    }
    assert [reply.reply_id for reply in standing.replies] == [reply_id]
    assert await driver.chat.post_card(driver.channel, QUESTION, "k") == card
    await driver.unreact("ana", card, "up")
    assert isinstance(driver.ears.events[-1], ReactionRemoved)


async def test_a_message_that_never_was_is_refused_in_words(driver: Driver) -> None:
    nowhere = Ref(platform=driver.chat.name, channel=driver.channel, message="999")

    with pytest.raises(ChatRefused, match="no message"):
        await driver.chat.snapshot(nowhere)
    with pytest.raises(ChatRefused, match="no message"):
        await driver.chat.edit_card(nowhere, CLOSED)
    with pytest.raises(ChatRefused, match="no message"):
        await driver.chat.say(nowhere, "hello", "k")


async def test_whispers_reach_known_people_only(driver: Driver) -> None:
    card = await driver.chat.post_card(driver.channel, BLIND, "k")
    await driver.react("ana", card, "up")

    assert await driver.chat.whisper(driver.user("ana"), card, "did you mean archive?", None)
    assert await driver.chat.whisper(driver.user("ana"), driver.channel, "only operators may", None)
    assert not await driver.chat.whisper("elsewhere:ana", card, "hello", None)


async def test_the_largest_card_fits(driver: Driver, tmp_path: Path) -> None:
    caps = driver.chat.caps
    buttons = tuple(
        QUESTION.buttons[2].model_copy(update={"id": f"b{n}"}) for n in range(caps.max_buttons)
    )
    options = tuple((f"k{n}", f"feature {n}") for n in range(caps.max_menu))
    assert FEATURES.menu
    menu = FEATURES.menu.model_copy(update={"options": options})
    large = QUESTION.model_copy(
        update={"text": "x" * (caps.max_text + 10), "buttons": buttons, "menu": menu}
    )

    card = await driver.chat.post_card(driver.channel, large, "large")

    assert await driver.submit("ana", card, dict.fromkeys(dict(options), "5"))
    assert driver.chat.health().is_connected
