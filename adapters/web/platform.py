"""`WebChat`: the chat platform that needs no chat service, only a browser.

Its state file plays the part Slack's servers play: what people did stands there, whether or not
the bot listens, and `snapshot` reads it back. The server itself is in `adapters.web.server`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from aiohttp import web

from adapters.base import (
    Board,
    Caps,
    Card,
    ChatRefused,
    ChatSetupError,
    Health,
    Picture,
    Ref,
    Reply,
    ReplyCtx,
    Sink,
    Snapshot,
)
from adapters.text import clean
from adapters.web.actions import Actions, message_ref
from adapters.web.address import base_url, listen, served_hosts
from adapters.web.feed import Hub
from adapters.web.forgetting import forget
from adapters.web.intake import drawable, fitting
from adapters.web.pages import PAGE_LENGTH
from adapters.web.people import BOT, People
from adapters.web.pictures import Pictures
from adapters.web.server import Server
from adapters.web.state import Present, State, as_posted
from adapters.web.tables import Post, open_database
from adapters.web.views import WORDS

LINK_LIFE = timedelta(days=2)


class WebChat:
    """A chat page of our own.

    Args:
        state_path: the chat's SQLite file; pictures go into a folder beside it.
        host: what to listen on; anything but a loopback address is seen by the network.
        port: 0 picks a free one.
        channel: the one channel there is.
        open_link: a demo on one's own machine: one link lets everybody in who has it.
        allowed_hosts: further values of the Host header, e.g. of a proxy in front.
        now: aware UTC.
        present: how each person sees a card; everybody alike unless told.
    """

    name = "web"
    caps = Caps(
        max_text=20_000,
        max_buttons=25,
        max_menu=25,
        is_idempotent=True,
        min_interval_s=0.0,
        hides_reactions=True,
    )

    def __init__(
        self,
        state_path: Path,
        host: str = "127.0.0.1",
        port: int = 0,
        channel: str = "joulery",
        *,
        open_link: bool = False,
        allowed_hosts: Sequence[str] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        present: Present = as_posted,
    ) -> None:
        self._host = host
        self._port = port
        self._channel = channel
        self._allowed_hosts = allowed_hosts
        self._now = now
        self._open_token = secrets.token_urlsafe(24) if open_link else None
        self._pictures = Pictures(state_path.with_name(state_path.name + ".files"))
        self._cookie = "joulery-" + sha256(str(state_path.resolve()).encode()).hexdigest()[:8]
        self._engine = open_database(state_path)
        self._state = State(self._engine, now, present)
        self._people = People(self._engine, self._open_token, now)
        self._hub = Hub()
        self._actions = Actions(self._state, channel, self._hub.publish, now)
        self._runner: web.AppRunner | None = None

    async def forget(self, user: str, pseudonym: str) -> None:
        """Put a pseudonym in somebody's place in the chat's file; they are logged out."""
        person_id = user.removeprefix("web:")
        await asyncio.to_thread(forget, self._engine, person_id, pseudonym, self._now())

    # --- coming and going -----------------------------------------------------------------------

    async def connect(self, sink: Sink) -> None:
        """Serve the page; what people do goes to `sink`.

        Raises:
            ChatSetupError: the address cannot be listened on.
        """
        listener = listen(self._host, self._port)
        self._port = listener.getsockname()[1]
        self._actions.sink = sink
        server = Server(
            self._state,
            self._people,
            self._actions,
            self._hub,
            channel=self._channel,
            pictures=self._pictures,
            cookie=self._cookie,
        )
        app = server.app(served_hosts(self._host, self._port, self._allowed_hosts))
        # no access log: it would hold the tokens of the links
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def close(self) -> None:
        """Stop serving; open pages reconnect by themselves when the chat is back."""
        self._actions.sink = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self._engine.dispose()

    @property
    def url(self) -> str:
        """Where the page is; alone it lets nobody in.

        Raises:
            ChatSetupError: the port is not known before `connect` if any free one will do.
        """
        return base_url(self._host, self._port, self._allowed_hosts)

    def entry_url(self) -> str:
        """The open link of a demo, good while the program runs.

        Raises:
            ChatSetupError: there is none.
        """
        if self._open_token is None:
            raise ChatSetupError("There is no open link; make a personal one with invite(name).")
        return f"{self.url}/enter?token={self._open_token}"

    def invite(self, name: str, life: timedelta = LINK_LIFE) -> str:
        """A personal link that lets one browser in as `name`, once, within `life`.

        Works from another process, too, while the bot runs.

        Raises:
            ChatRefused: the name will not do.
        """
        try:
            return f"{self.url}/enter?token={self._people.invite(name, life)}"
        except ValueError as err:
            raise ChatRefused(str(err)) from err

    def health(self) -> Health:
        """Served or not, and how many pages are open."""
        if self._runner is None:
            return Health(is_connected=False, detail="not served")
        address = base_url(self._host, self._port, ())
        return Health(is_connected=True, detail=f"{address}, {len(self._hub)} pages open")

    # --- what the bot says ----------------------------------------------------------------------

    async def post_card(self, channel: str, card: Card, key: str) -> Ref:
        """Post a card once: a second call with the same key returns the first message."""
        kept = [self._pictures.keep(picture) for picture in card.pictures]
        root = self._root(channel)
        return self._add(key, card.text, root, card=fitting(card), pictures=kept)

    async def find_post(self, channel: str, key: str) -> Ref | None:
        """The message posted under `key`, if it stands."""
        self._root(channel)
        post_id = self._state.posted(f"{BOT}/{key}")
        post = self._state.post(post_id) if post_id else None
        return message_ref(channel, post) if post else None

    async def edit_card(self, ref: Ref, card: Card) -> None:
        """Replace a card in place; its pictures stay as they were posted."""
        post = self._find(ref)
        self._state.change(post.id, card=fitting(card))
        self._hub.publish(post.id)

    async def say(
        self, where: str | Ref, text: str, key: str, *, pictures: Sequence[Picture] = ()
    ) -> Ref:
        """Say something in the channel or in a thread."""
        kept = [self._pictures.keep(picture) for picture in pictures]
        return self._add(key, text, self._root(where), pictures=kept)

    async def edit_text(self, ref: Ref, text: str) -> None:
        """Replace something said in place; its pictures stay as they were posted."""
        post = self._find(ref)
        self._state.change(post.id, text=clean(text))
        self._hub.publish(post.id)

    async def whisper(self, user: str, where: str | Ref, text: str, ctx: ReplyCtx | None) -> bool:
        """Tell one person something; it stands for them until they dismiss it."""
        person = user.removeprefix("web:")
        if not self._people.knows(person):
            return False
        thread = self._root(where)
        post, _ = self._state.add(None, clean(text), thread=thread, only_for=person)
        self._hub.publish(post.id)
        return True

    async def people(self, like: str) -> Mapping[str, tuple[str, ...]]:
        """Everybody who has ever come in."""
        called = await asyncio.to_thread(self._people.called)
        return {f"web:{person}": names for person, names in called.items()}

    async def snapshot(self, ref: Ref) -> Snapshot:
        """All reactions by user and all replies that stand on a message now."""
        post = self._find(ref)
        [message] = self._state.messages("", [post.id])
        reactions = {
            emoji: frozenset(f"web:{person}" for person in people)
            for emoji, people in message.reactions.items()
        }
        return Snapshot(
            reactions=reactions,
            canonical={emoji: emoji if emoji in WORDS else None for emoji in reactions},
            replies=tuple(
                Reply(reply_id=str(said.id), user=f"web:{said.author}", text=said.text, at=said.at)
                for said in self._state.replies(post.thread or post.id)
            ),
            is_complete=True,
            asked_at=self._now(),
        )

    async def show_board(self, board: Board) -> None:
        """Show or replace the chart with this id."""
        self._state.show_board(drawable(board))
        self._hub.publish(board.board_id)

    def redraw(self) -> None:
        """Draw the newest messages again on every open page: people may see them otherwise now."""
        for message in self._state.channel("", before=None, limit=PAGE_LENGTH):
            self._hub.publish(message.post.id)

    # --- helpers --------------------------------------------------------------------------------

    def _add(
        self,
        key: str,
        text: str,
        thread: int | None,
        *,
        card: Card | None = None,
        pictures: Sequence[dict[str, str]] = (),
    ) -> Ref:
        post, is_new = self._state.add(
            f"{BOT}/{key}", clean(text), card=card, pictures=pictures, thread=thread
        )
        if is_new:
            self._hub.publish(post.id)
        return message_ref(self._channel, post)

    def _root(self, where: str | Ref) -> int | None:
        """The message whose thread `where` means; None for the channel itself."""
        if isinstance(where, Ref) and where.message:
            post = self._find(where)
            return post.thread or post.id
        channel = where.channel if isinstance(where, Ref) else where
        if channel != self._channel:
            raise ChatRefused(f"There is no channel {channel!r} here, only {self._channel!r}.")
        return None

    def _find(self, ref: Ref) -> Post:
        is_ours = ref.platform == self.name and ref.message.isdecimal()
        post = self._state.post(int(ref.message)) if is_ours else None
        if post is None:
            raise ChatRefused(f"There is no message {ref} (any more).")
        return post
