"""All that stands on a card: reactions and replies, paged to their end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import discord
from discord.http import HTTPClient

from adapters.base import Ref, Reply, Snapshot
from adapters.discord.calls import UNKNOWN_CHANNEL, DiscordRefused, speaking
from adapters.discord.listening import Listening, read_emoji
from adapters.discord.posting import Posting

LONG_S = 300.0
"""A crowd's pages take their time: Discord lets reactions be read slowly."""
PAGE = 100
NORMAL, SUPER = 0, 1
"""Kinds of reactions, which are listed apart."""
MAX_SCANNED = 3_000
"""Messages after a card among which replies to it are looked for, outside its thread."""


class Standing:
    """Looks at cards."""

    def __init__(
        self,
        http: HTTPClient,
        posting: Posting,
        listening: Listening,
        now: Callable[[], datetime],
    ) -> None:
        self._http = http
        self._posting, self._listening, self._now = posting, listening, now

    async def at(self, ref: Ref) -> Snapshot:
        """What stands on a card now.

        Raises:
            ChatError: it cannot be seen, or not all of it.
        """
        asked_at = self._now()
        place = self._posting.place(int(ref.thread or ref.channel))
        async with speaking(LONG_S):
            message = await place.fetch_message(int(ref.message))
            self._posting.note(message)
            reactions, canonical, all_named = await self._reactions(message)
        replies = await self._in_thread(ref) if message.flags.has_thread else []
        async with speaking(LONG_S):
            others, all_read = await self._after(place, message, ref)
        return Snapshot(
            reactions=reactions,
            canonical=canonical,
            replies=(*replies, *others),
            is_complete=all_named and all_read,
            asked_at=asked_at,
        )

    async def _reactions(
        self, message: discord.Message
    ) -> tuple[dict[str, frozenset[str]], dict[str, str | None], bool]:
        """(raw -> people, raw -> canonical, all were named); what means nothing is not paged."""
        named: dict[str, frozenset[str]] = {}
        canonical: dict[str, str | None] = {}
        is_complete = True
        for mark in message.reactions:
            read = read_emoji(mark.emoji)
            if read.canonical is None:
                continue
            users = await self._users(message, read.raw, NORMAL)
            if mark.burst_count:
                users |= await self._users(message, read.raw, SUPER)
            is_complete &= len(users) >= mark.count
            people = frozenset(
                f"discord:{user_id}" for user_id, is_bot in users.items() if not is_bot
            )
            if people:
                named[read.raw], canonical[read.raw] = people, read.canonical
        return named, canonical, is_complete

    async def _users(self, message: discord.Message, raw: str, kind: Any) -> dict[int, bool]:
        """User id -> is a bot, page by page; the library's own iterator trusts a count that may be old."""
        found: dict[int, bool] = {}
        while True:
            page = await self._http.get_reaction_users(
                message.channel.id, message.id, raw, PAGE, after=max(found, default=None), type=kind
            )
            found |= {int(user["id"]): bool(user.get("bot")) for user in page}
            if len(page) < PAGE:
                return found

    async def _in_thread(self, ref: Ref) -> list[Reply]:
        root = Ref(platform=ref.platform, channel=ref.channel, message=ref.message)
        thread = self._posting.place(int(ref.message))
        found = []
        try:
            async with speaking(LONG_S):
                async for message in thread.history(limit=None, oldest_first=True):
                    found.append(self._listening.read_reply(message, root))
        except DiscordRefused as err:
            if err.code != UNKNOWN_CHANNEL:  # it was deleted, and all in it
                raise
        return [reply for reply in found if reply is not None]

    async def _after(
        self, place: discord.PartialMessageable, card: discord.Message, ref: Ref
    ) -> tuple[list[Reply], bool]:
        """Replies to a card in its own channel, and whether all of that could be looked through."""
        found, seen = [], 0
        history = place.history(limit=MAX_SCANNED + 1, after=card, oldest_first=True)
        async for message in history:
            seen += 1
            to = message.reference.message_id if message.reference else None
            if to == card.id and message.type is discord.MessageType.reply:
                found.append(self._listening.read_reply(message, ref))
        return [reply for reply in found if reply is not None], seen <= MAX_SCANNED
