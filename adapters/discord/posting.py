"""Posts each message once: under a nonce Discord knows for minutes, looked up by its mark before.

A channel or thread is read back once, at the first post there; after that our own posts are added,
and after a call whose outcome is in doubt it is read again.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import discord
from discord.ui import View

from adapters.base import ChatRefused, ChatUnavailable, Menu, Picture, Ref
from adapters.discord import marks
from adapters.discord.calls import (
    ARCHIVED,
    HAS_THREAD,
    LONGEST_WAIT_S,
    UNKNOWN_CHANNEL,
    DiscordRefused,
    speaking,
)
from adapters.discord.clock import Clock
from adapters.text import one_line

log = logging.getLogger(__name__)

LOOK_BACK = timedelta(days=7)
MAX_MESSAGES = 2_000
"""How far a channel is read back: what failed longer ago is given up by people long before."""
READ_S = 120.0
"""How long that may take: Discord lets a page be read about once a second."""
MAX_FILES, MAX_ALT, MAX_NAME = 10, 1000, 100

Draw = Callable[[str], discord.Embed]
"""Address behind the title -> embed."""


@dataclass
class Shelf:
    """What the bot posted in a channel or thread: mark -> message id."""

    by_mark: dict[str, int] = field(default_factory=dict)
    is_known: bool = False


class Posting:
    """The bot's way of posting: one at a time, so that two tasks with one key make one post."""

    def __init__(self, client: discord.Client, guild_id: int, clock: Clock) -> None:
        self._client, self._guild_id, self._clock = client, guild_id, clock
        self._shelves: dict[int, Shelf] = {}
        self._marks: dict[int, str] = {}  # message id -> mark
        self._titles: dict[int, str] = {}
        self.lock = asyncio.Lock()

    def place(self, place_id: int) -> discord.PartialMessageable:
        """A channel or thread to speak in."""
        return self._client.get_partial_messageable(place_id, guild_id=self._guild_id)

    async def react(self, ref: Ref, glyph: str) -> None:
        """Put a reaction on a message; a second time changes nothing.

        Raises:
            ChatError: it is not there.
        """
        async with speaking(2 * LONGEST_WAIT_S):
            message = self.place(int(ref.channel)).get_partial_message(int(ref.message))
            await message.add_reaction(glyph)

    def address(self, place_id: int) -> str:
        """Where a title leads."""
        return f"https://discord.com/channels/{self._guild_id}/{place_id}"

    def mark_of(self, message_id: int) -> str | None:
        """The mark of a message, where we know that it is ours."""
        return self._marks.get(message_id)

    def gone(self, message_id: int) -> bool:
        """A message was deleted; True when it was ours."""
        marked = self._marks.pop(message_id, None)
        for shelf in self._shelves.values():
            if marked is not None and shelf.by_mark.get(marked) == message_id:
                del shelf.by_mark[marked]
        return marked is not None

    async def find(self, place_id: int, key: str) -> int | None:
        """The message posted under `key`, if it stands."""
        return (await self.shelf(place_id)).by_mark.get(marks.mark(key))

    async def shelf(self, place_id: int) -> Shelf:
        """What stands in a place; nothing in a thread that is not open yet.

        Raises:
            ChatError: it cannot be read.
        """
        found = self._shelves.setdefault(place_id, Shelf())
        if not found.is_known:
            async with speaking(READ_S):
                after = datetime.now(UTC) - LOOK_BACK
                history = self.place(place_id).history(
                    limit=MAX_MESSAGES, after=after, oldest_first=False
                )
                async for message in history:
                    self.note(message, found)
            found.is_known = True
        return found

    def note(self, message: discord.Message, shelf: Shelf | None = None) -> None:
        """Remember a message that is ours."""
        assert self._client.user is not None
        if message.author.id != self._client.user.id or not message.embeds:
            return
        marked = marks.read(message.embeds[0].url)
        if marked is None:
            return
        self._marks[message.id] = marked
        if shelf is not None:
            shelf.by_mark.setdefault(marked, message.id)

    async def once(
        self,
        place_id: int,
        key: str,
        draw: Draw,
        *,
        view: View | None = None,
        pictures: Sequence[Picture] = (),
        title: str = "",
        menu: Menu | None = None,
    ) -> tuple[int, bool]:
        """The message under `key`, and whether it is new.

        Raises:
            ChatError: not posted; after ChatUnavailable it may stand nevertheless, and the next
                call looks for it.
        """
        shelf, marked = await self.shelf(place_id), marks.mark(key)
        known = shelf.by_mark.get(marked)
        if known is not None:
            return known, False
        files = [await _file(marked, n, p) for n, p in enumerate(pictures[:MAX_FILES])]
        asked = datetime.now(UTC)
        try:
            async with speaking():
                message = await self.place(place_id).send(
                    embed=draw(marks.address(self.address(place_id), marked, menu)),
                    nonce=marked,
                    allowed_mentions=discord.AllowedMentions.none(),
                    files=files,
                    view=view or discord.utils.MISSING,
                )
        except ChatUnavailable as err:
            if err.retry_after_s is None:
                shelf.is_known = False
            raise
        self._clock.compare(asked, datetime.now(UTC), message.created_at)
        shelf.by_mark[marked] = message.id
        self._marks[message.id] = marked
        if title:
            self._titles[message.id] = title
        return message.id, True

    async def in_thread(
        self,
        channel_id: int,
        root_id: int,
        key: str,
        draw: Draw,
        pictures: Sequence[Picture] = (),
    ) -> int:
        """Post in a message's thread, which is opened or woken for it.

        Raises:
            ChatError: not posted.
        """
        try:
            return (await self.once(root_id, key, draw, pictures=pictures))[0]
        except DiscordRefused as err:
            if err.code == UNKNOWN_CHANNEL:
                await self._open(channel_id, root_id)
            elif err.code == ARCHIVED:
                await self._wake(root_id)
            else:
                raise
        return (await self.once(root_id, key, draw, pictures=pictures))[0]

    async def _open(self, channel_id: int, root_id: int) -> None:
        name = one_line(self._titles.get(root_id, "Joulery"), MAX_NAME)
        message = self.place(channel_id).get_partial_message(root_id)
        try:
            async with speaking():
                await message.create_thread(name=name, auto_archive_duration=10080)
        except DiscordRefused as err:
            if err.code != HAS_THREAD:
                raise

    async def _wake(self, thread_id: int) -> None:
        async with speaking():
            thread = await self._client.fetch_channel(thread_id)
            if isinstance(thread, discord.Thread):
                await thread.edit(archived=False)


async def _file(marked: str, number: int, picture: Picture) -> discord.File:
    path = Path(picture.path)
    try:
        data = await asyncio.to_thread(path.read_bytes)
    except OSError as err:
        raise ChatRefused(f"cannot read the picture {path}: {err.strerror}") from err
    name = f"{hashlib.sha256(marked.encode()).hexdigest()[:8]}-{number}{path.suffix}"
    return discord.File(io.BytesIO(data), filename=name, description=one_line(picture.alt, MAX_ALT))
