"""The chat benchmark in a fake Slack."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from adapters.base import Ref
from adapters.slack import emoji
from bot.bench.chat.venue import Answered, Venue, fake

POST_INTERVAL_S = 0.95
"""Slack takes one message a second and channel; clocks differ a little."""


class SlackVenue(Venue):
    """A workspace."""

    name = "slack"
    title = "Slack"

    def __init__(self) -> None:
        self._module = fake("slack")
        self.slack: Any = self._module.FakeSlack()
        self.slack.methods.post_interval_s = POST_INTERVAL_S

    def open(self) -> AbstractAsyncContextManager[Any]:
        """The fake, for as long as it is needed."""
        fake_slack: AbstractAsyncContextManager[Any] = self.slack
        return fake_slack

    def settings(self) -> Mapping[str, object]:
        """What the bot is told, beside the usual."""
        return {
            "slack_bot_token": self._module.BOT_TOKEN,
            "slack_app_token": self._module.APP_TOKEN,
            "slack_channel": self._module.CHANNEL,
            "slack_api_url": self.slack.api_url,
        }

    def user(self, who: str) -> str:
        """The member id of a person."""
        return f"slack:{self.slack.workspace.user(who)}"

    def glyph(self, canonical: str) -> str | None:
        """How an emoji is spelt."""
        return emoji.seed(canonical)

    def toned(self, glyph: str, tone: int) -> str:
        """A thumb with a skin tone."""
        return f"{glyph}::skin-tone-{tone}" if glyph in ("+1", "-1") else glyph

    async def react(self, who: str, ref: Ref, glyph: str) -> None:
        """Put an emoji on a card."""
        await self.slack.react(who, ref, glyph)

    async def unreact(self, who: str, ref: Ref, glyph: str) -> None:
        """Take it back."""
        await self.slack.unreact(who, ref, glyph)

    async def press(self, who: str, ref: Ref, choice: str) -> bool:
        """Press a button."""
        return bool((await self.slack.press(who, ref, choice)).is_acked)

    async def say(self, who: str, text: str, ref: Ref) -> str:
        """Say something in a card's thread."""
        return str(await self.slack.say(who, text, ref))

    async def edit(self, ref: Ref, said: str, text: str) -> None:
        """Change it."""
        await self.slack.edit(ref, said, text)

    async def delete(self, ref: Ref, said: str) -> None:
        """Take it back."""
        await self.slack.delete(ref, said)

    async def command(self, who: str, words: str) -> Answered:
        """Give a command in the channel."""
        sent = await self.slack.command(who, words)
        return Answered(sent.is_acked, sent.wait_s)

    def be_careless(self, rng: random.Random | None) -> None:
        """Deliver events twice and late, with the times they have."""
        delivery = self.slack.delivery
        delivery.rng, delivery.share_twice, delivery.share_late = rng, 0.05, 0.02

    def carelessness(self) -> Mapping[str, int]:
        """How often that happened."""
        delivery = self.slack.delivery
        return {"events_twice": delivery.twice, "events_late": delivery.late}

    def drop_sockets(self) -> None:
        """Cut every line."""
        self.slack.delivery.drop_sockets()

    def storm(self, seconds: float) -> None:
        """Refuse every call with 429."""
        self.slack.storm(seconds)

    def lose_answers(self, posts: int) -> None:
        """Take the bot's next posts, and cut the line before it hears of that."""
        self.slack.fail_next("chat.postMessage", times=posts, drop_after=True)

    def shown(self, ref: Ref) -> str:
        """Where a card says how many gave which answer."""
        blocks = self.slack.workspace.messages[ref.channel, ref.message].blocks
        return str([b for b in blocks if b["type"] == "context"])

    def keys(self) -> Sequence[str]:
        """The key of every message of the bot's."""
        return [
            message.metadata["event_payload"]["key"]
            for message in self.slack.workspace.messages.values()
            if message.metadata
        ]

    def refused(self) -> int:
        """Calls that came faster than Slack allows."""
        return len(self.slack.refused)
