"""What the bot posted, by key, as it stands in Slack: looked up before anything is posted again.

Slack knows no idempotency key, but keeps metadata with a message. A channel or thread is read back
once, at the first post there; after that our own posts are added, and after a call whose outcome is
in doubt it is read again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adapters.base import Card, Menu
from adapters.slack.calls import Calls
from adapters.slack.payloads import Own

EVENT_TYPE = "joulery_card"
LOOK_BACK_S = 7 * 24 * 3600.0
MAX_MESSAGES = 5_000
"""How far a channel is read back: what failed longer ago is given up by people long before."""

Place = tuple[str, str | None]
"""A channel, or one of its threads."""


@dataclass
class Shelf:
    """What the bot posted in one place."""

    by_key: dict[str, str] = field(default_factory=dict)  # key -> ts
    files: set[str] = field(default_factory=set)
    is_known: bool = False


class Posted:
    """The bot's own posts by place and key."""

    def __init__(self, calls: Calls, own: Own, now: Callable[[], datetime]) -> None:
        self._calls, self._own, self._now = calls, own, now
        self._shelves: dict[Place, Shelf] = {}
        self._keys: dict[tuple[str, str], str] = {}  # (channel, ts) -> key

    async def shelf(self, channel: str, thread: str | None) -> Shelf:
        """What stands in a place.

        Raises:
            ChatError: it cannot be read.
        """
        found = self._shelves.setdefault((channel, thread), Shelf())
        if not found.is_known:
            await self._read(channel, thread, found)
            found.is_known = True
        return found

    async def find(self, channel: str, thread: str | None, key: str) -> str | None:
        """The ts of what was posted under `key`, if it stands."""
        return (await self.shelf(channel, thread)).by_key.get(key)

    def key_at(self, channel: str, ts: str) -> str | None:
        """The key of a message of ours, where we know it."""
        return self._keys.get((channel, ts))

    def add(self, channel: str, thread: str | None, key: str, ts: str) -> None:
        """A post that Slack confirmed."""
        self._shelves[channel, thread].by_key[key] = ts
        self._keys[channel, ts] = key

    def doubt(self, channel: str, thread: str | None) -> None:
        """A call may or may not have posted something there."""
        self._shelves[channel, thread].is_known = False

    def gone(self, channel: str, ts: str) -> None:
        """One of our messages was deleted."""
        key = self._keys.pop((channel, ts), None)
        for (where, _), shelf in self._shelves.items():
            if where == channel and key is not None and shelf.by_key.get(key) == ts:
                del shelf.by_key[key]

    async def _read(self, channel: str, thread: str | None, shelf: Shelf) -> None:
        if thread is None:
            oldest = str(self._now().timestamp() - LOOK_BACK_S)
            pages = self._calls.pages(
                "conversations_history", channel=channel, oldest=oldest, include_all_metadata=True
            )
        else:
            pages = self._calls.pages(
                "conversations_replies", channel=channel, ts=thread, include_all_metadata=True
            )
        seen = 0
        async for messages in pages:
            for message in messages:
                self._note(channel, message, shelf)
            seen += len(messages)
            if seen >= MAX_MESSAGES:
                break

    def _note(self, channel: str, message: dict[str, Any], shelf: Shelf) -> None:
        if not self._own.wrote(message):
            return
        shelf.files |= {file["name"] for file in message.get("files", ()) if file.get("name")}
        if key := _payload(message).get("key"):
            shelf.by_key.setdefault(key, message["ts"])
            self._keys[channel, message["ts"]] = key


def metadata(key: str, card: Card | None = None) -> dict[str, Any]:
    """What a message keeps with it: its key, and its form for when it is opened after a restart."""
    payload = {"key": key}
    if card is not None and card.menu is not None:
        payload["menu"] = card.menu.model_dump_json()
    return {"event_type": EVENT_TYPE, "event_payload": payload}


def menu_in(message: dict[str, Any]) -> Menu | None:
    """The form that a message of ours keeps with it."""
    text = _payload(message).get("menu")
    return Menu.model_validate(json.loads(text)) if text else None


def _payload(message: dict[str, Any]) -> dict[str, Any]:
    found = message.get("metadata") or {}
    payload: dict[str, Any] = found.get("event_payload") or {}
    return payload if found.get("event_type") == EVENT_TYPE else {}
