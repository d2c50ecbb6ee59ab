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
from adapters.discord.replies import LONG_S, Replies

PAGE = 100
NORMAL, SUPER = 0, 1
"""Kinds of reactions, which are listed apart."""


class Standing:
    """Looks at cards."""

    def __init__(
        self,
        http: HTTPClient,
        posting: Posting,
        listening: Listening,
        now: Callable[[], datetime],
    ) -> None:
        self._http, self._replies = http, Replies(posting.place)
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
        others, all_read = await self._replies.to(place.id, message.id)
        replies += self._read(others, ref)
        return Snapshot(
            reactions=reactions,
            canonical=canonical,
            replies=tuple(replies),
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
        found: list[discord.Message] = []
        try:
            async with speaking(LONG_S):
                found = [m async for m in thread.history(limit=None, oldest_first=True)]
        except DiscordRefused as err:
            if err.code != UNKNOWN_CHANNEL:  # it was deleted, and all in it
                raise
        return self._read(found, root)

    def _read(self, messages: list[discord.Message], root: Ref) -> list[Reply]:
        read = (self._listening.read_reply(message, root) for message in messages)
        return [reply for reply in read if reply is not None]
