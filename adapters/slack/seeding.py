"""Places the reactions that people are to tap; a nicety, so it never holds up a post."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from adapters.base import ChatError, Ref
from adapters.slack import emoji
from adapters.slack.calls import Calls, SlackRefused, said

log = logging.getLogger(__name__)


class Seeding:
    """One reaction after the other, in the background."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._wanted: asyncio.Queue[tuple[Ref, str]] = asyncio.Queue()
        self._seeded: set[Ref] = set()
        self._task = asyncio.create_task(self._work(), name="slack seeds")

    def place(self, ref: Ref, seeds: Sequence[str], *, is_new: bool) -> None:
        """Put these canonical emoji on a message; once, unless a former bot was cut short."""
        if not is_new and ref in self._seeded:
            return
        self._seeded.add(ref)
        for canonical in seeds:
            if name := emoji.seed(canonical):
                self._wanted.put_nowait((ref, name))

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
            ref, name = await self._wanted.get()
            try:
                await self._place(ref, name)
            except ChatError as err:
                log.warning("reaction not placed", extra={"ref": str(ref), "reason": str(err)})
            finally:
                self._wanted.task_done()

    async def _place(self, ref: Ref, name: str) -> None:
        add = self._calls.again.reactions_add(channel=ref.channel, timestamp=ref.message, name=name)
        try:
            await said(add)
        except SlackRefused as err:
            if err.code != "already_reacted":
                raise
