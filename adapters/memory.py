"""`MemoryChat`: a whole chat platform in memory, for tests, simulations and dry runs.

It behaves like the real ones, their failures included: people act on it with `react`, `press` and
so on; `fail_next`, `drop_next`, `duplicate`, `hold` and `go_offline` make it misbehave.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from adapters.base import (
    CANONICAL_EMOJI,
    Board,
    ButtonPressed,
    Caps,
    Card,
    CardDeleted,
    ChatError,
    ChatRefused,
    ChatUnavailable,
    CommandInvoked,
    Emoji,
    FormSubmitted,
    Health,
    Home,
    HomeOpened,
    Inbound,
    Picture,
    ReactionAdded,
    ReactionRemoved,
    ReactionsCleared,
    Reconnected,
    Ref,
    Reply,
    ReplyCtx,
    ReplyDeleted,
    ReplyEdited,
    Sink,
    Snapshot,
    ThreadReply,
)

log = logging.getLogger(__name__)


@dataclass
class Post:
    """One of the bot's messages as it stands."""

    ref: Ref
    key: str
    text: str
    card: Card | None = None
    pictures: tuple[Picture, ...] = ()
    reactions: dict[str, dict[str, None]] = field(default_factory=dict)  # raw -> users, ordered
    replies: dict[str, Reply] = field(default_factory=dict)
    is_deleted: bool = False


@dataclass(frozen=True)
class Whisper:
    """Something only `user` saw."""

    user: str
    where: str | Ref
    text: str


class MemoryChat:
    """A chat platform in memory.

    The bot's side is `ChatPlatform`. On the people's side `who` is a bare name ("ana"), in events
    "memory:ana". An emoji is a canonical name, with a skin tone as "up::3" if need be: another
    raw spelling of the same.

    Attributes:
        posts: everything the bot posted and still stands or was deleted, oldest first.
        whispers: what single people were told.
        boards: the charts, by id.
        homes: the people's own pages, by member id.
        is_complete: what snapshots say about themselves.
    """

    name = "memory"
    caps = Caps(
        max_text=20_000,
        max_buttons=25,
        max_menu=25,
        is_idempotent=True,
        min_interval_s=0.0,
        hides_reactions=True,
    )

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.posts: dict[Ref, Post] = {}
        self.whispers: list[Whisper] = []
        self.boards: dict[str, Board] = {}
        self.homes: dict[str, Home] = {}
        self.unreachable: set[str] = set()  # who takes no direct messages
        self.clocks: dict[str, tuple[str, str]] = {}  # whose time zone and language are known
        self.is_complete = True
        self._now = now
        self._sink: Sink | None = None
        self._numbers = itertools.count(1)
        self._failures: list[ChatError] = []
        self._drops = 0
        self._sent: list[Inbound] = []
        self._held: list[Inbound] | None = None
        self._offline_since: datetime | None = None
        self._changed = asyncio.Event()

    # --- the bot's side -------------------------------------------------------------------------

    async def connect(self, sink: Sink) -> None:
        """Events go to `sink` from now on."""
        self._sink = sink

    async def close(self) -> None:
        """Events go nowhere; what people do stands nevertheless."""
        self._sink = None

    async def post_card(self, channel: str, card: Card, key: str) -> Ref:
        """Post a card once: a second call with the same key returns the first message."""
        return self._add(channel, None, key, card.text, card, card.pictures)

    async def find_post(self, channel: str, key: str) -> Ref | None:
        """The message posted under `key`, if it stands."""
        self._maybe_fail()
        post = self._posted(channel, key)
        return post.ref if post and not post.is_deleted else None

    async def edit_card(self, ref: Ref, card: Card) -> None:
        """Replace a card in place."""
        self._maybe_fail()
        self._find(ref).card = card
        self._changed.set()

    async def say(
        self, where: str | Ref, text: str, key: str, *, pictures: Sequence[Picture] = ()
    ) -> Ref:
        """Say something in a channel or in the thread of a message."""
        if isinstance(where, Ref) and where.message:
            return self._add(where.channel, self._find(where).ref, key, text, None, pictures)
        channel = where.channel if isinstance(where, Ref) else where
        return self._add(channel, None, key, text, None, pictures)

    async def edit_text(self, ref: Ref, text: str) -> None:
        """Replace something said in place."""
        self._maybe_fail()
        self._find(ref).text = text
        self._changed.set()

    async def whisper(self, user: str, where: str | Ref, text: str, ctx: ReplyCtx | None) -> bool:
        """Tell one person something; False for people of other platforms."""
        self._maybe_fail()
        if not user.startswith("memory:") or user in self.unreachable:
            return False
        self.whispers.append(Whisper(user, where, text))
        self._changed.set()
        return True

    async def snapshot(self, ref: Ref) -> Snapshot:
        """All reactions by user and all replies that stand on a message now."""
        self._maybe_fail()
        post = self._find(ref)
        standing = {raw: frozenset(users) for raw, users in post.reactions.items() if users}
        return Snapshot(
            reactions=standing,
            canonical={raw: _emoji(raw).canonical for raw in standing},
            replies=tuple(post.replies.values()),
            is_complete=self.is_complete,
            asked_at=self._now(),
        )

    async def show_board(self, board: Board) -> None:
        """Show or replace the chart with this id."""
        self.boards[board.board_id] = board
        self._changed.set()

    async def show_home(self, user: str, home: Home) -> None:
        """Show or replace somebody's page."""
        self.homes[user] = home
        self._changed.set()

    def health(self) -> Health:
        """Connected while somebody listens and the line is up."""
        is_up = self._sink is not None and self._offline_since is None
        return Health(is_connected=is_up, detail="in memory")

    # --- the people's side ----------------------------------------------------------------------

    async def react(self, who: str, ref: Ref, emoji: str) -> None:
        """Put an emoji on a message; a second time changes nothing."""
        users = self._find(ref).reactions.setdefault(emoji, {})
        if (user := f"memory:{who}") not in users:
            users[user] = None
            await self._emit(ReactionAdded(**self._about(who, ref), emoji=_emoji(emoji)))

    async def unreact(self, who: str, ref: Ref, emoji: str) -> None:
        """Take an emoji back, if it is there."""
        users = self._find(ref).reactions.get(emoji, {})
        if (user := f"memory:{who}") in users:
            del users[user]
            await self._emit(ReactionRemoved(**self._about(who, ref), emoji=_emoji(emoji)))

    async def clear_reactions(self, who: str, ref: Ref, emoji: str | None = None) -> None:
        """Remove all reactions, or all of one emoji, as a moderator can."""
        reactions = self._find(ref).reactions
        for raw in [emoji] if emoji else list(reactions):
            reactions.pop(raw, None)
        known = _emoji(emoji) if emoji else None
        await self._emit(ReactionsCleared(**self._about(who, ref), emoji=known))

    async def reply(self, who: str, ref: Ref, text: str) -> str:
        """Say something in a message's thread; the reply's id comes back."""
        about = self._about(who, ref)
        reply_id = f"r{next(self._numbers)}"
        said = Reply(reply_id=reply_id, user=about["user"], text=text, at=about["at"])
        self._find(ref).replies[reply_id] = said
        await self._emit(ThreadReply(**about, reply_id=reply_id, text=text))
        return reply_id

    async def edit_reply(self, who: str, ref: Ref, reply_id: str, text: str) -> None:
        """Change a reply."""
        replies = self._find(ref).replies
        replies[reply_id] = replies[reply_id].model_copy(update={"text": text})
        await self._emit(ReplyEdited(**self._about(who, ref), reply_id=reply_id, text=text))

    async def delete_reply(self, who: str, ref: Ref, reply_id: str) -> None:
        """Take a reply back."""
        del self._find(ref).replies[reply_id]
        await self._emit(ReplyDeleted(**self._about(who, ref), reply_id=reply_id))

    async def press(self, who: str, ref: Ref, choice: str) -> bool:
        """Press a card's button; False when it was not recorded."""
        ctx = ReplyCtx(channel=ref.channel)
        return await self._emit(ButtonPressed(**self._about(who, ref), choice=choice, ctx=ctx))

    async def submit(self, who: str, ref: Ref, values: Mapping[str, str]) -> bool:
        """Fill in a card's menu; False when it was not recorded."""
        ctx = ReplyCtx(channel=ref.channel)
        return await self._emit(
            FormSubmitted(**self._about(who, ref), values=dict(values), ctx=ctx)
        )

    async def command(self, who: str, words: str, where: str | Ref) -> bool:
        """Give a command in a channel or a thread; False when it was not recorded."""
        outside = Ref(platform="memory", channel=str(where), message="")
        ref = where if isinstance(where, Ref) else outside
        ctx = ReplyCtx(channel=ref.channel)
        return await self._emit(CommandInvoked(**self._about(who, ref), words=words, ctx=ctx))

    async def open_home(self, who: str) -> None:
        """Look at one's own page."""
        ref = Ref(platform="memory", channel="", message="")
        await self._emit(HomeOpened(**self._about(who, ref)))

    async def delete_card(self, who: str, ref: Ref) -> None:
        """Delete one of the bot's messages, as an administrator can."""
        self._find(ref).is_deleted = True
        await self._emit(CardDeleted(**self._about(who, ref)))

    # --- misbehaving ----------------------------------------------------------------------------

    def fail_next(self, error: ChatError, times: int = 1) -> None:
        """The bot's next calls raise `error` and do nothing."""
        self._failures += [error] * times

    def drop_next(self, times: int = 1) -> None:
        """The bot's next posts are stored, and then the line drops: `ChatUnavailable`."""
        self._drops += times

    async def duplicate(self, count: int = 1) -> None:
        """Deliver the last events once more."""
        for event in self._sent[-count:]:
            await self._deliver(event)

    def hold(self) -> None:
        """Keep events back until `release`."""
        self._held = []

    async def release(self, rng: random.Random | None = None) -> None:
        """Deliver what was held back, shuffled by `rng` if given."""
        held, self._held = self._held or [], None
        if rng:
            rng.shuffle(held)
        for event in held:
            await self._deliver(event)

    def go_offline(self) -> None:
        """From now on nothing is delivered: marks only stand, presses are not recorded."""
        self._offline_since = self._now()

    async def come_back(self) -> None:
        """End the outage and say so."""
        gap_since, self._offline_since = self._offline_since, None
        ref = Ref(platform="memory", channel="", message="")
        await self._emit(Reconnected(**self._about("", ref), gap_since=gap_since))

    # --- looking at it --------------------------------------------------------------------------

    def cards(self) -> list[Post]:
        """The cards that stand, oldest first."""
        return [post for post in self.posts.values() if post.card and not post.is_deleted]

    def said(self, where: Ref | None = None) -> list[str]:
        """The bot's plain messages, in the thread of `where` if given."""
        return [
            post.text
            for post in self.posts.values()
            if not post.card and (where is None or post.ref.thread == where.message)
        ]

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until the bot posted, edited or whispered so that `is_so`."""
        while not is_so():
            self._changed.clear()
            await self._changed.wait()

    # --- helpers --------------------------------------------------------------------------------

    def _add(
        self,
        channel: str,
        thread: Ref | None,
        key: str,
        text: str,
        card: Card | None,
        pictures: Sequence[Picture],
    ) -> Ref:
        self._maybe_fail()
        if known := self._posted(channel, key):
            return known.ref
        root = (thread.thread or thread.message) if thread else None
        number = str(next(self._numbers))
        ref = Ref(platform=self.name, channel=channel, message=number, thread=root)
        self.posts[ref] = Post(ref, key, text, card, tuple(pictures))
        self._changed.set()
        if self._drops:
            self._drops -= 1
            raise ChatUnavailable("The line dropped after the message was stored.")
        return ref

    def _posted(self, channel: str, key: str) -> Post | None:
        same = (p for p in self.posts.values() if (p.ref.channel, p.key) == (channel, key))
        return next(same, None)

    def _find(self, ref: Ref) -> Post:
        post = self.posts.get(ref)
        if post is None or post.is_deleted:
            raise ChatRefused(f"There is no message {ref} (any more).")
        return post

    def _maybe_fail(self) -> None:
        if self._failures:
            raise self._failures.pop(0)

    def _about(self, who: str, ref: Ref) -> dict[str, Any]:
        return {
            "event_id": f"e{next(self._numbers)}",
            "user": f"memory:{who}",
            "user_name": who.title(),
            **dict(zip(("timezone", "locale"), self.clocks.get(who, ()), strict=False)),
            "at": self._now(),
            "ref": ref,
        }

    async def _emit(self, event: Inbound) -> bool:
        if self._offline_since is not None:
            return False
        if self._held is not None:
            self._held.append(event)
            return True
        return await self._deliver(event)

    async def _deliver(self, event: Inbound) -> bool:
        if self._sink is None:
            return False
        try:
            await self._sink(event)
        except Exception:  # whatever the sink raises: it was not recorded
            log.warning("event not recorded", exc_info=True, extra={"event_id": event.event_id})
            return False
        self._sent.append(event)
        return True


def _emoji(raw: str) -> Emoji:
    name = raw.partition("::")[0]
    return Emoji(raw=raw, canonical=name if name in CANONICAL_EMOJI else None)
