"""What stands in the fake workspace: people, channels, messages, reactions, files, views."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

TEAM, APP, BOT_USER, BOT_ID = "T0JOULERY", "A0JOULERY", "U0BOT", "B0BOT"
CHANNEL = "C0JOULERY"


class SlackError(Exception):
    """What Slack answers with `"ok": false`."""

    def __init__(self, error: str, **details: Any) -> None:
        super().__init__(error)
        self.answer = {"ok": False, "error": error, **details}


@dataclass
class Channel:
    id: str
    name: str
    members: set[str] = field(default_factory=set)
    is_private: bool = False
    is_archived: bool = False


@dataclass
class Message:
    channel: str
    ts: str
    user: str
    text: str
    thread_ts: str | None = None
    bot_id: str | None = None
    subtype: str | None = None
    blocks: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    edited_ts: str | None = None

    def as_json(self, *, with_metadata: bool = False) -> dict[str, Any]:
        said: dict[str, Any] = {
            "type": "message", "ts": self.ts, "user": self.user, "text": self.text,
        }  # fmt: skip
        optional = {
            "thread_ts": self.thread_ts, "bot_id": self.bot_id, "subtype": self.subtype,
            "blocks": self.blocks, "files": self.files,
            "edited": {"user": self.user, "ts": self.edited_ts} if self.edited_ts else None,
            "metadata": self.metadata if with_metadata else None,
        }  # fmt: skip
        return said | {name: value for name, value in optional.items() if value}

    def marks(self, shown: int | None = None) -> list[dict[str, Any]]:
        """Reactions as Slack lists them; of a crowd it may name only the first `shown`."""
        return [
            {"name": name, "users": users[:shown], "count": len(users)}
            for name, users in self.reactions.items()
            if users
        ]


class Workspace:
    """A team with one channel, its bot, and whoever is asked for by name."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.users: dict[str, dict[str, Any]] = {
            BOT_USER: {"id": BOT_USER, "name": "joulery", "is_bot": True},
            "USLACKBOT": {"id": "USLACKBOT", "name": "slackbot", "is_bot": False},
        }
        self.channels = {CHANNEL: Channel(CHANNEL, "training", {BOT_USER})}
        self.usergroups: dict[str, list[str]] = {}
        self.messages: dict[tuple[str, str], Message] = {}
        self.files: dict[str, dict[str, Any]] = {}
        self.views: dict[str, dict[str, Any]] = {}
        self.homes: dict[str, dict[str, Any]] = {}
        self.whispers: list[dict[str, Any]] = []
        self.numbers = itertools.count(1)
        self._last_ts = 0

    def user(self, name: str, *, is_bot: bool = False) -> str:
        """The id of somebody called `name`, who is in the channel."""
        user_id = "U" + "".join(c for c in name.upper() if c.isalnum())
        if user_id not in self.users:
            profile = {"display_name": name.title(), "real_name": name.title()}
            self.users[user_id] = {
                "id": user_id, "name": name, "is_bot": is_bot, "profile": profile,
                "tz": "Europe/Amsterdam",
            }  # fmt: skip
            self.channels[CHANNEL].members.add(user_id)
        return user_id

    def next_ts(self) -> str:
        """A time stamp later than every one before."""
        now = max(int(self.clock() * 1e6), self._last_ts + 1)
        self._last_ts = now
        return f"{now // 1_000_000}.{now % 1_000_000:06d}"

    def channel(self, channel_id: str) -> Channel:
        found = self.channels.get(channel_id)
        if found is None:
            raise SlackError("channel_not_found")
        return found

    def message(self, channel: str, ts: str, error: str = "message_not_found") -> Message:
        self.channel(channel)
        found = self.messages.get((channel, ts))
        if found is None:
            raise SlackError(error)
        return found

    def add(self, message: Message) -> Message:
        self.messages[message.channel, message.ts] = message
        return message

    def top_level(self, channel: str) -> list[Message]:
        """The channel's own messages, newest first."""
        found = [
            m for (where, _), m in self.messages.items()
            if where == channel and m.thread_ts in (None, m.ts)
        ]  # fmt: skip
        return sorted(found, key=lambda m: float(m.ts), reverse=True)

    def thread(self, channel: str, ts: str) -> list[Message]:
        """A message and its replies, oldest first."""
        root = self.message(channel, ts, "thread_not_found")
        replies = [
            m for (where, _), m in self.messages.items()
            if where == channel and m.thread_ts == ts and m.ts != ts
        ]  # fmt: skip
        return [root, *sorted(replies, key=lambda m: float(m.ts))]

    def cards(self) -> list[Message]:
        """The bot's messages that ask or show something, oldest first."""
        return [m for m in self.messages.values() if m.user == BOT_USER and m.blocks]

    def said(self) -> list[str]:
        """The bot's plain messages, oldest first."""
        return [m.text for m in self.messages.values() if m.user == BOT_USER and not m.blocks]
