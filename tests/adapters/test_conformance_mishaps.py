"""What goes wrong between a bot and a platform of others', and what becomes of posts and votes then."""

from __future__ import annotations

import random

import pytest

from adapters.base import CardDeleted, ChatRefused, ChatUnavailable, Ref
from tests.adapters.cards import BLIND, FEATURES, QUESTION
from tests.adapters.drivers import RemoteDriver


async def test_a_post_whose_answer_was_lost_is_found_and_not_repeated(remote: RemoteDriver) -> None:
    remote.lose_answer()

    with pytest.raises(ChatUnavailable):
        await remote.chat.post_card(remote.channel, QUESTION, "k")
    card = await remote.chat.post_card(remote.channel, QUESTION, "k")

    assert remote.posted() == 1
    assert await remote.chat.find_post(remote.channel, "k") == card


async def test_votes_on_a_card_whose_post_was_not_confirmed_are_heard(remote: RemoteDriver) -> None:
    remote.lose_answer()
    with pytest.raises(ChatUnavailable):
        await remote.chat.post_card(remote.channel, QUESTION, "k")
    await remote.stop_bot()
    await remote.start_bot()
    card = await remote.chat.find_post(remote.channel, "k")
    assert card is not None

    await remote.react("ana", card, "up")

    assert [event.ref for event in remote.ears.events] == [card]


async def test_a_reply_whose_answer_was_lost_is_found_after_a_restart(
    remote: RemoteDriver,
) -> None:
    card = await remote.chat.post_card(remote.channel, QUESTION, "k")
    await remote.chat.say(card, "first", "s0")
    remote.lose_answer(card)

    with pytest.raises(ChatUnavailable):
        await remote.chat.say(card, "hello", "s")
    await remote.stop_bot()
    await remote.start_bot()
    remote.minutes_pass()
    said = await remote.chat.say(card, "hello", "s")

    assert remote.posted() == 3
    assert said.thread == card.message


async def test_seeds_are_placed_once_and_none_on_blind_cards(remote: RemoteDriver) -> None:
    blind = BLIND.model_copy(update={"seeds": ("up",)})
    card = await remote.chat.post_card(remote.channel, QUESTION, "k")
    unseeded = await remote.chat.post_card(remote.channel, blind, "blind")
    await remote.chat.post_card(remote.channel, QUESTION, "k")

    assert await remote.seeds(card) == [remote.raw(seed) for seed in QUESTION.seeds]
    assert await remote.seeds(unseeded) == []


async def test_buttons_and_forms_of_a_former_bot_work(remote: RemoteDriver) -> None:
    card = await remote.chat.post_card(remote.channel, QUESTION, "q")
    form = await remote.chat.post_card(remote.channel, FEATURES, "k")
    await remote.chat.edit_card(form, FEATURES.model_copy(update={"tally": "1 vote"}))
    await remote.stop_bot()
    await remote.start_bot()

    assert await remote.press("ana", card, "yes")
    assert await remote.submit("ana", form, {"archive": "4"})
    assert await remote.chat.find_post(remote.channel, "k") == form


async def test_a_form_without_a_level_is_not_sent(remote: RemoteDriver) -> None:
    card = await remote.chat.post_card(remote.channel, FEATURES, "k")

    assert "Choose a level" in await remote.submit_nothing("ana", card)

    assert remote.ears.events == []


async def test_shuffled_and_repeated_events_keep_their_ids(remote: RemoteDriver) -> None:
    card = await remote.chat.post_card(remote.channel, QUESTION, "k")
    remote.hold()
    for who in ("ana", "bo", "cy", "dee"):
        await remote.react(who, card, "up")

    await remote.release(random.Random(3), twice=4)

    assert len(remote.ears.events) >= len(remote.ears.heard()) == 4


async def test_the_deletion_of_our_own_card_is_heard(remote: RemoteDriver) -> None:
    lone = await remote.chat.post_card(remote.channel, QUESTION, "lone")
    card = await remote.chat.post_card(remote.channel, QUESTION, "k")
    await remote.reply("ana", card, "refund 5")
    await remote.stop_bot()
    await remote.start_bot()

    await remote.delete_card(lone)
    await remote.delete_card(card)

    deleted: list[Ref] = [e.ref for e in await remote.ears.until(CardDeleted, 2)]
    assert deleted == [lone, card]
    with pytest.raises(ChatRefused, match="no message"):
        await remote.chat.snapshot(lone)


async def test_a_links_preview_changes_no_vote(remote: RemoteDriver) -> None:
    card = await remote.chat.post_card(remote.channel, QUESTION, "k")
    reply_id = await remote.reply("ana", card, "see https://example.org")

    await remote.unfurl(card, reply_id)

    assert len(remote.ears.events) == 1


async def test_bots_do_not_vote_and_tones_are_spellings(remote: RemoteDriver) -> None:
    card = await remote.chat.post_card(remote.channel, QUESTION, "k")
    remote.add_bot("robo")

    await remote.react("robo", card, "up")
    await remote.react_raw("ana", card, remote.toned("up"))

    assert [event.user for event in remote.ears.events] == [remote.user("ana")]
    standing = await remote.chat.snapshot(card)
    assert standing.reactions == {remote.toned("up"): {remote.user("ana")}}
    assert standing.canonical == {remote.toned("up"): "up"}


async def test_a_long_thread_is_read_to_its_end(remote: RemoteDriver) -> None:
    card = await remote.chat.post_card(remote.channel, QUESTION, "k")
    remote.lose_events(500)
    for n in range(450):
        await remote.reply("ana", card, f"reply {n}")

    assert len((await remote.chat.snapshot(card)).replies) == 450


async def test_a_partial_list_of_a_crowd_is_flagged(remote: RemoteDriver) -> None:
    card = await remote.chat.post_card(remote.channel, QUESTION, "k")
    for n in range(4):
        await remote.react(f"p{n}", card, "up")

    remote.name_some("up")
    assert not (await remote.chat.snapshot(card)).is_complete
    remote.name_some(None)
    assert (await remote.chat.snapshot(card)).is_complete
