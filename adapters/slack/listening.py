"""Bolt's listeners: turn payloads into events, hand them to the house, and only then acknowledge.

No work is done in a handler. The one call made there is `views.open`: Slack wants it within 3 s.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from adapters.base import Card, ChatError, Inbound, Menu, Ref
from adapters.slack import blocks, payloads, scopes
from adapters.slack.calls import Calls, said
from adapters.slack.payloads import Own
from adapters.slack.people import People
from adapters.slack.posted import menu_in

log = logging.getLogger(__name__)

Body = dict[str, Any]
EVENTS = tuple(sorted({name.partition(".")[0] for name in scopes.EVENTS}))
NO_LEVEL = "Choose a level for at least one line."


class Listening:
    """What Slack tells us, on its way to the house."""

    def __init__(
        self,
        own: Own,
        people: People,
        calls: Calls,
        tell: Callable[[Inbound], Awaitable[None]],
        now: Callable[[], datetime],
    ) -> None:
        self._own, self._people, self._calls = own, people, calls
        self._tell_house, self._now = tell, now
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._menus: dict[Ref, Menu] = {}
        self.last_at: datetime | None = None

    def attach(self, app: AsyncApp) -> None:
        """Let Bolt call us."""
        for name in EVENTS:
            app.event(name)(self._event)
        app.command(scopes.COMMAND)(self._command)
        app.action(blocks.MENU)(self._open_form)
        app.action(re.compile(f"^{blocks.CHOICE}-"))(self._press)
        app.view(blocks.LEVELS)(self._submit)

    def keep_menu(self, ref: Ref, card: Card) -> None:
        """Remember a card's form; what is forgotten is read back from Slack."""
        if card.menu is not None and not card.is_closed:
            self._menus[ref] = card.menu
        else:
            self._menus.pop(ref, None)

    # --- listeners ------------------------------------------------------------------------------

    async def _event(self, body: Body) -> None:
        event = payloads.read_event(body, self._own)
        if event is not None:
            await self._tell(event)

    async def _press(self, ack: AsyncAck, body: Body) -> None:
        await self._tell(payloads.read_press(body))
        await ack()

    async def _command(self, ack: AsyncAck, body: Body) -> None:
        await self._tell(payloads.read_command(body, self._now()))
        await ack()

    async def _submit(self, ack: AsyncAck, body: Body) -> None:
        event = payloads.read_submission(body, self._now())
        if not event.values:
            first = next(b["block_id"] for b in body["view"]["blocks"] if b["type"] == "input")
            await ack(response_action="errors", errors={first: NO_LEVEL})
            return
        await self._tell(event)
        await ack()

    async def _open_form(self, ack: AsyncAck, body: Body) -> None:
        box = body["container"]
        ref = payloads.ref_to(box["channel_id"], box["message_ts"], box.get("thread_ts"))
        try:
            menu = self._menus.get(ref) or await self._menu_of(ref)
            if menu is not None:
                self._menus[ref] = menu
                view = blocks.form(menu, ref)
                await said(self._calls.once.views_open(trigger_id=body["trigger_id"], view=view))
        except ChatError as err:
            log.warning("form not opened", extra={"ref": str(ref), "reason": str(err)})
        await ack()

    # --- helpers --------------------------------------------------------------------------------

    async def _tell(self, event: Inbound) -> None:
        """Hand an event of a person to the house, one person's events in the order they came."""
        async with self._turns[event.user]:
            person = await self._people.meet(event.user.removeprefix("slack:"))
            if person.is_bot and event.kind != "card_deleted":
                return
            named = event.model_copy(update={"user_name": person.name})
            await self._tell_house(named)
            self.last_at = self._now()

    async def _menu_of(self, ref: Ref) -> Menu | None:
        """The form of a card that a former bot posted."""
        found = await said(
            self._calls.again.conversations_history(
                channel=ref.channel,
                latest=ref.message,
                inclusive=True,
                limit=1,
                include_all_metadata=True,
            )
        )
        return next((menu_in(m) for m in found["messages"] if m["ts"] == ref.message), None)
