"""Places the reactions that people are to tap; a nicety, so it never holds up a post."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

import discord

from adapters.base import ChatError, Ref
from adapters.discord import emoji
from adapters.discord.calls import LONGEST_WAIT_S, speaking

log = logging.getLogger(__name__)


class Seeding:
    """One reaction after the other, in the background."""

    def __init__(self, place: Callable[[int], discord.PartialMessageable]) -> None:
        self._place = place
        self._wanted: asyncio.Queue[tuple[Ref, str]] = asyncio.Queue()
        self._seeded: set[Ref] = set()
        self._task = asyncio.create_task(self._work(), name="discord seeds")

    def place(self, ref: Ref, seeds: Sequence[str], *, is_new: bool) -> None:
        """Put these canonical emoji on a message; once, unless a former bot was cut short."""
        if not is_new and ref in self._seeded:
            return
        self._seeded.add(ref)
        for canonical in seeds:
            if glyph := emoji.glyph(canonical):
                self._wanted.put_nowait((ref, glyph))

    async def settled(self) -> None:
        """Wait until all are placed."""
        await self._wanted.join()

    async def close(self) -> None:
        """Leave off; people can still put them there themselves."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _work(self) -> None:
        while True:
            ref, glyph = await self._wanted.get()
            try:
                async with speaking(2 * LONGEST_WAIT_S):
                    message = self._place(int(ref.channel)).get_partial_message(int(ref.message))
                    await message.add_reaction(glyph)  # a second time changes nothing
            except ChatError as err:
                log.warning("reaction not placed", extra={"ref": str(ref), "reason": str(err)})
            finally:
                self._wanted.task_done()
