"""Presses, forms and commands: committed first, then answered, to their giver alone.

Discord wants an answer within 3 s. What takes longer to commit is told to wait, what could not be
committed that it was not: nobody is left to believe in a vote that is not there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import discord

from adapters.base import (
    ButtonPressed,
    ChatError,
    CommandInvoked,
    Complete,
    FormSubmitted,
    Inbound,
    Menu,
    Ref,
    ReplyCtx,
    Verb,
)
from adapters.discord import controls, marks, verbs
from adapters.discord.calls import ANSWERED, DiscordRefused, speaking
from adapters.discord.client import Client
from adapters.discord.listening import Listening, ref_to
from adapters.discord.people import People
from adapters.discord.text import escaped

log = logging.getLogger(__name__)

PATIENCE_S = 2.0
COMPLETE_S = 2.0
TOKEN_LIFE = timedelta(minutes=14)  # of 15
NOT_RECORDED = "Not recorded, please try again."
NO_LEVEL = "Choose a level for at least one line."
NO_FORM = "Not recorded: I don't know this form any more; answer in the thread instead."
MAX_OFFERED = 25


class Answering:
    """The client's listener for interactions."""

    def __init__(
        self,
        client: Client,
        people: People,
        listening: Listening,
        menu_of: Callable[[Ref], Menu | None],
        shown: tuple[Sequence[Verb], Complete | None],
    ) -> None:
        self._people, self._listening, self._menu_of = people, listening, menu_of
        self._verbs, self._complete = shown
        client.pressed, client.opened = self.pressed, self.opened
        client.event(self.on_interaction)

    async def pressed(self, press: discord.Interaction, choice: str, label: str) -> None:
        """A card's button."""
        event = ButtonPressed(**self._about(press), choice=choice, ctx=self._ctx(press))
        await self._record(press, event, f"Recorded: {escaped(label, 300)}")

    async def opened(self, press: discord.Interaction, first: int) -> None:
        """A card's form is asked for."""
        about, message = self._ref(press), press.message
        menu = self._menu_of(about)
        if menu is None and message is not None and message.embeds:
            menu = marks.menu_in(message.embeds[0].url)
        if menu is None or first >= len(menu.options):
            await self._say(press, NO_FORM)
            return
        try:
            async with speaking():
                form = controls.form(menu, first, about, press.id)
                await press.response.send_modal(form)
        except ChatError as err:
            log.warning("form not opened", extra={"ref": str(about), "reason": str(err)})

    async def on_interaction(self, given: discord.Interaction) -> None:
        """Forms and commands; buttons have found their way already."""
        data: Any = given.data or {}
        if given.type is discord.InteractionType.modal_submit:
            await self._submitted(given, data)
        elif given.type is discord.InteractionType.application_command:
            words = verbs.words(self._verbs, data)
            event = CommandInvoked(**self._about(given), words=words, ctx=self._ctx(given))
            await self._record(given, event, f"Heard: {escaped(words, 1500)}")
        elif given.type is discord.InteractionType.autocomplete:
            await self._offer(given, data)

    async def _submitted(self, form: discord.Interaction, data: Any) -> None:
        about = controls.form_about(data["custom_id"])
        if about is None:
            return
        values = controls.read_form(data)
        if not values:
            await self._say(form, NO_LEVEL)
            return
        given = self._about(form) | {"ref": about}
        event = FormSubmitted(**given, values=values, ctx=self._ctx(form))
        n = len(values)
        await self._record(form, event, f"Recorded: {n} level{'s' if n > 1 else ''}")

    async def _offer(self, given: discord.Interaction, data: Any) -> None:
        if self._complete is None:
            return
        try:
            async with speaking(COMPLETE_S):
                meant = await self._complete(*verbs.focused(data))
                choices = [
                    discord.app_commands.Choice(name=text[:100], value=text[:100])
                    for text in meant[:MAX_OFFERED]
                ]
                await given.response.autocomplete(choices)
        except ChatError as err:  # they can type on without it
            log.info("nothing offered", extra={"reason": str(err)})

    # --- committing and answering ---------------------------------------------------------------

    async def _record(self, given: discord.Interaction, event: Inbound, receipt: str) -> None:
        self._people.see(given.user)
        commit = asyncio.ensure_future(self._listening.tell(event))
        done, _ = await asyncio.wait({commit}, timeout=PATIENCE_S)
        if not done:
            await self._defer(given)
        try:
            await commit
        except Exception as err:  # noqa: BLE001 -- whatever the house raises: it was not recorded
            log.warning("not recorded", extra={"event": event.event_id, "reason": str(err)})
            receipt = NOT_RECORDED
        await self._say(given, receipt)

    async def _defer(self, given: discord.Interaction) -> None:
        try:
            async with speaking():
                await given.response.defer(ephemeral=True, thinking=True)
        except ChatError as err:
            log.info("nobody told to wait", extra={"reason": str(err)})

    async def _say(self, given: discord.Interaction, text: str) -> None:
        try:
            async with speaking():
                if given.response.is_done():
                    await given.edit_original_response(content=text)
                else:
                    await given.response.send_message(text, ephemeral=True)
        except ChatError as err:  # 10062: three seconds are over, Discord said so itself
            is_double = isinstance(err, DiscordRefused) and err.code == ANSWERED
            log.log(
                logging.ERROR if is_double else logging.WARNING,
                "answer not taken",
                extra={"reason": str(err)},
            )

    # --- reading --------------------------------------------------------------------------------

    def _about(self, given: discord.Interaction) -> dict[str, Any]:
        return {
            "event_id": f"i:{given.id}",
            "user": f"discord:{given.user.id}",
            "at": given.created_at,
            "ref": self._ref(given),
            "locale": str(given.locale),
        }

    def _ref(self, given: discord.Interaction) -> Ref:
        place, message = given.channel, given.message.id if given.message else None
        if isinstance(place, discord.Thread):
            if message is None:  # a command in a thread is about what the thread is about
                return ref_to(place.parent_id, place.id)
            return ref_to(place.parent_id, message, place.id)
        return ref_to(given.channel_id or "", message or "")

    def _ctx(self, given: discord.Interaction) -> ReplyCtx:
        channel = str(given.channel_id or "")
        return ReplyCtx(
            channel=channel, token=given.token, expires_at=given.created_at + TOKEN_LIFE
        )
