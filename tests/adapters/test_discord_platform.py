"""What Discord does to a bot, and what becomes of posts and votes then."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import discord
import pytest

from adapters.base import (
    ButtonPressed,
    CardDeleted,
    ChatRefused,
    ChatSetupError,
    ChatUnavailable,
    CommandInvoked,
    FormSubmitted,
    Inbound,
    Menu,
    Option,
    Picture,
    ReactionAdded,
    ReactionRemoved,
    ReactionsCleared,
    Reconnected,
    Ref,
    ReplyCtx,
    ReplyDeleted,
    ThreadReply,
    Verb,
)
from adapters.discord import replies
from adapters.discord.platform import DiscordChat
from adapters.discord.posting import Shelf
from tests.adapters.cards import BLIND, CLOSED, FEATURES, LEVELS, PNG, QUESTION, RUN
from tests.adapters.drivers import VERBS, DiscordDriver, Ears, complete
from tests.fake_discord import server as fake
from tests.fake_discord.rest import Bucket
from tests.fake_discord.world import BOT_USER, CONTENT_FLAG, MEMBERS_FLAG

CHANNEL = fake.CHANNEL
ALLOW = Verb(
    name="allow", about="who may", options=(Option(name="who", about="whom", kind="member"),)
)
POST = "POST /channels/2000/messages"


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[DiscordDriver]:
    async with DiscordDriver.started(tmp_path) as driver:
        yield driver


@pytest.fixture
async def unread(tmp_path: Path) -> AsyncIterator[DiscordDriver]:
    """Without Message Content Intent."""
    driver = DiscordDriver()
    driver.discord.world.flags = 0
    async with driver.discord:
        await driver.start_bot()
        yield driver
        await driver.stop_bot()


def chat_to(discord: fake.FakeDiscord, **changes: Any) -> DiscordChat:
    given = {"token": fake.TOKEN, "channel": CHANNEL, "base_url": discord.api_url}
    return DiscordChat(**(given | changes))


def posted(discord: fake.FakeDiscord) -> int:
    return len([m for m in discord.world.messages.values() if m.author == BOT_USER])


async def heard(ears: Ears, kind: type, n: int = 1) -> list[Any]:
    async with asyncio.timeout(20):
        while len(found := [e for e in ears.events if isinstance(e, kind)]) < n:  # noqa: ASYNC110 -- ears signal nothing
            await asyncio.sleep(0.01)
    return found


# --- posting ------------------------------------------------------------------------------------


async def test_a_post_whose_answer_was_lost_is_found_and_not_repeated(
    people: DiscordDriver,
) -> None:
    people.discord.fail_next(POST, drop_after=True)

    with pytest.raises(ChatUnavailable):
        await people.chat.post_card(CHANNEL, QUESTION, "k")
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")

    assert posted(people.discord) == 1
    assert await people.chat.find_post(CHANNEL, "k") == card


async def test_votes_on_a_card_whose_post_was_not_confirmed_are_heard(
    people: DiscordDriver,
) -> None:
    people.discord.fail_next(POST, drop_after=True)
    with pytest.raises(ChatUnavailable):
        await people.chat.post_card(CHANNEL, QUESTION, "k")
    [message] = people.discord.world.cards()
    card = Ref(platform="discord", channel=message.channel, message=message.id)

    await people.react("ana", card, "up")

    assert [e.ref for e in people.ears.events] == [card]


async def test_a_reply_whose_answer_was_lost_is_found_after_a_restart(
    people: DiscordDriver,
) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    await people.chat.say(card, "first", "s0")
    people.discord.fail_next(f"POST /channels/{card.message}/messages", drop_after=True)

    with pytest.raises(ChatUnavailable):
        await people.chat.say(card, "hello", "s")
    await people.stop_bot()
    await people.start_bot()
    people.discord.rest._nonces.clear()  # minutes later
    said = await people.chat.say(card, "hello", "s")

    assert posted(people.discord) == 3
    assert said.thread == card.message


async def test_discord_itself_returns_the_first_post_under_a_nonce(people: DiscordDriver) -> None:
    first = await people.chat.post_card(CHANNEL, QUESTION, "k")
    people.chat._posting._shelves[int(CHANNEL)] = Shelf(is_known=True)  # as if it had not been seen

    assert await people.chat.post_card(CHANNEL, QUESTION, "k") == first
    assert posted(people.discord) == 1


async def test_a_buckets_pause_is_kept_and_nothing_is_lost(people: DiscordDriver) -> None:
    people.discord.rest.buckets["POST /channels/{channel}/messages"] = Bucket(3, 0.5)
    started = time.monotonic()

    await asyncio.gather(*(people.chat.say(CHANNEL, f"{n}", f"k{n}") for n in range(8)))

    assert sorted(people.discord.world.said()) == [str(n) for n in range(8)]
    assert time.monotonic() - started >= 0.9
    assert len(people.discord.rest.refused) <= 1


@pytest.mark.parametrize("is_global", [True, False], ids=["global", "bucket"])
async def test_a_429_is_waited_out(people: DiscordDriver, is_global: bool) -> None:
    people.discord.fail_next(POST, status=429, retry_after_s=0.3, is_global=is_global)
    started = time.monotonic()

    await people.chat.say(CHANNEL, "hello", "s")

    assert time.monotonic() - started >= 0.3
    assert posted(people.discord) == 1


async def test_a_long_429_is_handed_on_with_its_pause(people: DiscordDriver) -> None:
    people.discord.fail_next(POST, status=429, retry_after_s=70.0)

    with pytest.raises(ChatUnavailable) as refusal:
        await people.chat.say(CHANNEL, "hello", "s")

    assert refusal.value.retry_after_s == 70.0
    assert posted(people.discord) == 0


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ({"status": 503}, ChatUnavailable),
        ({"status": 400, "code": 30046}, ChatUnavailable),
        ({"status": 403, "code": 50013}, ChatSetupError),
        ({"status": 403, "code": 50001}, ChatSetupError),
        ({"status": 401, "code": 0}, ChatSetupError),
        ({"status": 400, "code": 50035}, ChatRefused),
    ],
    ids=lambda value: str(value),
)
async def test_failures_say_whether_trying_again_helps(
    people: DiscordDriver, how: dict[str, Any], kind: type[Exception]
) -> None:
    people.discord.fail_next(POST, **how)

    with pytest.raises(kind, match="Discord"):
        await people.chat.say(CHANNEL, "hello", "s")


async def test_seeds_are_placed_once_and_none_on_blind_cards(people: DiscordDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    blind = await people.chat.post_card(
        CHANNEL, BLIND.model_copy(update={"seeds": ("up",)}), "blind"
    )
    await people.chat.post_card(CHANNEL, QUESTION, "k")
    assert people.chat._seeding is not None
    await people.chat._seeding.settled()

    assert list(people.discord.find(card.message).reactions) == ["👍", "👎", "🤷"]
    assert people.discord.find(blind.message).reactions == {}
    assert len([c for c in people.discord.rest.calls if c.startswith("PUT /channels")]) == 3


async def test_pictures_are_posted_with_their_card(people: DiscordDriver, tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(PNG)
    pictures = tuple(Picture(path=str(path), alt=f"picture {n}") for n in range(12))

    card = await people.chat.post_card(
        CHANNEL, QUESTION.model_copy(update={"pictures": pictures}), "k"
    )

    [more] = people.discord.world.in_channel(card.message)
    shown = [*people.discord.find(card.message).attachments, *more.attachments]
    assert [a["description"] for a in shown] == [f"picture {n}" for n in range(12)]
    assert (await people.chat.snapshot(card)).replies == ()


async def test_a_closed_card_has_no_buttons(people: DiscordDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")

    await people.chat.edit_card(card, CLOSED)

    shown = people.discord.find(card.message)
    assert shown.components == []
    assert "2 relevant, 1 not" in shown.embeds[0]["footer"]["text"]


# --- buttons, forms, commands -------------------------------------------------------------------


async def test_buttons_and_forms_of_a_former_bot_work(people: DiscordDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "q")
    form = await people.chat.post_card(CHANNEL, FEATURES, "k")
    await people.chat.edit_card(form, FEATURES.model_copy(update={"tally": "1 vote"}))
    await people.stop_bot()
    await people.start_bot()

    assert await people.press("ana", card, "yes")
    assert await people.submit("ana", form, {"archive": "4"})
    assert await people.chat.find_post(CHANNEL, "k") == form


async def test_two_people_may_have_one_form_open(people: DiscordDriver) -> None:
    card = await people.chat.post_card(CHANNEL, FEATURES, "k")
    ana = await people.discord.press("ana", card, "0")
    bo = await people.discord.press("bo", card, "0")
    assert ana.modal
    assert bo.modal

    await people.discord.submit("ana", card, ana.modal, {"archive": "5"})
    await people.discord.submit("bo", card, bo.modal, {"archive": "1"})

    told = [e for e in people.ears.events if isinstance(e, FormSubmitted)]
    assert {(e.user, e.values["archive"]) for e in told} == {
        (people.user("ana"), "5"),
        (people.user("bo"), "1"),
    }


async def test_a_form_without_a_level_is_not_sent(people: DiscordDriver) -> None:
    card = await people.chat.post_card(CHANNEL, FEATURES, "k")
    opened = await people.discord.press("ana", card, "0")
    assert opened.modal

    sent = await people.discord.submit("ana", card, opened.modal, {})

    assert "Choose a level" in sent.text
    assert people.ears.events == []


async def test_a_form_too_large_to_be_kept_says_so_after_a_restart(people: DiscordDriver) -> None:
    rng = random.Random(1)
    options = tuple((f"k{n}", "".join(rng.choices("abcdefghijklmnop", k=120))) for n in range(25))
    card = FEATURES.model_copy(
        update={"menu": Menu(title="How much?", options=options, levels=LEVELS)}
    )
    ref = await people.chat.post_card(CHANNEL, card, "k")
    assert (await people.discord.press("ana", ref, "20")).modal
    await people.stop_bot()
    await people.start_bot()

    assert "answer in the thread" in (await people.discord.press("ana", ref, "20")).text


async def test_a_press_that_takes_long_to_commit_is_told_to_wait(people: DiscordDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")

    async def slow(event: Inbound) -> None:
        await asyncio.sleep(2.3)
        await people.ears(event)

    people.chat._sink = slow
    asked = await people.discord.press("ana", card, "yes")

    assert (asked.response, asked.text) == (5, "Recorded: Relevant")
    assert asked.is_recorded


async def test_who_answers_after_three_seconds_is_told_that_it_was_too_late(
    people: DiscordDriver, caplog: pytest.LogCaptureFixture
) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    people.discord.interactions.patience_s = 0.05
    people.discord.gateway.hold()
    asked = await people.discord.press("ana", card, "yes")
    people.discord.world.clock = lambda: time.time() + 10

    await people.discord.gateway.release()
    await heard(people.ears, object)
    async with asyncio.timeout(5):
        while "answer not taken" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    assert not asked.is_recorded


async def test_a_second_process_on_the_token_is_told(
    people: DiscordDriver, caplog: pytest.LogCaptureFixture
) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    other = chat_to(people.discord)
    await other.connect(Ears())

    await people.press("ana", card, "yes")
    async with asyncio.timeout(5):
        while not [r for r in caplog.records if r.levelno == logging.ERROR]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    [told] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "another process answered" in str(vars(told))
    await other.close()


async def test_cards_name_people_and_samples_stay_as_they_are(people: DiscordDriver) -> None:
    ana = people.user("ana")
    asked = RUN.model_copy(update={"lines": (f"{ana} asked for it",)})
    sample = QUESTION.model_copy(
        update={"parts": (QUESTION.parts[0].model_copy(update={"text": f"{ana} wrote"}),)}
    )

    run = await people.chat.post_card(CHANNEL, asked, "run")
    card = await people.chat.post_card(CHANNEL, sample, "k")

    assert "Ana asked for it" in people.discord.find(run.message).embeds[0]["description"]
    shown = people.discord.find(card.message).embeds[0]["description"]
    assert shown.replace("\\", "").startswith(f"> {ana} wrote")


async def test_roles_are_given_and_named_as_roles(people: DiscordDriver) -> None:
    people.discord.world.roles["4001"] = "Operators"
    await people.stop_bot()
    people.chat = chat_to(people.discord)
    people.chat.learn((ALLOW,), complete)
    await people.chat.connect(people.ears)

    await people.discord.command("bo", "allow", {"who": "4001"})
    await people.discord.command("bo", "allow", {"who": people.discord.world.user("ana")})
    await people.chat.say(CHANNEL, "discord:role-4001 may, discord:role-77 may not", "s")

    words = [e.words for e in people.ears.events if isinstance(e, CommandInvoked)]
    assert words == ["allow discord:role-4001", f"allow {people.user('ana')}"]
    [said] = people.discord.world.said()
    assert said.replace("\\", "") == "@Operators may, discord:role-77 may not"


async def test_presses_made_while_the_bot_is_away_fail_visibly(people: DiscordDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    people.discord.interactions.patience_s = 0.05
    await people.stop_bot()

    assert not await people.press("ana", card, "yes")
    await people.start_bot()
    assert people.ears.events == []


async def test_what_may_be_meant_is_offered_while_it_is_typed(people: DiscordDriver) -> None:
    assert await people.discord.complete("ana", "stop", "run", "r1") == ["r1", "r12"]


async def test_commands_are_synced_only_when_they_change(tmp_path: Path) -> None:
    async with fake.FakeDiscord() as discord:

        async def syncs(n_verbs: int) -> int:
            before = sum(c.startswith("PUT /applications") for c in discord.rest.calls)
            chat = chat_to(discord, folder=tmp_path)
            chat.learn(VERBS[:n_verbs], complete)
            await chat.connect(Ears())
            await chat.close()
            return sum(c.startswith("PUT /applications") for c in discord.rest.calls) - before

        assert [await syncs(3), await syncs(3), await syncs(2), await syncs(2)] == [1, 0, 1, 0]
        discord.world.commands = []  # the bot was thrown out and let in again
        assert await syncs(2) == 1


async def test_a_mention_in_the_channel_is_a_command(people: DiscordDriver) -> None:
    ana = people.discord.world.user("ana")
    async with people._heard():
        await people.discord.say("bo", f"<@{BOT_USER}> allow <@{ana}> operator")
        await people.discord.say("bo", "good morning")

    [event] = people.ears.events
    assert isinstance(event, CommandInvoked)
    assert event.words == f"allow discord:{ana} operator"
    assert event.ref == Ref(platform="discord", channel=CHANNEL, message="")


# --- events -------------------------------------------------------------------------------------


async def test_resume_brings_what_was_missed_once(people: DiscordDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    await people.react("ana", card, "up")

    people.discord.gateway.drop_sockets()
    await people.discord.react("bo", card, "👎")
    await people.discord.unreact("ana", card, "👍")
    await heard(people.ears, Reconnected)
    await people.discord.gateway.duplicate(4)
    await people.discord.gateway.round_trip()

    told = [e for e in people.ears.heard() if not isinstance(e, Reconnected)]
    assert [(type(e), e.user) for e in told] == [
        (ReactionAdded, people.user("ana")),
        (ReactionAdded, people.user("bo")),
        (ReactionRemoved, people.user("ana")),
    ]
    assert people.discord.gateway.resumed == 1


async def test_after_a_lost_session_the_snapshot_finds_what_was_missed(
    people: DiscordDriver,
) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    people.discord.gateway.resumes = False
    began = datetime.now(UTC)

    people.discord.gateway.forget_sessions()
    await people.discord.react("bo", card, "👎")
    await people.discord.say("cy", "refund 5", card)
    [back] = await heard(people.ears, Reconnected)

    assert back.gap_since is not None
    assert back.gap_since <= began
    assert people.discord.gateway.identified == 2
    standing = await people.chat.snapshot(card)
    assert standing.reactions == {"👎": {people.user("bo")}}
    assert [r.text for r in standing.replies] == ["refund 5"]
    assert people.chat.health().is_connected
    await people.react("ana", card, "up")
    assert isinstance(people.ears.events[-1], ReactionAdded)


async def test_an_invited_reconnection_and_an_open_close_code_resume(
    people: DiscordDriver,
) -> None:
    await people.discord.gateway.ask_to_reconnect()
    await heard(people.ears, Reconnected, 1)
    await people.discord.gateway.close_sockets(4000)
    await heard(people.ears, Reconnected, 2)

    assert people.discord.gateway.resumed == 2


async def test_a_token_that_was_reset_is_told(people: DiscordDriver) -> None:
    await people.discord.gateway.close_sockets(4004)
    async with asyncio.timeout(5):
        while "4004" not in people.chat.health().detail:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    assert not people.chat.health().is_connected


async def test_shuffled_and_repeated_events_keep_their_ids(people: DiscordDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    people.discord.gateway.hold()
    for who in ("ana", "bo", "cy", "dee"):
        await people.discord.react(who, card, "👍")

    async with people._heard():
        await people.discord.gateway.release(random.Random(3))
        await people.discord.gateway.duplicate(4)

    assert len(people.ears.heard()) == 4


async def test_cleared_reactions_are_heard(people: DiscordDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")

    async with people._heard():
        await people.discord.clear_reactions(card, "👍")
        await people.discord.clear_reactions(card)

    one, all_ = people.ears.events
    assert isinstance(one, ReactionsCleared)
    assert isinstance(all_, ReactionsCleared)
    assert (one.emoji and one.emoji.canonical, all_.emoji) == ("up", None)


async def test_the_deletion_of_our_own_card_is_heard(people: DiscordDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    await people.stop_bot()
    await people.start_bot()

    await people.delete_reply("ana", card, card.message)

    [event] = people.ears.events
    assert isinstance(event, CardDeleted)
    assert event.ref == card
    with pytest.raises(ChatRefused, match="no message"):
        await people.chat.snapshot(card)


async def test_a_links_preview_changes_no_vote(people: DiscordDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    reply_id = await people.reply("ana", card, "see https://example.org")

    async with people._heard():
        await people.discord.unfurl(reply_id)

    assert len(people.ears.events) == 1


async def test_bots_do_not_vote_and_tones_are_spellings(people: DiscordDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    people.discord.world.user("robo", is_bot=True)

    async with people._heard():
        await people.discord.react("robo", card, "👍")
        await people.discord.react("ana", card, "👍🏽")
        await people.discord.react("bo", card, "🤷🏿\u200d♀️")
        await people.discord.react("cy", card, "blob:77")

    assert [(e.user, e.emoji.canonical) for e in people.ears.events] == [
        (people.user("ana"), "up"),
        (people.user("bo"), "unsure"),
        (people.user("cy"), None),
    ]
    standing = await people.chat.snapshot(card)
    assert standing.reactions == {
        "👍🏽": {people.user("ana")},
        "🤷🏿\u200d♀️": {people.user("bo")},
    }


async def test_every_one_of_a_crowd_is_named_and_super_reactions_count(
    people: DiscordDriver,
) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    people.discord.gateway.lose(240)
    for n in range(232):
        await people.discord.react(f"p{n}", card, "👍", is_super=n % 20 == 0)

    standing = await people.chat.snapshot(card)

    assert standing.reactions["👍"] == {people.user(f"p{n}") for n in range(232)}
    assert standing.is_complete
    people.discord.world.shown_count["👍"] = 240
    assert not (await people.chat.snapshot(card)).is_complete


async def test_a_long_thread_is_read_to_its_end(people: DiscordDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    people.discord.gateway.lose(500)
    for n in range(450):
        await people.discord.say("ana", f"reply {n}", card)

    assert len((await people.chat.snapshot(card)).replies) == 450


async def test_a_reply_in_the_channel_is_one_like_in_the_thread(people: DiscordDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    async with people._heard():
        small_talk = await people.discord.say("bo", "hello")
        said = await people.discord.answer("ana", "+archive", card)
        await people.discord.answer(
            "ana", "hello bo", Ref(platform="discord", channel=CHANNEL, message=small_talk)
        )

    [event] = people.ears.events
    assert isinstance(event, ThreadReply)
    assert (event.ref, event.reply_id) == (card, said)
    assert [r.reply_id for r in (await people.chat.snapshot(card)).replies] == [said]
    await people.delete_reply("ana", card, said)
    assert isinstance(people.ears.events[-1], ReplyDeleted)
    assert (await people.chat.snapshot(card)).replies == ()


async def test_a_busy_channel_is_not_read_once_per_card(
    people: DiscordDriver,
) -> None:
    cards = [await people.chat.post_card(CHANNEL, QUESTION, f"k{n}") for n in range(6)]
    people.discord.gateway.lose(1000)
    said = {}
    for n in range(250):
        said[n] = await people.discord.answer("ana", f"answer {n}", cards[n % 6])
    people.discord.rest.calls.clear()

    shots = await asyncio.gather(*(people.chat.snapshot(card) for card in cards))

    for n, shot in enumerate(shots):
        assert [r.text for r in shot.replies] == [f"answer {m}" for m in range(n, 250, 6)]
        assert shot.is_complete
    pages = [c for c in people.discord.rest.calls if c == "GET /channels/2000/messages"]
    assert len(pages) < 6 * 3


async def test_replies_beyond_what_is_read_are_said_to_be_missing(
    people: DiscordDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "MAX_SCANNED", 20)
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    people.discord.gateway.lose(1000)
    await people.discord.answer("ana", "+archive", card)
    for n in range(19):
        await people.discord.say("bo", f"small talk {n}")

    assert len((await people.chat.snapshot(card)).replies) == 1
    await people.discord.say("bo", "one more")
    shot = await people.chat.snapshot(card)
    assert shot.replies == ()
    assert not shot.is_complete


# --- threads ------------------------------------------------------------------------------------


async def test_a_thread_is_opened_by_the_first_thing_said_in_it(people: DiscordDriver) -> None:
    run = await people.chat.post_card(CHANNEL, RUN, "run")
    assert run.message not in people.discord.world.channels

    await people.chat.say(run, "Round 1 is open.", "s1")
    await people.chat.say(run, "Round 1 is closed.", "s2")

    assert people.discord.world.channels[run.message].name == "docs-7"
    said = people.discord.world.in_channel(run.message)
    assert [m.embeds[0]["description"] for m in said] == [
        r"Round 1 is open\.",
        r"Round 1 is closed\.",
    ]


async def test_an_archived_thread_is_woken_and_a_locked_one_is_told(
    people: DiscordDriver,
) -> None:
    run = await people.chat.post_card(CHANNEL, RUN, "run")
    await people.chat.say(run, "one", "s1")
    thread = people.discord.world.channels[run.message]

    thread.is_archived = True
    people.discord.fail_next(f"POST /channels/{run.message}/messages", status=400, code=50083)
    await people.chat.say(run, "two", "s2")
    assert not thread.is_archived
    thread.is_archived = thread.is_locked = True
    with pytest.raises(ChatSetupError, match="permission"):
        await people.chat.say(run, "three", "s3")

    assert len((await people.chat.snapshot(run)).replies) == 0


async def test_a_thread_that_was_archived_after_the_start_still_tells_whose_it_is(
    people: DiscordDriver,
) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    await people.discord.open_thread(card)
    people.discord.world.channels[card.message].is_archived = True
    await people.stop_bot()
    await people.start_bot()

    await people.reply("ana", card, "refund 5")

    [event] = people.ears.events
    assert event.ref == card


# --- without Message Content Intent -------------------------------------------------------------


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


async def test_an_intent_that_is_taken_away_meanwhile_is_told_in_words() -> None:
    async with fake.FakeDiscord() as discord:
        discord.gateway.refuse_with = 4014

        with pytest.raises(ChatSetupError, match="Message Content Intent"):
            await chat_to(discord).connect(Ears())


# --- whispers, roles ----------------------------------------------------------------------------


async def test_an_answer_to_a_command_goes_where_it_was_asked_while_it_may(
    people: DiscordDriver,
) -> None:
    asked = await people.discord.command("ana", "stop", {"run": "r1"})
    [event] = people.ears.events
    assert isinstance(event, CommandInvoked)
    assert event.words == "stop r1"
    assert event.ctx
    late = ReplyCtx(
        channel=CHANNEL, token=event.ctx.token, expires_at=datetime.now(UTC) - timedelta(seconds=1)
    )

    assert await people.chat.whisper(event.user, event.ref, "no @everyone", event.ctx)
    assert await people.chat.whisper(event.user, event.ref, "too late", late)

    [follow_up] = asked.follow_ups
    assert follow_up["content"] == r"no \@everyone"
    assert follow_up["flags"] == 64
    [direct] = [m for m in people.discord.world.messages.values() if m.channel.startswith("9")]
    assert direct.content == "too late"


async def test_who_takes_no_messages_is_not_told(people: DiscordDriver) -> None:
    people.discord.fail_next("POST /channels/9", status=403, code=50007)

    assert not await people.chat.whisper(people.user("ana"), CHANNEL, "hello", None)
    assert not await people.chat.whisper("discord:77", CHANNEL, "hello", None)


async def test_what_people_do_tells_their_roles(people: DiscordDriver) -> None:
    world = people.discord.world
    world.roles["4001"] = "Operators"
    world.roles_of[world.user("ana")] = ["4001"]
    world.roles_of[world.user("zoe")] = ["4001"]
    await people.stop_bot()
    await people.start_bot()

    await people.command("ana", "status")

    assert people.ears.events[-1].groups == ("discord:role-4001",)
    assert people.chat.is_group("discord:role-4001")
    assert await people.chat.members("discord:role-4001") == {people.user("ana")}
    world.flags = CONTENT_FLAG | MEMBERS_FLAG
    await people.stop_bot()
    await people.start_bot()
    both = {people.user("ana"), people.user("zoe")}
    assert await people.chat.members("discord:role-4001") == both


# --- starting -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "channel", "words"),
    [
        ("wrong", CHANNEL, "the token is not valid"),
        (fake.TOKEN, "77", "channel 77: .*no message or channel"),
    ],
    ids=["token", "channel"],
)
async def test_what_is_set_up_wrongly_is_said_at_the_start(
    token: str, channel: str, words: str
) -> None:
    async with fake.FakeDiscord() as discord:
        with pytest.raises(ChatSetupError, match=words):
            await chat_to(discord, token=token, channel=channel).connect(Ears())


def test_a_channels_name_is_no_id() -> None:
    with pytest.raises(ChatSetupError, match="Copy Channel ID"):
        DiscordChat("t", "#training")


async def test_missing_permissions_are_named_with_the_link_that_gives_them() -> None:
    async with fake.FakeDiscord() as discord:
        discord.world.channels[CHANNEL].denied.add("send_messages_in_threads")

        with pytest.raises(ChatSetupError, match="lacks send_messages_in_threads; use https"):
            await chat_to(discord).connect(Ears())


async def test_nobody_is_warned_that_the_bot_cannot_talk(caplog: pytest.LogCaptureFixture) -> None:
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = True  # as in a new process
    async with fake.FakeDiscord() as server:
        chat = chat_to(server)
        await chat.connect(Ears())
        await chat.close()

    assert "voice" not in caplog.text


async def test_discord_that_cannot_be_reached_may_be_later() -> None:
    async with fake.FakeDiscord() as discord:
        discord.fail_next("GET /users/@me", status=503, times=9)

        with pytest.raises(ChatUnavailable):
            await chat_to(discord).connect(Ears())


async def test_no_log_ever_shows_a_token(
    people: DiscordDriver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("discord", "aiohttp", "adapters"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    people.discord.fail_next("/callback", status=429, retry_after_s=0.1)
    people.discord.fail_next("POST /webhooks", status=429, retry_after_s=0.1)
    await people.press("ana", card, "yes")
    [pressed] = people.ears.events
    assert isinstance(pressed, ButtonPressed)
    assert await people.chat.whisper(pressed.user, card, "hello", pressed.ctx)
    people.ears.is_deaf = True
    await people.press("ana", card, "no")
    people.discord.gateway.drop_sockets()
    people.ears.is_deaf = False
    await heard(people.ears, Reconnected)
    with pytest.raises(ChatSetupError):
        await chat_to(people.discord, token=fake.TOKEN + "x").connect(Ears())

    said = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert "responded with 429" in said
    for secret in (fake.TOKEN, "secret-token"):
        assert secret not in said
