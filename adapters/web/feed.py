"""Live updates: which pages are open, and what each of them is told.

A reader is told *that* something changed and then sees the state as it is, so nothing is sent
twice and nothing is lost; a reader who cannot keep up is cut off and simply comes again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from adapters.base import Board
from adapters.web.state import State
from adapters.web.views import MessageView, message_view

QUEUE = 200  # changes a reader may lag behind
PING_S = 15.0
GATHER_S = 0.1
"""Changes that come together are looked up together: a burst of votes costs one look, not fifty."""

Topic = int | str | None
"""A message's id, a board's id, or None: the chat closes."""

Draw = Callable[[MessageView], dict[str, Any]]
"""What a reader gets for a message: its data, or a piece of page."""


class Hub:
    """All open pages."""

    def __init__(self) -> None:
        self._readers: dict[asyncio.Queue[Topic], Callable[[], None]] = {}

    def __len__(self) -> int:
        return len(self._readers)

    def publish(self, topic: Topic) -> None:
        """Tell every reader that something changed; never waits for one."""
        for queue, cut_off in list(self._readers.items()):
            try:
                queue.put_nowait(topic)
            except asyncio.QueueFull:
                del self._readers[queue]
                cut_off()

    @contextmanager
    def reader(self, cut_off: Callable[[], None]) -> Iterator[asyncio.Queue[Topic]]:
        """A queue of what changes from now on; `cut_off` ends a reader who lags behind."""
        queue: asyncio.Queue[Topic] = asyncio.Queue(QUEUE)
        self._readers[queue] = cut_off
        try:
            yield queue
        finally:
            self._readers.pop(queue, None)


class Feed:
    """One reader's server-sent events."""

    def __init__(self, state: State, viewer: str, draw: Draw) -> None:
        self._state = state
        self._viewer = viewer
        self._draw = draw

    async def events(
        self, queue: asyncio.Queue[Topic], after: int | None, ping_s: float = PING_S
    ) -> AsyncIterator[bytes]:
        """All that changed after revision `after` (None: from now on), then all that changes."""
        yield b"retry: 1000\n\n"
        if after is not None:
            yield self._missed(after)
        while True:
            try:
                async with asyncio.timeout(ping_s):  # wait_for swallows cancellations (3.11)
                    topics = {await queue.get()}
            except TimeoutError:
                yield b": ping\n\n"
                continue
            await asyncio.sleep(GATHER_S)
            while not queue.empty():
                topics.add(queue.get_nowait())
            if None in topics:
                return
            yield self._changes(topics)

    def _missed(self, after: int) -> bytes:
        if after > self._state.revision():
            return _event("reset", 0, {})  # another chat than the reader knew
        posts, boards = self._state.changed_since(after)
        return self._changes([*posts, *boards])

    def _changes(self, topics: Collection[Topic]) -> bytes:
        ids = [topic for topic in topics if isinstance(topic, int)]
        found: list[tuple[int, bytes]] = []
        for message in self._state.messages(self._viewer, ids):
            post = message.post
            if post.is_deleted:
                drawn = _event("gone", post.revision, {"id": post.id})
            else:
                view = message_view(message, self._viewer)
                drawn = _event("message", post.revision, self._draw(view))
            found.append((post.revision, drawn))
        for row in self._state.boards() if len(ids) < len(topics) else ():
            if row.board_id in topics:
                board = Board.model_validate(row.body)
                found.append((row.revision, _event("board", row.revision, board.model_dump())))
        return b"".join(drawn for _, drawn in sorted(found))


def _event(kind: str, revision: int, data: dict[str, Any]) -> bytes:
    return f"event: {kind}\nid: {revision}\ndata: {json.dumps(data)}\n\n".encode()
