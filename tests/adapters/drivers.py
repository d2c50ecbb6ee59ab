"""One driver per platform: lets a test act as people there, whatever the platform.

A new platform joins the conformance suite with a driver here and a line in `conftest.DRIVERS`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from playwright.async_api import Page

from adapters.base import ChatPlatform, Inbound, Option, Ref, Verb
from adapters.discord.emoji import glyph
from adapters.discord.platform import DiscordChat
from adapters.memory import MemoryChat
from adapters.slack.emoji import seed
from adapters.slack.platform import SlackChat
from adapters.web.client import Guest, GuestRefused
from adapters.web.platform import WebChat
from adapters.web.state import State
from adapters.web.tables import open_database
from tests.fake_discord import server as fake_discord
from tests.fake_slack import server as fake

CHANNEL = "joulery"
RUN = Option(name="run", about="which", completes=True)
VERBS = tuple(Verb(name=v, about=v, options=(RUN,)) for v in ("status", "pause", "stop"))


async def complete(_: str, __: str, typed: str) -> list[str]:
    """What may be meant by what somebody types: the runs there are."""
    return [run for run in ("r1", "r2", "r12") if run.startswith(typed)]


Visit = Callable[..., Awaitable[Page]]
"""(name, width, height) -> the page of somebody who came in under that name."""


class Ears:
    """A bot's inbox: keeps what it hears, or refuses to."""

    def __init__(self) -> None:
        self.events: list[Inbound] = []
        self.is_deaf = False

    async def __call__(self, event: Inbound) -> None:
        if self.is_deaf:
            raise OSError("the inbox is full")
        self.events.append(event)

    def heard(self) -> list[Inbound]:
        """What was heard, repeats left out."""
        return list({event.event_id: event for event in self.events}.values())


class Driver(Protocol):
    """People on one platform. `press`, `submit` and `command` say whether it was recorded."""

    chat: ChatPlatform
    ears: Ears
    channel: str = CHANNEL

    def raw(self, emoji: str) -> str:
        """How the platform spells a canonical emoji."""
        return emoji

    def user(self, who: str) -> str: ...
    async def react(self, who: str, ref: Ref, emoji: str) -> None: ...
    async def unreact(self, who: str, ref: Ref, emoji: str) -> None: ...
    async def reply(self, who: str, ref: Ref, text: str) -> str: ...
    async def edit_reply(self, who: str, ref: Ref, reply_id: str, text: str) -> None: ...
    async def delete_reply(self, who: str, ref: Ref, reply_id: str) -> None: ...
    async def press(self, who: str, ref: Ref, choice: str) -> bool: ...
    async def submit(self, who: str, ref: Ref, values: Mapping[str, str]) -> bool: ...
    async def command(self, who: str, words: str, thread: Ref | None = None) -> bool: ...
    async def repeat_last(self) -> None: ...
    async def stop_bot(self) -> None: ...
    async def start_bot(self) -> None: ...
    async def react_while_stopped(self, who: str, ref: Ref, emoji: str) -> None: ...
    async def text_of(self, ref: Ref) -> str: ...


class MemoryDriver(Driver):
    """People in `MemoryChat`."""

    def __init__(self) -> None:
        self.chat: MemoryChat = MemoryChat()
        self.ears = Ears()

    @classmethod
    @asynccontextmanager
    async def started(cls, _folder: Path) -> AsyncIterator[MemoryDriver]:
        driver = cls()
        await driver.start_bot()
        yield driver
        await driver.stop_bot()

    async def text_of(self, ref: Ref) -> str:
        return self.chat.posts[ref].text

    def user(self, who: str) -> str:
        return f"memory:{who}"

    async def react(self, who: str, ref: Ref, emoji: str) -> None:
        await self.chat.react(who, ref, emoji)

    async def unreact(self, who: str, ref: Ref, emoji: str) -> None:
        await self.chat.unreact(who, ref, emoji)

    async def reply(self, who: str, ref: Ref, text: str) -> str:
        return await self.chat.reply(who, ref, text)

    async def edit_reply(self, who: str, ref: Ref, reply_id: str, text: str) -> None:
        await self.chat.edit_reply(who, ref, reply_id, text)

    async def delete_reply(self, who: str, ref: Ref, reply_id: str) -> None:
        await self.chat.delete_reply(who, ref, reply_id)

    async def press(self, who: str, ref: Ref, choice: str) -> bool:
        return await self.chat.press(who, ref, choice)

    async def submit(self, who: str, ref: Ref, values: Mapping[str, str]) -> bool:
        return await self.chat.submit(who, ref, values)

    async def command(self, who: str, words: str, thread: Ref | None = None) -> bool:
        return await self.chat.command(who, words, thread or CHANNEL)

    async def repeat_last(self) -> None:
        await self.chat.duplicate()

    async def stop_bot(self) -> None:
        await self.chat.close()

    async def start_bot(self) -> None:
        await self.chat.connect(self.ears)

    async def react_while_stopped(self, who: str, ref: Ref, emoji: str) -> None:
        await self.chat.react(who, ref, emoji)


class WebDriver(Driver):
    """People at the web chat, each with a session of their own over loopback HTTP."""

    def __init__(self, folder: Path) -> None:
        self.ears = Ears()
        self.state_path = folder / "chat.sqlite"
        self._port = 0
        self._guests: dict[str, Guest] = {}
        self._stack = AsyncExitStack()
        self._last: Callable[[], Awaitable[Any]] | None = None
        self._writes = 0
        self.chat: WebChat = self._new_chat()

    @classmethod
    @asynccontextmanager
    async def started(cls, folder: Path) -> AsyncIterator[WebDriver]:
        driver = cls(folder)
        async with driver._stack:
            await driver.start_bot()
            yield driver
            await driver.stop_bot()

    async def text_of(self, ref: Ref) -> str:
        post = self.chat._state.post(int(ref.message))
        assert post is not None
        return post.text

    def user(self, who: str) -> str:
        return f"web:{who}"

    async def guest(self, who: str) -> Guest:
        """The person's browser, entered by a personal link on first use."""
        if who not in self._guests:
            entering = Guest.enter(self.chat.invite(who))
            self._guests[who] = await self._stack.enter_async_context(entering)
        return self._guests[who]

    async def react(self, who: str, ref: Ref, emoji: str) -> None:
        guest = await self.guest(who)
        await self._write(lambda key: guest.react(_id(ref), emoji, key=key))

    async def unreact(self, who: str, ref: Ref, emoji: str) -> None:
        guest = await self.guest(who)
        await self._write(lambda key: guest.react(_id(ref), emoji, is_on=False, key=key))

    async def reply(self, who: str, ref: Ref, text: str) -> str:
        guest = await self.guest(who)
        answer = await self._write(lambda key: guest.say(text, thread=_id(ref), key=key))
        return str(answer["id"])

    async def edit_reply(self, who: str, ref: Ref, reply_id: str, text: str) -> None:
        guest = await self.guest(who)
        await self._write(lambda key: guest.edit(int(reply_id), text, key=key))

    async def delete_reply(self, who: str, ref: Ref, reply_id: str) -> None:
        guest = await self.guest(who)
        await self._write(lambda key: guest.delete(int(reply_id), key=key))

    async def press(self, who: str, ref: Ref, choice: str) -> bool:
        guest = await self.guest(who)
        return await self._recorded(lambda key: guest.press(_id(ref), choice, key=key))

    async def submit(self, who: str, ref: Ref, values: Mapping[str, str]) -> bool:
        guest = await self.guest(who)
        return await self._recorded(lambda key: guest.submit(_id(ref), values, key=key))

    async def command(self, who: str, words: str, thread: Ref | None = None) -> bool:
        guest, where = await self.guest(who), _id(thread) if thread else None
        return await self._recorded(lambda key: guest.say(f"/joulery {words}", where, key=key))

    async def repeat_last(self) -> None:
        if self._last:
            await self._last()

    async def stop_bot(self) -> None:
        await self.chat.close()

    async def start_bot(self) -> None:
        self.chat = self._new_chat()
        await self.chat.connect(self.ears)
        self._port = int(self.chat.url.rpartition(":")[2])

    async def react_while_stopped(self, who: str, ref: Ref, emoji: str) -> None:
        engine = open_database(self.state_path)
        State(engine, lambda: datetime.now(UTC)).react(_id(ref), who, emoji, is_on=True)
        engine.dispose()

    def _new_chat(self) -> WebChat:
        return WebChat(self.state_path, port=self._port, channel=CHANNEL)

    async def _write(self, write: Callable[[str], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        self._writes += 1
        key = f"write-{self._writes}"
        self._last = lambda: write(key)
        return await write(key)

    async def _recorded(self, write: Callable[[str], Awaitable[dict[str, Any]]]) -> bool:
        try:
            await self._write(write)
        except GuestRefused as refusal:
            if refusal.status != 503:
                raise
            self._last = None
            return False
        return True


class SlackDriver(Driver):
    """People in a fake Slack that unmodified slack_bolt is connected to, by socket or by HTTP."""

    channel = fake.CHANNEL

    def __init__(self, *, is_http: bool = False) -> None:
        self.ears = Ears()
        self.slack = fake.FakeSlack()
        self.slack.methods.post_interval_s = 0.0  # the outbox keeps the pace
        self._is_http = is_http
        self.chat: SlackChat = self._new_chat()

    @classmethod
    @asynccontextmanager
    async def started(cls, _folder: Path, *, is_http: bool = False) -> AsyncIterator[SlackDriver]:
        driver = cls(is_http=is_http)
        async with driver.slack:
            await driver.start_bot()
            yield driver
            await driver.stop_bot()

    def raw(self, emoji: str) -> str:
        name = seed(emoji)
        assert name is not None
        return name

    async def text_of(self, ref: Ref) -> str:
        return self.slack.workspace.message(ref.channel, ref.message).text

    def user(self, who: str) -> str:
        return f"slack:{self.slack.workspace.user(who)}"

    async def react(self, who: str, ref: Ref, emoji: str) -> None:
        self._patience()
        await self.slack.react(who, ref, self.raw(emoji))

    async def unreact(self, who: str, ref: Ref, emoji: str) -> None:
        self._patience()
        await self.slack.unreact(who, ref, self.raw(emoji))

    async def reply(self, who: str, ref: Ref, text: str) -> str:
        self._patience()
        return await self.slack.say(who, text, ref)

    async def edit_reply(self, who: str, ref: Ref, reply_id: str, text: str) -> None:
        self._patience()
        await self.slack.edit(ref, reply_id, text)

    async def delete_reply(self, who: str, ref: Ref, reply_id: str) -> None:
        self._patience()
        await self.slack.delete(ref, reply_id)

    async def press(self, who: str, ref: Ref, choice: str) -> bool:
        self._patience()
        return (await self.slack.press(who, ref, choice)).is_acked

    async def submit(self, who: str, ref: Ref, values: Mapping[str, str]) -> bool:
        self._patience()
        await self.slack.press(who, ref, "menu")
        view = list(self.slack.workspace.views.values())[-1]
        return (await self.slack.submit(who, view, values)).is_acked

    async def command(self, who: str, words: str, thread: Ref | None = None) -> bool:
        self._patience()
        if thread is None:
            return (await self.slack.command(who, words)).is_acked
        await self.slack.mention(who, words, thread)  # threads have no slash commands
        return True

    async def repeat_last(self) -> None:
        self._patience()
        await self.slack.delivery.duplicate()

    async def stop_bot(self) -> None:
        await self.chat.close()

    async def start_bot(self) -> None:
        self.chat = self._new_chat()
        await self.chat.connect(self.ears)
        if self._is_http:
            self.slack.delivery.http_url = self.chat.events_url

    async def react_while_stopped(self, who: str, ref: Ref, emoji: str) -> None:
        await self.slack.react(who, ref, self.raw(emoji))

    def _new_chat(self) -> SlackChat:
        if self._is_http:
            way = {"signing_secret": fake.SIGNING_SECRET}
        else:
            way = {"app_token": fake.APP_TOKEN}
        return SlackChat(
            fake.BOT_TOKEN, self.channel, base_url=self.slack.api_url, ping_s=0.5, **way
        )

    def _patience(self) -> None:
        """Who refuses says nothing on a socket: wait for that no longer than need be."""
        delivery = self.slack.delivery
        delivery.ack_timeout_s, delivery.retries_s = (0.1, ()) if self.ears.is_deaf else (3.0, ())


class DiscordDriver(Driver):
    """People in a fake Discord that unmodified discord.py is connected to."""

    channel = fake_discord.CHANNEL

    def __init__(self) -> None:
        self.ears = Ears()
        self.discord = fake_discord.FakeDiscord()
        self.chat: DiscordChat

    @classmethod
    @asynccontextmanager
    async def started(cls, _folder: Path) -> AsyncIterator[DiscordDriver]:
        driver = cls()
        async with driver.discord:
            await driver.start_bot()
            yield driver
            await driver.stop_bot()

    def raw(self, emoji: str) -> str:
        found = glyph(emoji)
        assert found is not None
        return found

    async def text_of(self, ref: Ref) -> str:
        return str(self.discord.find(ref.message).embeds[0]["description"])

    def user(self, who: str) -> str:
        return f"discord:{self.discord.world.user(who)}"

    async def react(self, who: str, ref: Ref, emoji: str) -> None:
        async with self._heard():
            await self.discord.react(who, ref, self.raw(emoji))

    async def unreact(self, who: str, ref: Ref, emoji: str) -> None:
        async with self._heard():
            await self.discord.unreact(who, ref, self.raw(emoji))

    async def reply(self, who: str, ref: Ref, text: str) -> str:
        async with self._heard():
            return await self.discord.say(who, text, ref)

    async def edit_reply(self, who: str, ref: Ref, reply_id: str, text: str) -> None:
        async with self._heard():
            await self.discord.edit(reply_id, text)

    async def delete_reply(self, who: str, ref: Ref, reply_id: str) -> None:
        async with self._heard():
            await self.discord.delete(reply_id)

    async def press(self, who: str, ref: Ref, choice: str) -> bool:
        return (await self.discord.press(who, ref, choice)).is_recorded

    async def submit(self, who: str, ref: Ref, values: Mapping[str, str]) -> bool:
        """Fill in a form; one with many lines has a button for every five."""
        card, recorded = self.discord.find(ref.message), []
        for button in fake_discord.buttons(card):
            if not button["custom_id"].startswith("jl1m:"):
                continue
            opened = await self.discord.press(who, ref, button["custom_id"].partition(":")[2])
            assert opened.modal is not None
            lines = {label["component"]["custom_id"] for label in opened.modal["components"]}
            if lines & values.keys():
                sent = await self.discord.submit(who, ref, opened.modal, values)
                recorded.append(sent.is_recorded)
        return bool(recorded) and all(recorded)

    async def command(self, who: str, words: str, thread: Ref | None = None) -> bool:
        verb, *rest = words.split()
        options = {"run": rest[0]} if rest else {}
        where = thread.message if thread else self.channel
        if thread is not None:
            await self.discord.open_thread(thread)
        return (await self.discord.command(who, verb, options, where)).is_recorded

    async def repeat_last(self) -> None:
        async with self._heard():
            await self.discord.gateway.duplicate()

    async def stop_bot(self) -> None:
        await self.chat.close()

    async def start_bot(self) -> None:
        self.chat = self._new_chat()
        await self.chat.connect(self.ears)

    async def react_while_stopped(self, who: str, ref: Ref, emoji: str) -> None:
        await self.discord.react(who, ref, self.raw(emoji))

    def _new_chat(self) -> DiscordChat:
        chat = DiscordChat(fake_discord.TOKEN, self.channel, base_url=self.discord.api_url)
        chat.learn(VERBS, complete)
        return chat

    @asynccontextmanager
    async def _heard(self) -> AsyncIterator[None]:
        """Nobody acknowledges on a gateway: wait until the bot has dealt with what it was sent."""
        yield
        await self.discord.gateway.round_trip()
        heard = {t for t in asyncio.all_tasks() if t.get_name().startswith("discord.py: on_")}
        if heard:
            await asyncio.wait(heard)


def _id(ref: Ref) -> int:
    return int(ref.message)
