"""What is set up wrongly on Discord is said in words, and no log shows a token."""

from __future__ import annotations

import asyncio
import logging
import time

import discord
import pytest

from adapters.base import (
    ButtonPressed,
    ChatSetupError,
    ChatUnavailable,
    Reconnected,
)
from adapters.discord.platform import DiscordChat
from tests.adapters.cards import QUESTION
from tests.adapters.discord_driver import CHANNEL, DiscordDriver, chat_to
from tests.adapters.drivers import Ears
from tests.fake_discord import server as fake


async def test_an_intent_that_is_taken_away_meanwhile_is_told_in_words() -> None:
    async with fake.FakeDiscord() as discord:
        discord.gateway.refuse_with = 4014

        with pytest.raises(ChatSetupError, match="Message Content Intent"):
            await chat_to(discord).connect(Ears())


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


async def test_a_bot_is_stopped_at_once_while_discord_is_away(
    in_discord: DiscordDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord.backoff.ExponentialBackoff, "delay", lambda _: 600.0)
    await in_discord.discord.__aexit__()
    async with asyncio.timeout(10):
        while in_discord.chat.health().is_connected:  # noqa: ASYNC110 -- health signals nothing
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)  # until it waits before the next attempt

    began = time.monotonic()
    async with asyncio.timeout(10):
        await in_discord.stop_bot()
    assert time.monotonic() - began < 5


async def test_discord_that_cannot_be_reached_may_be_later() -> None:
    async with fake.FakeDiscord() as discord:
        discord.fail_next("GET /users/@me", status=503, times=9)

        with pytest.raises(ChatUnavailable):
            await chat_to(discord).connect(Ears())


async def test_no_log_ever_shows_a_token(
    in_discord: DiscordDriver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("discord", "aiohttp", "adapters"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    card = await in_discord.chat.post_card(CHANNEL, QUESTION, "k")
    in_discord.discord.fail_next("/callback", status=429, retry_after_s=0.1)
    in_discord.discord.fail_next("POST /webhooks", status=429, retry_after_s=0.1)
    await in_discord.press("ana", card, "yes")
    [pressed] = in_discord.ears.events
    assert isinstance(pressed, ButtonPressed)
    assert await in_discord.chat.whisper(pressed.user, card, "hello", pressed.ctx)
    in_discord.ears.is_deaf = True
    await in_discord.press("ana", card, "no")
    in_discord.discord.gateway.drop_sockets()
    in_discord.ears.is_deaf = False
    await in_discord.ears.until(Reconnected)
    with pytest.raises(ChatSetupError):
        await chat_to(in_discord.discord, token=fake.TOKEN + "x").connect(Ears())

    said = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert "responded with 429" in said
    for secret in (fake.TOKEN, "secret-token"):
        assert secret not in said
