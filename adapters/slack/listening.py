"""Bolt's listeners: turn payloads into events, hand them to the house, and only then acknowledge.

No work is done in a handler. The one call made there is `views.open`: Slack wants it within 3 s.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from adapters.base import Card, ChatError, Complete, Inbound, Menu, Ref, Verb
from adapters.slack import blocks, forms, payloads, scopes
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
        self._verbs: Sequence[Verb] = ()
        self._complete: Complete | None = None
        self._receipts: set[asyncio.Task[bool]] = set()
        self.last_at: datetime | None = None

    def learn(self, verbs: Sequence[Verb], complete: Complete) -> None:
        """Which commands there are, and what may be meant by what somebody types."""
        self._verbs, self._complete = verbs, complete

    def attach(self, app: AsyncApp) -> None:
        """Let Bolt call us."""
        for name in EVENTS:
            app.event(name)(self._event)
        app.command(scopes.COMMAND)(self._command)
        app.action(blocks.MENU)(self._open_form)
        app.action(re.compile(f"^{blocks.CHOICE}-"))(self._press)
        app.view(blocks.LEVELS)(self._submit)
        app.view(forms.COMMAND)(self._submit_command)
        app.options(re.compile(f"^{forms.MEANT}-"))(self._suggest)

    async def close(self) -> None:
        """Give no more receipts."""
        for task in list(self._receipts):
            task.cancel()
        await asyncio.gather(*self._receipts, return_exceptions=True)

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
        if said := payloads.receipt(body):  # not awaited: the acknowledgement must not wait
            task = asyncio.create_task(self._calls.respond(body["response_url"], said))
            self._receipts.add(task)
            task.add_done_callback(self._receipts.discard)

    async def _command(self, ack: AsyncAck, body: Body) -> None:
        event = payloads.read_command(body, self._now())
        verb = forms.wanting(event.words, self._verbs)
        if verb is None or not await self._opened(body, forms.form(verb, event.ref.channel)):
            await self._tell(event)
        await ack()

    async def _submit_command(self, ack: AsyncAck, body: Body) -> None:
        words = forms.words(body["view"], self._verbs)
        _, channel = forms.about(body["view"])
        await self._tell(payloads.read_form_command(body, channel, words, self._now()))
        await ack()

    async def _suggest(self, ack: AsyncAck, body: Body) -> None:
        meant: Sequence[str] = ()
        if self._complete is not None:
            verb, _ = forms.about(body["view"])
            meant = await self._complete(verb, body["block_id"], body.get("value", ""))
        await ack(options=forms.suggestions(meant))

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
        menu = self._menus.get(ref) or await self._menu_of(ref)
        if menu is not None:
            self._menus[ref] = menu
            await self._opened(body, blocks.form(menu, ref))
        await ack()

    # --- helpers --------------------------------------------------------------------------------

    async def _tell(self, event: Inbound) -> None:
        """Hand an event of a person to the house, one person's events in the order they came."""
        async with self._turns[event.user]:
            person = await self._people.meet(event.user.removeprefix("slack:"))
            if person.is_bot and event.kind != "card_deleted":
                return
            known = {"user_name": person.name, "timezone": person.timezone, "locale": person.locale}
            await self._tell_house(event.model_copy(update=known))
            self.last_at = self._now()

    async def _opened(self, body: Body, view: blocks.Block) -> bool:
        """Whether a form could be opened for who just acted."""
        try:
            await said(self._calls.once.views_open(trigger_id=body["trigger_id"], view=view))
        except ChatError as err:
            log.warning("form not opened", extra={"reason": str(err)})
            return False
        return True

    async def _menu_of(self, ref: Ref) -> Menu | None:
        """The form of a card that a former bot posted."""
        asking = self._calls.again.conversations_history(
            channel=ref.channel,
            latest=ref.message,
            inclusive=True,
            limit=1,
            include_all_metadata=True,
        )
        try:
            found = await said(asking)
        except ChatError as err:
            log.warning("form not found", extra={"ref": str(ref), "reason": str(err)})
            return None
        return next((menu_in(m) for m in found["messages"] if m["ts"] == ref.message), None)
