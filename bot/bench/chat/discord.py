"""The chat benchmark in a fake Discord."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from adapters.base import Ref
from adapters.discord import emoji, marks
from bot.bench.chat.venue import Answered, Venue, fake
from bot.commands.grammar import parse
from bot.verbs import SHOWN

MESSAGES_PER_5_S = 5
REACTION_EVERY_S = 0.25
"""Discord publishes no limits; these are seen in the headers it sends."""


class DiscordVenue(Venue):
    """A server."""

    name = "discord"
    title = "Discord"

    def __init__(self) -> None:
        self._module = fake("discord")
        self.discord: Any = self._module.FakeDiscord()
        bucket = self._module.Bucket
        message = "/channels/{channel}/messages"
        self.discord.rest.buckets |= {
            f"POST {message}": bucket(MESSAGES_PER_5_S, 5.0),
            f"PATCH {message}/{{message}}": bucket(MESSAGES_PER_5_S, 5.0),
            f"PUT {message}/{{message}}/reactions/{{emoji}}/@me": bucket(1, REACTION_EVERY_S),
        }

    def open(self) -> AbstractAsyncContextManager[Any]:
        """The fake, for as long as it is needed."""
        fake_discord: AbstractAsyncContextManager[Any] = self.discord
        return fake_discord

    def settings(self) -> Mapping[str, object]:
        """What the bot is told, beside the usual."""
        return {
            "discord_token": self._module.TOKEN,
            "discord_channel": self._module.CHANNEL,
            "discord_api_url": self.discord.api_url,
        }

    def user(self, who: str) -> str:
        """The member id of a person."""
        return f"discord:{self.discord.world.user(who)}"

    def glyph(self, canonical: str) -> str | None:
        """How an emoji is spelt."""
        return emoji.glyph(canonical)

    def toned(self, glyph: str, tone: int) -> str:
        """A thumb with a skin tone."""
        return glyph + chr(0x1F3FB + tone - 2) if glyph in ("👍", "👎") else glyph

    async def react(self, who: str, ref: Ref, glyph: str) -> None:
        """Put an emoji on a card."""
        await self.discord.react(who, ref, glyph)

    async def unreact(self, who: str, ref: Ref, glyph: str) -> None:
        """Take it back."""
        await self.discord.unreact(who, ref, glyph)

    async def press(self, who: str, ref: Ref, choice: str) -> bool:
        """Press a button."""
        return bool((await self.discord.press(who, ref, choice)).is_recorded)

    async def say(self, who: str, text: str, ref: Ref) -> str:
        """Say something in a card's thread."""
        return str(await self.discord.say(who, text, ref))

    async def edit(self, ref: Ref, said: str, text: str) -> None:
        """Change it."""
        await self.discord.edit(said, text)

    async def delete(self, ref: Ref, said: str) -> None:
        """Take it back."""
        await self.discord.delete(said)

    async def command(self, who: str, words: str) -> Answered:
        """Give a command in the channel, by its typed options."""
        if not self.discord.world.commands:  # the bot has not been there yet
            return Answered(is_acked=False, wait_s=0.0)
        given = parse(words)
        verb = next(v for v in SHOWN if v.name == given.verb)
        plain = [o.name for o in verb.options if o.kind != "flag" and not o.is_named]
        options: dict[str, Any] = dict(zip(plain, given.names, strict=False))
        options |= given.options | dict.fromkeys(given.flags, True)
        sent = await self.discord.command(who, given.verb, options)
        return Answered(sent.is_recorded, sent.wait_s)

    def be_careless(self, rng: random.Random | None) -> None:
        """Send events twice; never late: reactions have no time, so their order is all there is."""
        gateway = self.discord.gateway
        gateway.rng, gateway.share_twice = rng, 0.05

    def carelessness(self) -> Mapping[str, int]:
        """How often that happened."""
        gateway = self.discord.gateway
        return {"events_twice": gateway.twice, "resumed": gateway.resumed}

    def drop_sockets(self) -> None:
        """Cut every line."""
        self.discord.gateway.drop_sockets()

    def storm(self, seconds: float) -> None:
        """Refuse every call with 429."""
        self.discord.storm(seconds)

    def lose_answers(self, posts: int) -> None:
        """Take the bot's next posts, and cut the line before it hears of that."""
        route = f"POST /channels/{self._module.CHANNEL}/messages"
        self.discord.fail_next(route, times=posts, drop_after=True)

    def shown(self, ref: Ref) -> str:
        """Where a card says how many gave which answer."""
        return str(self.discord.find(ref.message).embeds[0].get("footer"))

    def keys(self) -> Sequence[str]:
        """The mark of every message of the bot's."""
        embeds = [e for m in self.discord.world.messages.values() for e in m.embeds]
        return [found for e in embeds if (found := marks.read(e.get("url"))) is not None]

    def refused(self) -> int:
        """Calls that came faster than Discord allows."""
        return len(self.discord.rest.refused)
