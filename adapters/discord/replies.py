"""Replies to cards in their own channel, outside threads: found by reading the channel on.

Many cards are looked at in one go. Who comes while another one reads waits for the next reading, which
then is for all who wait, so a busy channel is not read once per card.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import discord

from adapters.discord.calls import speaking

MAX_SCANNED = 3_000
"""How many messages are looked through; where there are more, not all replies are known."""
LONG_S = 300.0


@dataclass
class Scan:
    """What stood in a channel: replies by the message they reply to."""

    after: int
    began: float
    found: defaultdict[int, list[discord.Message]] = field(
        default_factory=lambda: defaultdict(list)
    )
    oldest: int | None = None  # where the reading was broken off

    def covers(self, message_id: int) -> bool:
        """Whether all that came after a message was read."""
        return self.oldest is None or message_id >= self.oldest


class Replies:
    """Reads channels."""

    def __init__(self, place: Callable[[int], discord.PartialMessageable]) -> None:
        self._place = place
        self._locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._waiting: defaultdict[int, list[int]] = defaultdict(list)
        self._last: dict[int, Scan] = {}

    async def to(self, channel_id: int, message_id: int) -> tuple[list[discord.Message], bool]:
        """The replies to a message that stand now, and whether those are all.

        Raises:
            ChatError: the channel cannot be read.
        """
        came, waiting = asyncio.get_running_loop().time(), self._waiting[channel_id]
        waiting.append(message_id)
        try:
            async with self._locks[channel_id]:
                scan = self._last.get(channel_id)
                if scan is None or scan.began < came or scan.after > message_id:
                    scan = self._last[channel_id] = await self._read(channel_id, min(waiting))
            return scan.found.get(message_id, []), scan.covers(message_id)
        finally:
            waiting.remove(message_id)
            if not waiting:
                self._last.pop(channel_id, None)

    async def _read(self, channel_id: int, after: int) -> Scan:
        scan = Scan(after, asyncio.get_running_loop().time())
        seen = 0
        async with speaking(LONG_S):
            history = self._place(channel_id).history(
                limit=MAX_SCANNED, after=discord.Object(after), oldest_first=False
            )
            async for message in history:
                seen += 1
                to = message.reference.message_id if message.reference else None
                if to is not None and message.type is discord.MessageType.reply:
                    scan.found[to].append(message)
                if seen == MAX_SCANNED:
                    scan.oldest = message.id
        for replies in scan.found.values():
            replies.reverse()
        return scan
