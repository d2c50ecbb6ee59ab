"""Telling whoever waits for news of a run to look again."""

from __future__ import annotations

import asyncio
from collections import defaultdict


class News:
    """An event per run, set whenever something happened to it."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def of(self, run_id: str) -> asyncio.Event:
        """Set by the next news. To be held before looking: what happens meanwhile is not missed."""
        return self._events[run_id]

    def changed(self, run_id: str) -> None:
        """Something happened to a run: whoever waits for news looks again."""
        self._events.pop(run_id, asyncio.Event()).set()
