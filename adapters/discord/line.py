"""The line on which Discord speaks to us: its gateway, which the library keeps open and resumes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from adapters.base import ChatUnavailable
from adapters.discord.calls import explained
from adapters.discord.client import Client

log = logging.getLogger(__name__)

READY_S = 30.0

Gap = Callable[[datetime | None], Awaitable[None]]
"""Called on every new connection but the first, with the time since when events may be missing."""


class Line:
    """A logged-in client's connection to the gateway.

    Attributes:
        is_up: whether events flow.
        trouble: why they never will again; empty while they may.
    """

    def __init__(self, client: Client, gap: Gap) -> None:
        self._client, self._gap = client, gap
        self._task: asyncio.Task[None] | None = None
        self._is_ready = asyncio.Event()
        self._gap_since: datetime | None = None
        self.is_up = False
        self.trouble = ""

        async def on_ready() -> None:
            is_first = not self._is_ready.is_set()
            self._is_ready.set()
            await self._arrived(is_first=is_first)

        async def on_resumed() -> None:
            await self._arrived(is_first=False)

        async def on_disconnect() -> None:
            if self.is_up:
                self._gap_since, self.is_up = client.heard_at, False

        for listener in (on_ready, on_resumed, on_disconnect):
            client.event(listener)

    async def open(self) -> None:
        """Return when events flow.

        Raises:
            ChatSetupError: the token or an intent is refused.
            ChatUnavailable: nobody greets us.
        """
        self._task = task = asyncio.create_task(self._client.connect(), name="discord gateway")
        task.add_done_callback(self._ended)
        waiting = asyncio.create_task(self._is_ready.wait())
        await asyncio.wait({waiting, task}, timeout=READY_S, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return
        waiting.cancel()
        if task.done() and (err := task.exception()) is not None:
            raise explained(err) if isinstance(err, Exception) else err
        raise ChatUnavailable("Discord did not greet us on its gateway.")

    async def close(self) -> None:
        """Hang up."""
        self.is_up = False
        await self._client.close()
        if self._task is not None:
            self._task.cancel()  # while Discord is away, it sleeps longer and longer
            await asyncio.wait({self._task})  # why it ended was told by then
            self._task = None

    async def _arrived(self, *, is_first: bool) -> None:
        self.is_up = True
        if not is_first:
            await self._gap(self._gap_since)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.is_up = False
        if not task.cancelled() and (err := task.exception()) is not None:
            self.trouble = str(explained(err) if isinstance(err, Exception) else err)
            log.error("no line to Discord any more", extra={"reason": self.trouble})
