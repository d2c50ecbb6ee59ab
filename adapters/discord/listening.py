"""What Discord tells us, as plain inbound events, on its way to the house.

Only raw events: the others come for messages the library happens to remember. No work is done here;
a press or command is answered once it was committed, or told that it was not.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import discord

from adapters.base import (
    CardDeleted,
    ChatError,
    CommandInvoked,
    Emoji,
    Inbound,
    ReactionAdded,
    ReactionRemoved,
    ReactionsCleared,
    Ref,
    Reply,
    ReplyCtx,
    ReplyDeleted,
    ReplyEdited,
    ThreadReply,
)
from adapters.discord import emoji
from adapters.discord.calls import speaking
from adapters.discord.client import Client
from adapters.discord.clock import Clock
from adapters.discord.people import People
from adapters.discord.posting import Posting
from adapters.discord.text import after_mention, typed

log = logging.getLogger(__name__)

SPOKEN = frozenset({discord.MessageType.default, discord.MessageType.reply})
MAX_REPLIES = 20_000

Tell = Callable[[Inbound], Awaitable[None]]


def ref_to(channel: int | str, message: int | str = "", thread: int | None = None) -> Ref:
    """The house's id of a message."""
    in_thread = str(thread) if thread else None
    return Ref(platform="discord", channel=str(channel), message=str(message), thread=in_thread)


class Listening:
    """The client's listeners for everything but interactions."""

    def __init__(
        self, client: Client, guild_id: int, people: People, posting: Posting, clock: Clock, tell: Tell
    ) -> None:  # fmt: skip
        self._client, self._guild_id, self._people = client, guild_id, people
        self._posting, self._clock, self._tell_house = posting, clock, tell
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._replies: OrderedDict[int, tuple[str, Ref]] = OrderedDict()
        self._parents: dict[int, int] = {}  # thread -> channel
        self.last_at: datetime | None = None
        listeners = {
            "raw_reaction_add": self._raw_reaction_add,
            "raw_reaction_remove": self._raw_reaction_remove,
            "raw_reaction_clear": self._raw_reaction_clear,
            "raw_reaction_clear_emoji": self._raw_reaction_clear_emoji,
            "message": self._message,
            "raw_message_edit": self._raw_message_edit,
            "raw_message_delete": self._raw_message_delete,
            "raw_bulk_message_delete": self._raw_bulk_message_delete,
        }
        for name, listener in listeners.items():
            setattr(client, f"on_{name}", listener)

    @property
    def own_id(self) -> int:
        """The bot's user id."""
        assert self._client.user is not None
        return self._client.user.id

    # --- reactions ------------------------------------------------------------------------------

    async def _raw_reaction_add(self, raw: discord.RawReactionActionEvent, number: str) -> None:
        if raw.member is not None:
            self._people.see(raw.member)
        await self._reacted(ReactionAdded, raw, number)

    async def _raw_reaction_remove(self, raw: discord.RawReactionActionEvent, number: str) -> None:
        await self._reacted(ReactionRemoved, raw, number)

    async def _reacted(
        self,
        make: type[ReactionAdded] | type[ReactionRemoved],
        raw: discord.RawReactionActionEvent,
        number: str,
    ) -> None:
        if raw.user_id == self.own_id or raw.guild_id != self._guild_id:
            return
        if not self._is_ours(raw.message_id):
            return
        await self.tell(
            make(
                event_id=f"r:{number}",
                user=f"discord:{raw.user_id}",
                at=self._clock.moment(),
                is_platform_time=False,
                ref=ref_to(raw.channel_id, raw.message_id),
                emoji=read_emoji(raw.emoji),
            )
        )

    async def _raw_reaction_clear(self, raw: discord.RawReactionClearEvent, number: str) -> None:
        await self._cleared(raw.channel_id, raw.message_id, number, None)

    async def _raw_reaction_clear_emoji(
        self, raw: discord.RawReactionClearEmojiEvent, number: str
    ) -> None:
        await self._cleared(raw.channel_id, raw.message_id, number, read_emoji(raw.emoji))

    async def _cleared(self, channel: int, message: int, number: str, of: Emoji | None) -> None:
        if self._is_ours(message):
            await self.tell(
                ReactionsCleared(
                    event_id=f"r:{number}",
                    user=f"discord:{self.own_id}",  # nobody says who did it
                    at=self._clock.moment(),
                    is_platform_time=False,
                    ref=ref_to(channel, message),
                    emoji=of,
                )
            )

    # --- messages -------------------------------------------------------------------------------

    async def _message(self, message: discord.Message) -> None:
        if message.author.id == self.own_id:
            self._posting.note(message)  # also where the answer to our post was lost
        elif self._is_a_persons(message):
            self._people.see(message.author)
            if (event := await self._spoken(message)) is not None:
                await self.tell(event)

    async def _spoken(self, message: discord.Message) -> Inbound | None:
        root, text = await self.root(message), self.said(message)
        about: dict[str, Any] = {
            "event_id": f"m:{message.id}",
            "user": f"discord:{message.author.id}",
            "at": message.created_at,
        }
        if root is not None:
            self._keep(message, root)
            reply_id = str(message.id)
            return ThreadReply(**about, ref=root, reply_id=reply_id, text=text) if text else None
        if after_mention(message.content, self.own_id) is None:
            return None  # small talk
        ref = ref_to(message.channel.id)
        return CommandInvoked(
            **about, ref=ref, words=text, is_bare=True, ctx=ReplyCtx(channel=ref.channel)
        )

    async def _raw_message_edit(self, raw: discord.RawMessageUpdateEvent) -> None:
        message, before = raw.message, raw.cached_message
        if message.edited_at is None or not self._is_a_persons(message):
            return  # a preview appeared
        if before is not None and before.content == message.content:
            return
        root = await self.root(message)
        if root is None:
            return
        self._keep(message, root)
        await self.tell(
            ReplyEdited(
                event_id=f"m:{message.id}:{message.edited_at.isoformat()}",
                user=f"discord:{message.author.id}",
                at=message.edited_at,
                ref=root,
                reply_id=str(message.id),
                text=self.said(message),
            )
        )

    async def _raw_message_delete(self, raw: discord.RawMessageDeleteEvent) -> None:
        if raw.guild_id == self._guild_id:
            await self._deleted(raw.channel_id, raw.message_id)

    async def _raw_bulk_message_delete(self, raw: discord.RawBulkMessageDeleteEvent) -> None:
        if raw.guild_id == self._guild_id:
            for message_id in sorted(raw.message_ids):
                await self._deleted(raw.channel_id, message_id)

    async def _deleted(self, channel_id: int, message_id: int) -> None:
        about: dict[str, Any] = {
            "event_id": f"d:{message_id}",
            "at": self._clock.moment(),
            "is_platform_time": False,
        }
        nobody = f"discord:{self.own_id}"  # Discord tells neither who did it nor whose it was
        if self._posting.gone(message_id):
            parent = await self._parent(channel_id)
            ref = ref_to(parent or channel_id, message_id, channel_id if parent else None)
            await self.tell(CardDeleted(**about, user=nobody, ref=ref))
            return
        user, root = self._replies.pop(message_id, (nobody, None))
        if root is None and (parent := await self._parent(channel_id)) is not None:
            root = ref_to(parent, channel_id)
        if root is not None:
            await self.tell(ReplyDeleted(**about, user=user, ref=root, reply_id=str(message_id)))

    # --- reading messages -----------------------------------------------------------------------

    async def root(self, message: discord.Message) -> Ref | None:
        """The message whose thread this belongs to, or that it replies to; ours only."""
        parent = await self._parent(message.channel.id)
        if parent is not None:
            thread = message.channel.id  # a thread has the id of the message it began with
            return ref_to(parent, thread) if self._is_ours(thread) else None
        to = message.reference.message_id if message.reference else None
        if to is None or message.type is not discord.MessageType.reply or not self._is_ours(to):
            return None
        return ref_to(message.channel.id, to)

    def said(self, message: discord.Message) -> str:
        """What somebody said, without the `@Joulery` in front of it."""
        after = after_mention(message.content, self.own_id)
        return typed(message.content if after is None else after)

    def read_reply(self, message: discord.Message, root: Ref) -> Reply | None:
        """A text that stands under a card; None for bots' and for what we may not read."""
        if not self._is_a_persons(message) or not (text := self.said(message)):
            return None
        self._keep(message, root)
        return Reply(
            reply_id=str(message.id),
            user=f"discord:{message.author.id}",
            text=text,
            at=message.edited_at or message.created_at,
        )

    # --- helpers --------------------------------------------------------------------------------

    async def tell(self, event: Inbound) -> None:
        """Hand an event of a person to the house, one person's events in the order they came."""
        async with self._turns[event.user]:
            user_id = int(event.user.removeprefix("discord:"))
            if user_id != self.own_id:
                person = await self._people.meet(user_id)
                if person.is_bot:
                    return
                changes = {"user_name": person.name, "groups": person.groups}
                event = event.model_copy(update=changes)
            await self._tell_house(event)
            self.last_at = self._clock.moment()

    def _is_ours(self, message_id: int) -> bool:
        return self._posting.mark_of(message_id) is not None

    def _is_a_persons(self, message: discord.Message) -> bool:
        is_here = message.guild is not None and message.guild.id == self._guild_id
        is_human = not message.author.bot and message.webhook_id is None
        return is_here and is_human and message.type in SPOKEN

    def _keep(self, message: discord.Message, root: Ref) -> None:
        self._replies[message.id] = (f"discord:{message.author.id}", root)
        if len(self._replies) > MAX_REPLIES:
            self._replies.popitem(last=False)

    async def _parent(self, channel_id: int) -> int | None:
        """The channel a thread belongs to; None for what is no thread."""
        if channel_id in self._parents:
            return self._parents[channel_id]
        found: Any = self._client.get_channel(channel_id)
        if found is None:  # an archived thread is not among those the gateway lists
            try:
                async with speaking():
                    found = await self._client.fetch_channel(channel_id)
            except ChatError as err:
                log.info("unknown channel", extra={"channel": channel_id, "reason": str(err)})
        if not isinstance(found, discord.Thread):
            return None
        self._parents[channel_id] = found.parent_id
        return found.parent_id


def read_emoji(found: discord.PartialEmoji | discord.Emoji | str) -> Emoji:
    """An emoji of the library's as the house knows it."""
    if isinstance(found, str):
        return emoji.read(found)
    return emoji.read(found.name, found.id)
