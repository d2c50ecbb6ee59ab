"""People in a fake Discord, and bots that come to it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.base import Option, Ref, Verb
from adapters.discord.emoji import glyph
from adapters.discord.platform import DiscordChat
from tests.adapters.drivers import Ears, RemoteDriver
from tests.fake_discord import server as fake

CHANNEL = fake.CHANNEL
RUN = Option(name="run", about="which", completes=True)
VERBS = tuple(Verb(name=v, about=v, options=(RUN,)) for v in ("status", "pause", "stop"))


async def complete(_: str, __: str, typed: str) -> list[str]:
    """What may be meant by what somebody types: the runs there are."""
    return [run for run in ("r1", "r2", "r12") if run.startswith(typed)]


def chat_to(discord: fake.FakeDiscord, **changes: Any) -> DiscordChat:
    given = {"token": fake.TOKEN, "channel": CHANNEL, "base_url": discord.api_url}
    return DiscordChat(**(given | changes))


class DiscordDriver(RemoteDriver):
    """People in a fake Discord that unmodified discord.py is connected to."""

    channel = CHANNEL

    def __init__(self) -> None:
        self.ears = Ears()
        self.discord = fake.FakeDiscord()
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
        for button in fake.buttons(card):
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

    # --- mishaps --------------------------------------------------------------------------------

    def posted(self) -> int:
        messages = self.discord.world.messages.values()
        return len([m for m in messages if m.author == fake.BOT_USER])

    def lose_answer(self, thread: Ref | None = None) -> None:
        place = thread.message if thread else CHANNEL
        self.discord.fail_next(f"POST /channels/{place}/messages", drop_after=True)

    def minutes_pass(self) -> None:
        self.discord.rest._nonces.clear()

    def lose_events(self, n: int) -> None:
        self.discord.gateway.lose(n)

    def hold(self) -> None:
        self.discord.gateway.hold()

    async def release(self, rng: random.Random, twice: int) -> None:
        async with self._heard():
            await self.discord.gateway.release(rng)
            await self.discord.gateway.duplicate(twice)

    def name_some(self, emoji: str | None) -> None:
        self.discord.world.shown_count = {self.raw(emoji): 240} if emoji else {}

    def add_bot(self, name: str) -> None:
        self.discord.world.user(name, is_bot=True)

    def toned(self, emoji: str) -> str:
        return f"{self.raw(emoji)}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}"

    async def react_raw(self, who: str, ref: Ref, raw: str) -> None:
        async with self._heard():
            await self.discord.react(who, ref, raw)

    async def unfurl(self, ref: Ref, reply_id: str) -> None:
        async with self._heard():
            await self.discord.unfurl(reply_id)

    async def delete_card(self, ref: Ref) -> None:
        async with self._heard():
            await self.discord.delete(ref.message)

    async def seeds(self, ref: Ref) -> list[str]:
        assert self.chat._seeding is not None
        await self.chat._seeding.settled()
        reactions = self.discord.find(ref.message).reactions
        return [emoji for emoji, users in reactions.items() if fake.BOT_USER in users]

    async def submit_nothing(self, who: str, ref: Ref) -> str:
        opened = await self.discord.press(who, ref, "0")
        assert opened.modal
        return (await self.discord.submit(who, ref, opened.modal, {})).text

    # --- helpers --------------------------------------------------------------------------------

    def _new_chat(self) -> DiscordChat:
        chat = DiscordChat(fake.TOKEN, self.channel, base_url=self.discord.api_url)
        chat.learn(VERBS, complete)
        return chat

    @asynccontextmanager
    async def _heard(self) -> AsyncIterator[None]:
        """Nobody acknowledges on a gateway: wait until the bot has dealt with what it was sent.

        Where that is nothing, there is nothing to wait for; and discord.py sends two a second at most.
        """
        yield
        if not self.discord.gateway.is_telling:
            return
        await self.discord.gateway.round_trip()
        heard = {t for t in asyncio.all_tasks() if t.get_name().startswith("discord.py: on_")}
        if heard:
            await asyncio.wait(heard)
