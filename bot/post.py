"""What goes out and what comes in: the outbox's senders and the inbox's reader.

Everything said is queued in the database first, under a key; a sender per platform takes it from
there, so a chat outage never slows training and nothing is posted twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.base import (
    INBOUND,
    Card,
    ChatError,
    ChatPlatform,
    ChatRefused,
    ChatSetupError,
    ChatUnavailable,
    Inbound,
    Picture,
    Reconnected,
    Ref,
    ReplyCtx,
)
from bot import cards
from bot.showable import is_readable, showable
from storage.database import StoreError
from storage.models import ClaimedItem, OutboxItem, OutboxKind
from storage.store.store import Store

log = logging.getLogger(__name__)


class NotYet(Exception):  # noqa: N818 -- a signal of ours, never an error
    """An event cannot be dealt with yet; it stays in the inbox and is looked at again."""


Handle = Callable[[Inbound, datetime], Awaitable[None]]
"""Deals with an event; the second argument is when it was committed."""

Named = Callable[[Mapping[str, Any], str], Mapping[str, Any]]
"""(what is to be said, platform) -> the same with names for people of elsewhere; in a thread."""

MAX_WAIT_S = 60.0
CONNECT_AGAIN_S = 15.0
IDLE_S = 5.0
"""Whoever queues something wakes the sender; a look now and then finds what is due again."""


# --- out ----------------------------------------------------------------------------------------


POSTS, EDITS = frozenset(OutboxKind) - {OutboxKind.EDIT}, frozenset({OutboxKind.EDIT})
"""Platforms count what is new in a channel and what is changed apart."""
QUIET = 3.0
"""Intervals of a platform without a post before it hears who said what: whoever gives commands
one after the other is not held up by that."""


class Sender:
    """Sends one platform's outbox, in order per channel, each item once."""

    def __init__(
        self,
        platform: ChatPlatform,
        store: Store,
        now: Callable[[], datetime],
        wants: Callable[[OutboxItem], bool],
        named: Named,
    ) -> None:
        self._platform, self._store, self._now, self._wants = platform, store, now, wants
        self._named = named
        self._wake = asyncio.Event()
        # by the loop's clock
        self._rests_until = {POSTS: 0.0, EDITS: 0.0}
        self._busy_until = 0.0

    def wake(self) -> None:
        """Something was queued."""
        self._wake.set()

    async def run(self) -> None:
        """Send for ever; what goes wrong is logged and tried again."""
        while True:
            try:
                await self._send_next()
            except Exception:  # the queue stands in the database: tried again
                log.exception("sender stumbled", extra={"platform": self._platform.name})
                await asyncio.sleep(IDLE_S)

    async def _send_next(self) -> None:
        self._wake.clear()
        loop, mail, name = asyncio.get_running_loop(), self._store.mail, self._platform.name
        began = loop.time()
        rests = {kinds: at for kinds, at in self._rests_until.items() if at > began}
        resting, is_busy = frozenset().union(*rests), self._busy_until > began
        item = await asyncio.to_thread(mail.claim, name, self._now(), resting, is_busy=is_busy)
        if item is None:
            ends = [*rests.values(), self._busy_until] if is_busy else [*rests.values()]
            idle_s = min((at - loop.time() for at in ends), default=IDLE_S)
            await until(self._wake, max(0.0, idle_s))
        elif not self._wants(item):
            await asyncio.to_thread(self._store.mail.unwanted, item)
        else:
            await self._deliver(item)
            ended, interval_s = loop.time(), self._platform.caps.min_interval_s
            self._rests_until[EDITS if item.kind in EDITS else POSTS] = ended + interval_s
            if item.kind in POSTS:
                self._busy_until = ended + QUIET * interval_s

    async def _deliver(self, item: ClaimedItem) -> None:
        mail = self._store.mail
        try:
            ref = await self._send(item)
        except ChatUnavailable as err:
            wait_s = err.retry_after_s or min(2.0 ** (item.attempts - 1), MAX_WAIT_S)
            wait_s *= 1.0 if err.retry_after_s else random.uniform(0.8, 1.2)
            log.info("sending later", extra={"key": item.key, "wait_s": wait_s})
            later, counts = self._now() + timedelta(seconds=wait_s), err.retry_after_s is None
            await asyncio.to_thread(mail.retry, item, later, str(err), counts=counts)
            asyncio.get_running_loop().call_later(wait_s, self.wake)
        except (ChatRefused, ChatSetupError) as err:
            log.error("not sent", extra={"key": item.key, "reason": str(err)})
            await asyncio.to_thread(mail.refused, item, str(err))
        else:
            where = str(ref) if ref else None
            await asyncio.to_thread(mail.sent, item, where, self._now())

    async def _send(self, item: ClaimedItem) -> Ref | None:
        platform = self._platform
        payload = await asyncio.to_thread(self._named, item.payload, platform.name)
        is_new = item.kind in (OutboxKind.POST, OutboxKind.SAY)
        if is_new and item.attempts > 1 and not platform.caps.is_idempotent:
            found = await platform.find_post(item.channel, item.key)
            if found is not None:
                return found
        match item.kind:
            case OutboxKind.POST:
                card = await _showable(payload)
                return await platform.post_card(item.channel, card, item.key)
            case OutboxKind.EDIT:
                assert item.target_ref is not None
                ref = Ref.parse(item.target_ref)
                if "said" in payload:
                    await platform.edit_text(ref, payload["said"])
                else:
                    await platform.edit_card(ref, await _showable(payload))
            case OutboxKind.SAY:
                where = Ref.parse(item.target_ref) if item.target_ref else item.channel
                pictures, lost = await _readable(payload["pictures"])
                text = cards.without_lost(payload["text"], lost)
                return await platform.say(where, text, item.key, pictures=pictures)
            case OutboxKind.WHISPER:
                assert item.target is not None
                if item.attempts > 1 and "is_at_most_once" in payload:
                    return None
                is_heard = await platform.whisper(
                    item.target,
                    Ref.model_validate(payload["where"]),
                    payload["text"],
                    ReplyCtx.model_validate(payload["ctx"]) if payload["ctx"] else None,
                )
                if not is_heard and "otherwise" in payload:
                    said = [OutboxItem.model_validate(payload["otherwise"])]
                    await asyncio.to_thread(self._store.mail.enqueue, said, self._now())
        return None


async def _showable(payload: Mapping[str, Any]) -> Card:
    """A queued card without the pictures that have gone: better than no card."""
    return await asyncio.to_thread(showable, Card.model_validate(payload))


async def _readable(kept: Sequence[Mapping[str, Any]]) -> tuple[list[Picture], int]:
    """The pictures of a text that can be shown, and how many cannot."""
    pictures = [Picture.model_validate(each) for each in kept]
    shown = [p for p in pictures if await asyncio.to_thread(is_readable, Path(p.path))]
    return shown, len(pictures) - len(shown)


class PostOffice:
    """All platforms' senders, and the sink their events go to."""

    def __init__(
        self,
        platforms: Mapping[str, ChatPlatform],
        store: Store,
        now: Callable[[], datetime],
        wants: Callable[[OutboxItem], bool] = lambda _: True,
        named: Named = lambda payload, _: payload,
    ) -> None:
        self.platforms, self._store, self._now = platforms, store, now
        self._senders = {name: Sender(p, store, now, wants, named) for name, p in platforms.items()}
        self._absent: list[ChatPlatform] = []
        self._arrived = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, handle: Handle) -> None:
        """Send and hear until cancelled."""
        async with asyncio.TaskGroup() as group:
            for sender in self._senders.values():
                group.create_task(sender.run())
            group.create_task(self._read(handle))
            for platform in self._absent:
                group.create_task(self._reconnect(platform))

    async def connect(self) -> None:
        """Let all platforms in; one that cannot be reached comes later, in `run`.

        Raises:
            ChatSetupError: one of them is set up wrongly.
        """
        self._loop = asyncio.get_running_loop()
        for name, platform in self.platforms.items():
            try:
                await platform.connect(self._sink)
            except ChatUnavailable as err:
                log.error("not connected yet", extra={"platform": name, "reason": str(err)})
                self._absent.append(platform)

    async def _reconnect(self, platform: ChatPlatform) -> None:
        """Try again until a platform is there; the rest of the bot works meanwhile."""
        while True:
            await asyncio.sleep(CONNECT_AGAIN_S)
            try:
                await platform.connect(self._sink)
            except ChatError as err:
                about = {"platform": platform.name, "reason": str(err)}
                log.warning("not connected yet", extra=about)
            else:
                break
        nowhere = Ref(platform=platform.name, channel="", message="")
        now = self._now()
        await self._sink(
            Reconnected(
                event_id=f"connected:{now.isoformat()}", user=f"{platform.name}:", at=now,
                ref=nowhere,
            )
        )  # fmt: skip

    async def close(self) -> None:
        """Close all platforms."""
        for platform in self.platforms.values():
            await platform.close()

    async def queue(self, *items: OutboxItem) -> None:
        """Queue what is to be said."""
        await asyncio.to_thread(self._store.mail.enqueue, items, self._now())
        self.wake()

    def wake(self) -> None:
        """Something was queued in somebody's transaction."""
        for sender in self._senders.values():
            sender.wake()

    def wake_from_thread(self) -> None:
        """The same, from another thread than the event loop's."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.wake)

    async def drained(self, timeout_s: float) -> bool:
        """Wait until everything queued went out; False when it took too long."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while await asyncio.to_thread(self._store.mail.pending):
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(0.05)
        return True

    async def _sink(self, event: Inbound) -> None:
        """Commit first; what returns from here was recorded."""
        payload: dict[str, Any] = event.model_dump(mode="json")
        platform = event.ref.platform
        await asyncio.to_thread(
            self._store.mail.receive, platform, event.event_id, payload, self._now()
        )
        self._arrived.set()

    async def settled(self, timeout_s: float = 5.0) -> bool:
        """Wait until all that was received by now is dealt with; False when for so long none of it is.

        Not to be called by whoever deals with events: it would wait for itself.
        """
        by, left = self._now(), -1
        loop = asyncio.get_running_loop()
        while waiting := await asyncio.to_thread(self._store.mail.waiting, by):
            if waiting != left:  # slow, as on a busy machine, is no reason to leave votes out
                left, deadline = waiting, loop.time() + timeout_s
            elif loop.time() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    async def _read(self, handle: Handle) -> None:
        """Deal with events in the order they came; each at least once, each effect once."""
        while True:
            self._arrived.clear()
            try:
                is_idle, is_waiting = await self._read_some(handle)
            except Exception:  # the events stand in the database: read again
                log.exception("inbox stumbled")
                is_idle, is_waiting = True, False
            if is_idle:
                await until(self._arrived, 0.25 if is_waiting else IDLE_S)

    async def _read_some(self, handle: Handle) -> tuple[bool, bool]:
        """(nothing could be dealt with, some wait for news of their message)."""
        events = await asyncio.to_thread(self._store.mail.unhandled)
        waiting = 0
        for stored in events:
            error = ""
            try:
                await handle(INBOUND.validate_python(stored.payload), stored.received_at)
            except NotYet:
                waiting += 1
                continue
            except StoreError:  # no fault of the event's: it is looked at again
                raise
            except Exception as err:  # one bad event must not hold up those behind it
                log.exception("event had no effect", extra={"event": stored.event_id})
                error = f"{type(err).__name__}: {err}"
            await asyncio.to_thread(self._store.mail.handled, stored.id, self._now(), error)
        return len(events) == waiting, waiting > 0


async def until(event: asyncio.Event, timeout_s: float) -> None:
    """Wait for an event, but not for ever.

    Not `wait_for`: in Python 3.11 it swallows a cancellation that comes with the event.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()


async def snapshot_or_none(platform: ChatPlatform, ref: Ref) -> Any:
    """The snapshot of a card, None when the platform cannot be asked right now."""
    try:
        return await platform.snapshot(ref)
    except ChatError as err:
        log.warning("no snapshot", extra={"ref": str(ref), "reason": str(err)})
        return None
