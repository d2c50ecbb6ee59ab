"""`DiscordChat`: the port on Discord."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import discord
from discord.http import Route

from adapters.base import (
    Caps,
    Card,
    ChatError,
    ChatRefused,
    ChatSetupError,
    ChatUnavailable,
    Complete,
    Health,
    Inbound,
    Menu,
    Picture,
    Reconnected,
    Ref,
    ReplyCtx,
    Sink,
    Snapshot,
    Verb,
)
from adapters.discord import controls, embeds, emoji, marks, permissions
from adapters.discord.answering import Answering
from adapters.discord.calls import (
    DISCORD_URL,
    UNREACHABLE,
    DiscordRefused,
    login,
    quiet_library,
    speaking,
)
from adapters.discord.client import Client
from adapters.discord.clock import Clock
from adapters.discord.line import Line
from adapters.discord.listening import Listening, ref_to
from adapters.discord.people import ROLE, People
from adapters.discord.posting import MAX_FILES, Posting
from adapters.discord.standing import Standing
from adapters.discord.syncing import sync
from adapters.discord.text import escaped
from adapters.naming import named_in
from adapters.seeding import Seeding

log = logging.getLogger(__name__)

EPHEMERAL = 1 << 6


class DiscordChat:
    """A Discord server.

    Args:
        token: the bot's.
        channel: the channel's id; the bot must see it.
        folder: where it is kept which commands were last synced; None: they are at every start.
        base_url: the REST API; another one for a proxy or tests.
        now: aware UTC.
    """

    name = "discord"
    caps = Caps(max_text=4096, max_buttons=20, max_menu=25, is_idempotent=True, min_interval_s=1.0)

    def __init__(
        self,
        token: str,
        channel: str,
        *,
        folder: Path | None = None,
        base_url: str = DISCORD_URL,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if not channel.isdigit():
            raise ChatSetupError(
                f"JOULERY_DISCORD_CHANNEL = {channel!r}: set it to the channel's id, a number (switch "
                "Developer Mode on, then right-click the channel, Copy Channel ID)"
            )
        self._token, self._channel, self._now = token, int(channel), now
        self._base_url = base_url
        self._digests = folder / "commands.json" if folder else None
        self._verbs: tuple[Sequence[Verb], Complete | None] = ((), None)
        self._sink: Sink | None = None
        self._client: Client | None = None
        self._line: Line | None = None
        self._seeding: Seeding | None = None
        self._menus: dict[Ref, Menu] = {}

    def learn(self, verbs: Sequence[Verb], complete: Complete) -> None:
        """Before `connect`: the commands to show."""
        self._verbs = (verbs, complete)

    # --- coming and going -----------------------------------------------------------------------

    async def connect(self, sink: Sink) -> None:
        """Return when events flow.

        Raises:
            ChatSetupError: the token, an intent, a permission or the channel is wrong.
            ChatUnavailable: Discord cannot be reached.
        """
        quiet_library()
        self._sink = sink
        try:
            place = await self._look()
            self._client = client = Client(permissions.intents(self._flags))
            await login(client, self._token, self._base_url)
            async with speaking():
                self._guild = await client.fetch_guild(place.guild.id)
            self._clock = Clock(self._now)
            self._people = People(client, self._guild)
            self._posting = Posting(client, self._guild.id, self._clock)
            self._listening = Listening(
                client, self._guild.id, self._people, self._posting, self._clock, self._tell_house
            )
            self._standing = Standing(client.http, self._posting, self._listening, self._now)
            Answering(client, self._people, self._listening, self._menus.get, self._verbs)
            await self._posting.shelf(self._channel)  # to know our own cards when events come
            self._line = Line(client, self._missed)
            await self._line.open()
            self._seeding = Seeding(emoji.glyph, self._posting.react)
            await sync(client, self._guild.id, self._verbs[0], self._digests)
        except BaseException as err:  # passed on; only what was opened is ours to close
            await self.close()
            if isinstance(err, ChatRefused):
                raise ChatSetupError(f"channel {self._channel}: {err}") from None
            raise

    async def _look(self) -> permissions.Place:
        """See by REST alone what the bot may be told of, and whether it may do its work."""
        async with discord.Client(intents=discord.Intents(guilds=True)) as scout:
            await login(scout, self._token, self._base_url)
            assert scout.application is not None
            self._flags = scout.application.flags
            place = await permissions.look(scout, self._channel)
            if place.missing:
                lacking = ", ".join(place.missing)
                link = permissions.invite(scout.application.id, place.guild.id)
                raise ChatSetupError(f"in #{place.name} the bot lacks {lacking}; use {link}")
        return place

    async def close(self) -> None:
        """Stop receiving; what was received is committed."""
        self._sink = None
        if self._seeding is not None:
            await self._seeding.close()
            self._seeding = None
        if self._line is not None:
            await self._line.close()
        elif self._client is not None:
            await self._client.close()
        self._line = self._client = None

    def health(self) -> Health:
        """Whether events flow, when the last one came, and what may not be read."""
        if self._client is None or self._line is None or not self._line.is_up:
            trouble = self._line.trouble if self._line is not None else ""
            return Health(is_connected=False, detail=trouble or "no line to Discord")
        last = self._listening.last_at
        detail = f"last event {last:%H:%M:%S} UTC" if last else "no event yet"
        if not permissions.reads_text(self._flags):
            detail += "; without Message Content Intent: texts count that mention the bot"
        return Health(is_connected=True, detail=detail)

    # --- what the bot says ----------------------------------------------------------------------

    async def post_card(self, channel: str, card: Card, key: str) -> Ref:
        """Post a card once: a second call with the same key returns the first message."""
        self._up()
        card, view = await named_in(card, self._people.named), controls.view(card)
        async with self._posting.lock:
            message, is_new = await self._posting.once(
                int(channel),
                key,
                lambda url: embeds.card(card, url),
                view=view,
                pictures=card.pictures,
                title=card.title,
                menu=card.menu,
            )
            for n in range(MAX_FILES, len(card.pictures), MAX_FILES):
                some = card.pictures[n : n + MAX_FILES]
                more = f"Pictures {n + 1} to {n + len(some)}"
                await self._speak(channel, str(message), more, f"{key}:{n}", some)
        ref = ref_to(channel, message)
        self._keep_menu(ref, card)
        if not card.is_blind and self._seeding is not None:  # a reaction shows who gave it
            self._seeding.place(ref, card.seeds, is_new=is_new)
        return ref

    async def find_post(self, channel: str, key: str) -> Ref | None:
        """The message posted under `key`, if it stands."""
        self._up()
        message = await self._posting.find(int(channel), key)
        return ref_to(channel, message) if message else None

    async def edit_card(self, ref: Ref, card: Card) -> None:
        """Replace a card in place; its pictures stay as they were posted."""
        self._up()
        card = await named_in(card, self._people.named)
        self._keep_menu(ref, card)
        menu = None if card.is_closed else card.menu
        await self._edit(ref, lambda url: embeds.card(card, url), menu, controls.view(card))

    async def edit_text(self, ref: Ref, text: str) -> None:
        """Replace something said in place; its pictures stay as they were posted."""
        self._up()
        shown = await self._people.named(text)
        await self._edit(ref, lambda url: embeds.said(shown, url))

    async def _edit(
        self,
        ref: Ref,
        draw: Callable[[str], discord.Embed],
        menu: Menu | None = None,
        view: discord.ui.View | None = None,
    ) -> None:
        """Draw a message anew, under the mark it was posted with."""
        place = self._posting.place(int(ref.thread or ref.channel))
        async with speaking():
            marked = self._posting.mark_of(int(ref.message))
            if marked is None:
                message = await place.fetch_message(int(ref.message))
                self._posting.note(message)
                marked = self._posting.mark_of(message.id) or ""
            url = marks.address(self._posting.address(place.id), marked, menu)
            await place.get_partial_message(int(ref.message)).edit(
                embed=draw(url), view=view, allowed_mentions=discord.AllowedMentions.none()
            )

    async def say(
        self, where: str | Ref, text: str, key: str, *, pictures: Sequence[Picture] = ()
    ) -> Ref:
        """Say something in a channel or in a thread, which is opened for it."""
        self._up()
        channel = where.channel if isinstance(where, Ref) else where
        root = (where.thread or where.message) if isinstance(where, Ref) else ""
        shown = await self._people.named(text)
        async with self._posting.lock:
            return await self._speak(channel, root, shown, key, pictures)

    async def _speak(
        self, channel: str, root: str, text: str, key: str, pictures: Sequence[Picture]
    ) -> Ref:
        def draw(url: str) -> discord.Embed:
            return embeds.said(text, url)

        if root:
            message = await self._posting.in_thread(int(channel), int(root), key, draw, pictures)
            return ref_to(channel, message, int(root))
        message, _ = await self._posting.once(int(channel), key, draw, pictures=pictures)
        return ref_to(channel, message)

    async def whisper(self, user: str, where: str | Ref, text: str, ctx: ReplyCtx | None) -> bool:
        """Tell one person something: as an answer for their eyes only, or directly."""
        if not user.startswith("discord:"):
            return False
        client, shown = self._up(), escaped(await self._people.named(text), 2000)
        if ctx and ctx.token and ctx.expires_at and self._now() < ctx.expires_at:
            answer = Route(
                "POST",
                "/webhooks/{webhook_id}/{webhook_token}",
                webhook_id=client.application_id,
                webhook_token=ctx.token,
            )
            body = {"content": shown, "flags": EPHEMERAL, "allowed_mentions": {"parse": []}}
            try:
                async with speaking():
                    await client.http.request(answer, json=body)
                return True
            except (ChatRefused, ChatSetupError) as err:
                log.info("not answered there", extra={"reason": str(err)})
        return await self._write_to(int(user.removeprefix("discord:")), shown)

    async def _write_to(self, user_id: int, text: str) -> bool:
        """A direct message; False where they take none, or are unknown."""
        client = self._up()
        try:
            async with speaking():
                person = await client.create_dm(discord.Object(user_id))
                await person.send(text, allowed_mentions=discord.AllowedMentions.none())
        except DiscordRefused as err:
            if err.code not in UNREACHABLE:
                raise
            log.info("nobody told", extra={"user": user_id, "reason": str(err)})
            return False
        return True

    async def snapshot(self, ref: Ref) -> Snapshot:
        """All reactions by user and all replies that stand on a message now."""
        self._up()
        return await self._standing.at(ref)

    async def people(self, like: str) -> Mapping[str, tuple[str, ...]]:
        """Who was seen, and whoever Discord finds under a name."""
        self._up()
        return await self._people.like(like)

    def is_group(self, member_id: str) -> bool:
        """Whether an id means a role, such as `discord:role-123`."""
        return member_id.startswith(ROLE)

    async def members(self, group: str) -> frozenset[str] | None:
        """The members with a role: all of them with Server Members Intent, else those seen so far."""
        self._up()
        return await self._people.with_role(group, lists_all=permissions.lists_members(self._flags))

    # --- helpers --------------------------------------------------------------------------------

    def _up(self) -> Client:
        if self._client is None:
            raise ChatUnavailable("not connected to Discord")
        return self._client

    def _keep_menu(self, ref: Ref, card: Card) -> None:
        """Remember a card's form; what is forgotten is read back from the card."""
        if card.menu is not None and not card.is_closed:
            self._menus[ref] = card.menu
        else:
            self._menus.pop(ref, None)

    async def _tell_house(self, event: Inbound) -> None:
        if self._sink is None:
            raise ChatUnavailable("nobody listens")
        await self._sink(event)

    async def _missed(self, since: datetime | None) -> None:
        """The line is up again: events in between may be lost."""
        event = Reconnected(
            event_id=f"reconnected:{secrets.token_hex(8)}",
            user="discord:",
            at=self._now(),
            is_platform_time=False,
            ref=ref_to(self._channel),
            gap_since=since,
        )
        try:
            await self._tell_house(event)
        except (ChatError, OSError) as err:  # the next snapshot finds what is missing
            log.warning("reconnection not recorded", extra={"reason": str(err)})
