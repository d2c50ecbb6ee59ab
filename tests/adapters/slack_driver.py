"""People in a fake Slack, and bots that come to it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.base import Ref
from adapters.slack.emoji import seed
from adapters.slack.platform import SlackChat
from tests.adapters.drivers import Ears, RemoteDriver
from tests.fake_slack import server as fake

CHANNEL = fake.CHANNEL
PING_S = 2.0
"""A bot whose machine stands still for four of them takes the line for dead, and hears nothing meanwhile."""


def chat_to(slack: fake.FakeSlack, **changes: Any) -> SlackChat:
    given = {"bot_token": fake.BOT_TOKEN, "channel": CHANNEL, "app_token": fake.APP_TOKEN}
    return SlackChat(**(given | changes), base_url=slack.api_url)


class SlackDriver(RemoteDriver):
    """People in a fake Slack that unmodified slack_bolt is connected to, by socket or by HTTP."""

    channel = CHANNEL

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

    # --- mishaps --------------------------------------------------------------------------------

    def posted(self) -> int:
        messages = self.slack.workspace.messages.values()
        return len([m for m in messages if m.user == fake.BOT_USER])

    def lose_answer(self, thread: Ref | None = None) -> None:
        self.slack.fail_next("chat.postMessage", drop_after=True)

    def minutes_pass(self) -> None:
        """Slack remembers nothing for minutes only."""

    def lose_events(self, n: int) -> None:
        self.slack.delivery.lose(n)

    def hold(self) -> None:
        self.slack.delivery.hold()

    async def release(self, rng: random.Random, twice: int) -> None:
        await self.slack.delivery.release(rng)
        await self.slack.delivery.duplicate(twice)

    def name_some(self, emoji: str | None) -> None:
        self.slack.methods.user_list_limit = 3 if emoji else None

    def add_bot(self, name: str) -> None:
        self.slack.workspace.user(name, is_bot=True)

    def toned(self, emoji: str) -> str:
        return f"{self.raw(emoji)}::skin-tone-4"

    async def react_raw(self, who: str, ref: Ref, raw: str) -> None:
        await self.slack.react(who, ref, raw)

    async def unfurl(self, ref: Ref, reply_id: str) -> None:
        await self.slack.unfurl(ref, reply_id)

    async def delete_card(self, ref: Ref) -> None:
        await self.slack.delete(ref, ref.message)

    async def seeds(self, ref: Ref) -> list[str]:
        await self.chat._up().seeding.settled()
        reactions = self.slack.workspace.messages[ref.channel, ref.message].reactions
        return [name for name, users in reactions.items() if fake.BOT_USER in users]

    async def submit_nothing(self, who: str, ref: Ref) -> str:
        await self.slack.press(who, ref, "menu")
        view = list(self.slack.workspace.views.values())[-1]
        return str((await self.slack.submit(who, view, {})).answer)

    # --- helpers --------------------------------------------------------------------------------

    def _new_chat(self) -> SlackChat:
        if self._is_http:
            way = {"signing_secret": fake.SIGNING_SECRET}
        else:
            way = {"app_token": fake.APP_TOKEN}
        return SlackChat(
            fake.BOT_TOKEN, self.channel, base_url=self.slack.api_url, ping_s=PING_S, **way
        )

    def _patience(self) -> None:
        """Who refuses says nothing on a socket: wait for that no longer than need be."""
        delivery = self.slack.delivery
        delivery.ack_timeout_s, delivery.retries_s = (0.1, ()) if self.ears.is_deaf else (30.0, ())
