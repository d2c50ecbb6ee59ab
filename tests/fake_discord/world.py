"""What stands in the fake guild: people, roles, channels, threads, messages, reactions."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

EPOCH_MS = 1_420_070_400_000
GUILD, CHANNEL, APP, BOT_USER = "1000", "2000", "3000", "3000"
EVERYONE, BOT_ROLE = GUILD, "4000"
CONTENT_FLAG, MEMBERS_FLAG = 1 << 19, 1 << 15  # of the application: switched on in the portal

PERMISSIONS = {
    "add_reactions": 6, "view_channel": 10, "send_messages": 11, "manage_messages": 13,
    "embed_links": 14, "attach_files": 15, "read_message_history": 16, "manage_threads": 34,
    "create_public_threads": 35, "send_messages_in_threads": 38,
}  # fmt: skip
NEEDED = tuple(name for name in PERMISSIONS if not name.startswith("manage"))


class Refusal(Exception):  # noqa: N818 -- what Discord answers
    """A 4xx answer with Discord's own code."""

    def __init__(self, status: int, code: int, message: str, **details: Any) -> None:
        super().__init__(message)
        self.status = status
        self.answer = {"code": code, "message": message, **details}


def unknown(what: str, code: int) -> Refusal:
    return Refusal(404, code, f"Unknown {what}")


@dataclass
class Channel:
    id: str
    name: str
    denied: set[str] = field(default_factory=set)  # permissions taken from the bot here
    parent: str | None = None  # of a thread
    is_archived: bool = False
    is_locked: bool = False
    recipient: str | None = None  # of a direct message

    def as_json(self) -> dict[str, Any]:
        if self.recipient:
            user = {"id": self.recipient, "username": "x", "discriminator": "0", "avatar": None}
            return {"id": self.id, "type": 1, "recipients": [user], "last_message_id": None}
        common = {"id": self.id, "guild_id": GUILD, "name": self.name, "last_message_id": None}
        if self.parent:
            return common | {
                "type": 11, "parent_id": self.parent, "owner_id": BOT_USER, "message_count": 0,
                "member_count": 1, "rate_limit_per_user": 0,
                "thread_metadata": {
                    "archived": self.is_archived, "locked": self.is_locked,
                    "auto_archive_duration": 1440,
                    "archive_timestamp": "2026-01-01T00:00:00+00:00",
                },
            }  # fmt: skip
        denied = sum(1 << PERMISSIONS[name] for name in self.denied)
        overwrite = {"id": BOT_USER, "type": 1, "allow": "0", "deny": str(denied)}
        return common | {
            "type": 0, "position": 1, "nsfw": False, "parent_id": None, "topic": None,
            "permission_overwrites": [overwrite] if denied else [],
        }  # fmt: skip


@dataclass
class Message:
    channel: str
    id: str
    author: str
    content: str = ""
    embeds: list[dict[str, Any]] = field(default_factory=list)
    components: list[dict[str, Any]] = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    nonce: str | None = None
    replies_to: str | None = None
    edited: str | None = None
    allowed_mentions: dict[str, Any] | None = None
    type: int = 0
    reactions: dict[str, dict[str, bool]] = field(default_factory=dict)  # emoji -> user -> burst


class World:
    """A guild with one channel, its bot, and whoever is asked for by name.

    Attributes:
        flags: what is switched on in the portal.
        permissions: what the bot's role may do.
        shown_count: what a reaction's count is told to be, where it is not the true one.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.flags = CONTENT_FLAG
        self.permissions = set(NEEDED)
        self.is_member = True
        self.users: dict[str, dict[str, Any]] = {}
        self.roles_of: dict[str, list[str]] = {BOT_USER: [BOT_ROLE]}
        self.roles = {EVERYONE: "@everyone", BOT_ROLE: "Joulery"}
        self.channels = {CHANNEL: Channel(CHANNEL, "training")}
        self.messages: dict[tuple[str, str], Message] = {}
        self.commands: list[dict[str, Any]] = []
        self.shown_count: dict[str, int] = {}
        self._last = 0
        self._ids: dict[str, str] = {}
        self._add_user(BOT_USER, "joulery", is_bot=True)

    def user(self, name: str, *, is_bot: bool = False) -> str:
        """The id of somebody called `name`."""
        if name not in self._ids:
            self._ids[name] = str(5000 + len(self._ids))
            self._add_user(self._ids[name], name, is_bot=is_bot)
        return self._ids[name]

    def _add_user(self, user_id: str, name: str, *, is_bot: bool) -> None:
        self.users[user_id] = {
            "id": user_id, "username": name, "discriminator": "0", "avatar": None,
            "global_name": name.title(), "bot": is_bot,
        }  # fmt: skip

    def member(self, user_id: str, *, with_user: bool = True) -> dict[str, Any]:
        member: dict[str, Any] = {
            "roles": self.roles_of.get(user_id, []), "joined_at": "2026-01-01T00:00:00+00:00",
            "deaf": False, "mute": False, "flags": 0, "nick": None,
        }  # fmt: skip
        return member | {"user": self.users[user_id]} if with_user else member

    def snowflake(self) -> str:
        """An id later than every one before."""
        now = (int(self.clock() * 1000) - EPOCH_MS) << 22
        self._last = max(now, self._last + 1)
        return str(self._last)

    # --- looking things up ----------------------------------------------------------------------

    def channel(self, channel_id: str) -> Channel:
        found = self.channels.get(channel_id)
        if found is None:
            raise unknown("Channel", 10003)
        return found

    def message(self, channel: str, message_id: str) -> Message:
        self.channel(channel)
        found = self.messages.get((channel, message_id))
        if found is None:
            raise unknown("Message", 10008)
        return found

    def in_channel(self, channel: str) -> list[Message]:
        """A channel's messages, oldest first."""
        found = [m for (where, _), m in self.messages.items() if where == channel]
        return sorted(found, key=lambda m: int(m.id))

    def may(self, channel: Channel, *names: str) -> None:
        """Let the bot do something in a channel, or refuse as Discord does."""
        where = self.channels[channel.parent] if channel.parent else channel
        if channel.recipient:
            return
        held = (self.permissions - where.denied) if self.is_member else set()
        if "view_channel" not in held:
            raise Refusal(403, 50001, "Missing Access")
        if not held.issuperset(names):
            raise Refusal(403, 50013, "Missing Permissions")

    # --- as JSON --------------------------------------------------------------------------------

    def as_json(self, m: Message, *, reads_content: bool) -> dict[str, Any]:
        """A message as the bot is told of it; others' words only where it may read them."""
        names_us = f"<@{BOT_USER}>" in m.content
        is_open = reads_content or m.author == BOT_USER or names_us
        said: dict[str, Any] = {
            "id": m.id, "channel_id": m.channel, "author": self.users[m.author], "type": m.type,
            "content": m.content if is_open else "", "timestamp": stamp(m.id),
            "edited_timestamp": m.edited, "tts": False, "mention_everyone": False,
            "mentions": [self.users[BOT_USER]] if names_us else [], "mention_roles": [],
            "attachments": m.attachments if is_open else [], "pinned": False, "flags": 32 if m.id in self.channels else 0,
            "embeds": m.embeds if is_open else [], "components": m.components if is_open else [],
        }  # fmt: skip
        if m.replies_to:
            said["message_reference"] = {"message_id": m.replies_to, "channel_id": m.channel}
        if any(m.reactions.values()):
            said["reactions"] = [self._reaction(e, u) for e, u in m.reactions.items() if u]
        thread = self.channels.get(m.id)
        if thread is not None:
            said["thread"] = thread.as_json()
        return said

    def _reaction(self, emoji: str, users: dict[str, bool]) -> dict[str, Any]:
        burst = sum(users.values())
        return {
            "emoji": emoji_json(emoji), "count": self.shown_count.get(emoji, len(users)),
            "count_details": {"normal": len(users) - burst, "burst": burst},
            "me": BOT_USER in users, "me_burst": False, "burst_colors": [],
        }  # fmt: skip

    def guild_json(self) -> dict[str, Any]:
        threads = [c for c in self.channels.values() if c.parent and not c.is_archived]
        return {
            "id": GUILD, "name": "Fake", "owner_id": "1", "roles": self.roles_json(),
            "channels": [c.as_json() for c in self.channels.values() if not (c.parent or c.recipient)],
            "threads": [c.as_json() for c in threads], "members": [self.member(BOT_USER)],
            "member_count": 2, "emojis": [], "stickers": [], "features": [], "premium_tier": 0,
            "verification_level": 0, "default_message_notifications": 0, "afk_timeout": 300,
            "explicit_content_filter": 0, "mfa_level": 0, "system_channel_flags": 0,
            "preferred_locale": "en-US", "nsfw_level": 0, "presences": [], "voice_states": [],
            "stage_instances": [], "guild_scheduled_events": [], "soundboard_sounds": [],
            "large": False, "unavailable": False, "premium_progress_bar_enabled": False,
            "afk_channel_id": None, "application_id": None, "description": None, "icon": None,
            "banner": None, "splash": None, "discovery_splash": None, "vanity_url_code": None,
            "rules_channel_id": None, "public_updates_channel_id": None, "system_channel_id": None,
            "safety_alerts_channel_id": None,
        }  # fmt: skip

    def roles_json(self) -> list[dict[str, Any]]:
        held = sum(1 << PERMISSIONS[name] for name in self.permissions)
        return [
            {
                "id": role_id, "name": name, "color": 0, "hoist": False, "position": 0, "flags": 0,
                "permissions": str(held if role_id == BOT_ROLE else 0), "managed": False,
                "mentionable": False,
                "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            }
            for role_id, name in self.roles.items()
        ]  # fmt: skip

    # --- what the bot said ----------------------------------------------------------------------

    def cards(self) -> list[Message]:
        """The bot's messages with a title, oldest first."""
        mine = [m for m in self.messages.values() if m.author == BOT_USER]
        return [m for m in mine if m.embeds and m.embeds[0].get("title")]

    def said(self) -> list[str]:
        """The bot's plain messages, oldest first."""
        mine = [m for m in self.messages.values() if m.author == BOT_USER and m.type == 0]
        plain = [m for m in mine if m.embeds and not m.embeds[0].get("title")]
        return [m.embeds[0]["description"] for m in plain]


def emoji_json(emoji: str) -> dict[str, Any]:
    """`name` or `name:id` as Discord writes an emoji."""
    name, _, emoji_id = emoji.partition(":")
    return {"id": emoji_id or None, "name": name, "animated": False}


def stamp(snowflake: str) -> str:
    """When something with this id began to be, as Discord writes times."""
    ms = (int(snowflake) >> 22) + EPOCH_MS
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()
