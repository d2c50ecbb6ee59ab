"""One driver per platform: lets a test act as people there, whatever the platform.

A new platform joins the conformance suite with a driver here and a line in `conftest.DRIVERS`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from playwright.async_api import Page

from adapters.base import ChatPlatform, Inbound, Ref
from adapters.memory import MemoryChat
from adapters.web.client import Guest, GuestRefused
from adapters.web.platform import WebChat
from adapters.web.state import State
from adapters.web.tables import open_database

CHANNEL = "joulery"


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

    async def until(self, kind: type, n: int = 1) -> list[Any]:
        """The first events of a kind, as soon as there are `n`."""
        async with asyncio.timeout(20):
            while len(found := [e for e in self.events if isinstance(e, kind)]) < n:  # noqa: ASYNC110 -- ears signal nothing
                await asyncio.sleep(0.01)
        return found


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


class RemoteDriver(Driver, Protocol):
    """People on a platform of others', where things go wrong between it and the bot."""

    def posted(self) -> int:
        """How many messages of the bot's stand."""

    def lose_answer(self, thread: Ref | None = None) -> None:
        """The bot's next message is taken, and the line cut before it hears of that."""

    def minutes_pass(self) -> None:
        """What the platform remembers for minutes is forgotten."""

    def lose_events(self, n: int) -> None:
        """The bot is not told of the next events."""

    def hold(self) -> None:
        """Keep events back."""

    async def release(self, rng: random.Random, twice: int) -> None:
        """Tell them, shuffled, and the last ones twice."""

    def name_some(self, emoji: str | None) -> None:
        """Of who put this one on a card name fewer than there are; None: name all again."""

    def add_bot(self, name: str) -> None:
        """Another app's bot comes in."""

    def toned(self, emoji: str) -> str:
        """A thumb with a skin tone, as the platform spells it."""

    async def react_raw(self, who: str, ref: Ref, raw: str) -> None: ...
    async def unfurl(self, ref: Ref, reply_id: str) -> None: ...
    async def delete_card(self, ref: Ref) -> None: ...

    async def seeds(self, ref: Ref) -> list[str]:
        """The bot's own reactions on a card, once all are there."""

    async def submit_nothing(self, who: str, ref: Ref) -> str:
        """Send a card's form as it opens; what Slack or Discord is told of that."""


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


def _id(ref: Ref) -> int:
    return int(ref.message)
