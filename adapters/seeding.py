"""Places the reactions that people are to tap; a nicety, so it never holds up a post."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

from adapters.base import ChatError, Ref

log = logging.getLogger(__name__)


class Seeding:
    """One reaction after the other, in the background.

    Args:
        spelt: the platform's own name of a canonical emoji; None where it has none.
        put: puts it on a message; a second time changes nothing.
    """

    def __init__(
        self, spelt: Callable[[str], str | None], put: Callable[[Ref, str], Awaitable[None]]
    ) -> None:
        self._spelt, self._put = spelt, put
        self._wanted: asyncio.Queue[tuple[Ref, str]] = asyncio.Queue()
        self._seeded: set[Ref] = set()
        self._task = asyncio.create_task(self._work(), name="seeds")

    def place(self, ref: Ref, seeds: Sequence[str], *, is_new: bool) -> None:
        """Put these canonical emoji on a message; once, unless a former bot was cut short."""
        if not is_new and ref in self._seeded:
            return
        self._seeded.add(ref)
        for canonical in seeds:
            if name := self._spelt(canonical):
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
                await self._put(ref, name)
            except ChatError as err:
                log.warning("reaction not placed", extra={"ref": str(ref), "reason": str(err)})
            finally:
                self._wanted.task_done()
