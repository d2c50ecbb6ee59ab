"""Buttons, forms, commands and answers on Discord, and the roles of who gives them."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.base import (
    CommandInvoked,
    FormSubmitted,
    Inbound,
    Menu,
    Option,
    Ref,
    ReplyCtx,
    Verb,
)
from tests.adapters.cards import FEATURES, LEVELS, QUESTION
from tests.adapters.discord_driver import CHANNEL, VERBS, DiscordDriver, chat_to, complete
from tests.adapters.drivers import Ears
from tests.fake_discord import server as fake
from tests.fake_discord.world import BOT_USER, CONTENT_FLAG, MEMBERS_FLAG

ALLOW = Verb(
    name="allow", about="who may", options=(Option(name="who", about="whom", kind="member"),)
)


async def test_two_people_may_have_one_form_open(in_discord: DiscordDriver) -> None:
    card = await in_discord.chat.post_card(CHANNEL, FEATURES, "k")
    ana = await in_discord.discord.press("ana", card, "0")
    bo = await in_discord.discord.press("bo", card, "0")
    assert ana.modal
    assert bo.modal

    await in_discord.discord.submit("ana", card, ana.modal, {"archive": "5"})
    await in_discord.discord.submit("bo", card, bo.modal, {"archive": "1"})

    told = [e for e in in_discord.ears.events if isinstance(e, FormSubmitted)]
    assert {(e.user, e.values["archive"]) for e in told} == {
        (in_discord.user("ana"), "5"),
        (in_discord.user("bo"), "1"),
    }
    assert {e.locale for e in told} == {"en-US"}


async def test_a_form_too_large_to_be_kept_says_so_after_a_restart(
    in_discord: DiscordDriver,
) -> None:
    rng = random.Random(1)
    options = tuple((f"k{n}", "".join(rng.choices("abcdefghijklmnop", k=120))) for n in range(25))
    card = FEATURES.model_copy(
        update={"menu": Menu(title="How much?", options=options, levels=LEVELS)}
    )
    ref = await in_discord.chat.post_card(CHANNEL, card, "k")
    assert (await in_discord.discord.press("ana", ref, "20")).modal
    await in_discord.stop_bot()
    await in_discord.start_bot()

    assert "answer in the thread" in (await in_discord.discord.press("ana", ref, "20")).text


async def test_a_press_that_takes_long_to_commit_is_told_to_wait(in_discord: DiscordDriver) -> None:
    card = await in_discord.chat.post_card(CHANNEL, QUESTION, "k")

    async def slow(event: Inbound) -> None:
        await asyncio.sleep(2.3)
        await in_discord.ears(event)

    in_discord.chat._sink = slow
    asked = await in_discord.discord.press("ana", card, "yes")

    assert (asked.response, asked.text) == (5, "Recorded: Relevant")
    assert asked.is_recorded


async def test_who_answers_after_three_seconds_is_told_that_it_was_too_late(
    in_discord: DiscordDriver, caplog: pytest.LogCaptureFixture
) -> None:
    card = await in_discord.chat.post_card(CHANNEL, QUESTION, "k")
    in_discord.discord.interactions.patience_s = 0.05
    in_discord.discord.gateway.hold()
    asked = await in_discord.discord.press("ana", card, "yes")
    in_discord.discord.world.clock = lambda: time.time() + 10

    await in_discord.discord.gateway.release()
    await in_discord.ears.until(object)
    async with asyncio.timeout(5):
        while "answer not taken" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    assert not asked.is_recorded


async def test_a_second_process_on_the_token_is_told(
    in_discord: DiscordDriver, caplog: pytest.LogCaptureFixture
) -> None:
    card = await in_discord.chat.post_card(CHANNEL, QUESTION, "k")
    other = chat_to(in_discord.discord)
    await other.connect(Ears())

    await in_discord.press("ana", card, "yes")
    async with asyncio.timeout(5):
        while not [r for r in caplog.records if r.levelno == logging.ERROR]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    [told] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "another process answered" in str(vars(told))
    await other.close()


async def test_roles_are_given_and_named_as_roles(in_discord: DiscordDriver) -> None:
    in_discord.discord.world.roles["4001"] = "Operators"
    await in_discord.stop_bot()
    in_discord.chat = chat_to(in_discord.discord)
    in_discord.chat.learn((ALLOW,), complete)
    await in_discord.chat.connect(in_discord.ears)

    await in_discord.discord.command("bo", "allow", {"who": "4001"})
    await in_discord.discord.command("bo", "allow", {"who": in_discord.discord.world.user("ana")})
    await in_discord.chat.say(CHANNEL, "discord:role-4001 may, discord:role-77 may not", "s")

    words = [e.words for e in in_discord.ears.events if isinstance(e, CommandInvoked)]
    assert words == ["allow discord:role-4001", f"allow {in_discord.user('ana')}"]
    [said] = in_discord.discord.world.said()
    assert said.replace("\\", "") == "@Operators may, discord:role-77 may not"


async def test_presses_made_while_the_bot_is_away_fail_visibly(in_discord: DiscordDriver) -> None:
    card = await in_discord.chat.post_card(CHANNEL, QUESTION, "k")
    in_discord.discord.interactions.patience_s = 0.05
    await in_discord.stop_bot()

    assert not await in_discord.press("ana", card, "yes")
    await in_discord.start_bot()
    assert in_discord.ears.events == []


async def test_what_may_be_meant_is_offered_while_it_is_typed(in_discord: DiscordDriver) -> None:
    assert await in_discord.discord.complete("ana", "stop", "run", "r1") == ["r1", "r12"]


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


async def test_a_mention_in_the_channel_is_a_command(in_discord: DiscordDriver) -> None:
    ana = in_discord.discord.world.user("ana")
    async with in_discord._heard():
        await in_discord.discord.say("bo", f"<@{BOT_USER}> allow <@{ana}> operator")
        await in_discord.discord.say("bo", "good morning")

    [event] = in_discord.ears.events
    assert isinstance(event, CommandInvoked)
    assert event.words == f"allow discord:{ana} operator"
    assert event.ref == Ref(platform="discord", channel=CHANNEL, message="")


async def test_an_answer_to_a_command_goes_where_it_was_asked_while_it_may(
    in_discord: DiscordDriver,
) -> None:
    asked = await in_discord.discord.command("ana", "stop", {"run": "r1"})
    [event] = in_discord.ears.events
    assert isinstance(event, CommandInvoked)
    assert event.words == "stop r1"
    assert event.ctx
    late = ReplyCtx(
        channel=CHANNEL, token=event.ctx.token, expires_at=datetime.now(UTC) - timedelta(seconds=1)
    )

    assert await in_discord.chat.whisper(event.user, event.ref, "no @everyone", event.ctx)
    assert await in_discord.chat.whisper(event.user, event.ref, "too late", late)

    [follow_up] = asked.follow_ups
    assert follow_up["content"] == r"no \@everyone"
    assert follow_up["flags"] == 64
    [direct] = [m for m in in_discord.discord.world.messages.values() if m.channel.startswith("9")]
    assert direct.content == "too late"


async def test_who_takes_no_messages_is_not_told(in_discord: DiscordDriver) -> None:
    in_discord.discord.fail_next("POST /channels/9", status=403, code=50007)

    assert not await in_discord.chat.whisper(in_discord.user("ana"), CHANNEL, "hello", None)
    assert not await in_discord.chat.whisper("discord:77", CHANNEL, "hello", None)


async def test_what_people_do_tells_their_roles(in_discord: DiscordDriver) -> None:
    world = in_discord.discord.world
    world.roles["4001"] = "Operators"
    world.roles_of[world.user("ana")] = ["4001"]
    world.roles_of[world.user("zoe")] = ["4001"]
    await in_discord.stop_bot()
    await in_discord.start_bot()

    await in_discord.command("ana", "status")

    assert in_discord.ears.events[-1].groups == ("discord:role-4001",)
    assert in_discord.chat.is_group("discord:role-4001")
    assert await in_discord.chat.members("discord:role-4001") == {in_discord.user("ana")}
    world.flags = CONTENT_FLAG | MEMBERS_FLAG
    await in_discord.stop_bot()
    await in_discord.start_bot()
    both = {in_discord.user("ana"), in_discord.user("zoe")}
    assert await in_discord.chat.members("discord:role-4001") == both
