"""`SlackChat`: the port on Slack. How events get here is `adapters.slack.line`'s business."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from adapters.base import (
    Caps,
    Card,
    ChatRefused,
    ChatSetupError,
    ChatUnavailable,
    Complete,
    Health,
    Home,
    Picture,
    Reconnected,
    Ref,
    ReplyCtx,
    Sink,
    Snapshot,
    Verb,
)
from adapters.naming import named_in
from adapters.slack import blocks, emoji, payloads, scopes
from adapters.slack.calls import SLACK_URL, Calls, SlackRefused, said
from adapters.slack.directory import everybody
from adapters.slack.line import PATH, HttpLine, Line, SocketLine, bolt
from adapters.slack.payloads import ref_to
from adapters.slack.posted import metadata
from adapters.slack.session import Session
from adapters.slack.text import escaped

log = logging.getLogger(__name__)

MAX_SAID = 12_000
ELSEWHERE = frozenset({"user_not_in_channel", "channel_not_found", "not_in_channel"})


class SlackChat:
    """A Slack workspace.

    Args:
        bot_token: `xoxb-...`.
        channel: the channel's id, such as C012AB3CD; the bot must be in it.
        app_token: `xapp-...`, for Socket Mode.
        signing_secret: for HTTP, where there is no `app_token`.
        http_host: where to listen for Slack then.
        http_port: 0 picks a free one.
        base_url: the Web API; another one for GovSlack, or a test's.
        ping_s: s between signs of life on the socket; a lost one is found after that.
        now: aware UTC.
    """

    name = "slack"
    caps = Caps(max_text=3000, max_buttons=25, max_menu=25, is_idempotent=True, min_interval_s=1.0)

    def __init__(
        self,
        bot_token: str,
        channel: str,
        *,
        app_token: str = "",
        signing_secret: str = "",
        http_host: str = "127.0.0.1",
        http_port: int = 0,
        base_url: str = SLACK_URL,
        ping_s: float = 5.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if not (app_token or signing_secret):
            raise ChatSetupError(
                "Slack needs JOULERY_SLACK_APP_TOKEN (Socket Mode) or JOULERY_SLACK_SIGNING_SECRET "
                "(HTTP) beside the bot token; see the README"
            )
        self._bot_token, self._app_token, self._secret = bot_token, app_token, signing_secret
        self._channel, self._base_url, self._now = channel, base_url, now
        self._http, self._ping_s = (http_host, http_port), ping_s
        self._shown: tuple[Sequence[Verb], Complete] | None = None
        self._sink: Sink | None = None
        self._session: Session | None = None
        self._line: Line | None = None

    # --- coming and going -----------------------------------------------------------------------

    def learn(self, verbs: Sequence[Verb], complete: Complete) -> None:
        """Which commands there are; one given without what it needs is asked for with a form."""
        self._shown = (verbs, complete)

    async def connect(self, sink: Sink) -> None:
        """Return when events flow.

        Raises:
            ChatSetupError: a token, a scope, or the bot's place in the channel is missing.
            ChatUnavailable: Slack cannot be reached.
        """
        session = await Session.begin(self._bot_token, self._base_url, self._tell_house, self._now)
        try:
            await session.posted.shelf(self._channel, None)  # also shows whether we are in it
        except BaseException as err:  # passed on; only what was opened is ours to close
            await session.close()
            if isinstance(err, ChatRefused):
                raise ChatSetupError(f"channel {self._channel}: {err}") from None
            raise
        self._sink, self._session, self._line = sink, session, self._new_line(session)
        try:
            await self._line.open()
        except BaseException:  # passed on; only what was opened is ours to close
            await self.close()
            raise

    def _new_line(self, session: Session) -> Line:
        app = bolt(session.calls.again, session.who, self._secret)
        if self._shown is not None:
            session.listening.learn(*self._shown)
        session.listening.attach(app)
        if self._app_token:
            return SocketLine(app, self._app_token, self._missed, self._ping_s)
        return HttpLine(app, *self._http)

    async def close(self) -> None:
        """Stop receiving; what was received is committed."""
        self._sink = None
        line, self._line = self._line, None
        session, self._session = self._session, None
        if line is not None:
            await line.close()
        if session is not None:
            await session.close()

    def health(self) -> Health:
        """Whether events flow, when the last one came, and which scopes are missing."""
        if self._session is None or self._line is None or not self._line.is_up():
            return Health(is_connected=False, detail="no line to Slack")
        last = self._session.listening.last_at
        detail = f"last event {last:%H:%M:%S} UTC" if last else "no event yet"
        if lacking := sorted(self._session.lacking):
            detail += f"; without {', '.join(f'{s} ({scopes.OPTIONAL[s]})' for s in lacking)}"
        return Health(is_connected=True, detail=detail)

    @property
    def events_url(self) -> str:
        """Where Slack is to send events in HTTP mode, as seen from this host.

        Raises:
            ChatSetupError: Socket Mode, or not connected.
        """
        if not isinstance(self._line, HttpLine):
            raise ChatSetupError("in Socket Mode Slack calls no address of ours")
        return f"http://{self._http[0]}:{self._line.port}{PATH}"

    # --- what the bot says ----------------------------------------------------------------------

    async def post_card(self, channel: str, card: Card, key: str) -> Ref:
        """Post a card once: a second call with the same key returns the first message."""
        slack = self._up()
        card = await named_in(card, slack.people.named)
        async with slack.posting.lock:
            ref, is_new = await slack.posting.once(
                channel,
                None,
                key,
                text=escaped(card.text),
                blocks=blocks.message(card),
                metadata=metadata(key, card),
            )
            await slack.posting.pictures(channel, ref.message, card.pictures, key)
        slack.listening.keep_menu(ref, card)
        if not card.is_blind:  # a reaction shows who gave it
            slack.seeding.place(ref, card.seeds, is_new=is_new)
        return ref

    async def find_post(self, channel: str, key: str) -> Ref | None:
        """The message posted under `key`, if it stands."""
        ts = await self._up().posted.find(channel, None, key)
        return ref_to(channel, ts) if ts else None

    async def edit_card(self, ref: Ref, card: Card) -> None:
        """Replace a card in place; its pictures stay as they were posted."""
        slack = self._up()
        card = await named_in(card, slack.people.named)
        slack.listening.keep_menu(ref, card)
        await slack.posted.shelf(ref.channel, ref.thread)
        key = slack.posted.key_at(ref.channel, ref.message)
        await said(
            slack.calls.again.chat_update(
                channel=ref.channel,
                ts=ref.message,
                text=escaped(card.text) or "–",
                blocks=blocks.message(card),
                metadata=metadata(key, card) if key else None,
            )
        )

    async def say(
        self, where: str | Ref, text: str, key: str, *, pictures: Sequence[Picture] = ()
    ) -> Ref:
        """Say something in a channel or in a thread; pictures go into the thread below."""
        slack = self._up()
        channel, thread = _place(where)
        shown = escaped(await slack.people.named(text), MAX_SAID)
        async with slack.posting.lock:
            ref, _ = await slack.posting.once(
                channel, thread, key, text=shown, metadata=metadata(key)
            )
            await slack.posting.pictures(channel, thread or ref.message, pictures, key)
        return ref

    async def edit_text(self, ref: Ref, text: str) -> None:
        """Replace something said in place; its pictures stay as they were posted."""
        slack = self._up()
        await slack.posted.shelf(ref.channel, ref.thread)
        key = slack.posted.key_at(ref.channel, ref.message)
        await said(
            slack.calls.again.chat_update(
                channel=ref.channel,
                ts=ref.message,
                text=escaped(await slack.people.named(text), MAX_SAID),
                metadata=metadata(key) if key else None,
            )
        )

    async def whisper(self, user: str, where: str | Ref, text: str, ctx: ReplyCtx | None) -> bool:
        """Tell one person something: as an answer, in the channel for their eyes only, or directly."""
        if not user.startswith("slack:"):
            return False
        slack, person = self._up(), user.removeprefix("slack:")
        calls, shown = slack.calls, escaped(await slack.people.named(text), MAX_SAID)
        is_fresh = ctx and ctx.token and ctx.expires_at and self._now() < ctx.expires_at
        if ctx and is_fresh and await calls.respond(ctx.token, shown):
            return True
        channel, thread = _place(where)
        try:
            if thread is not None and not await _is_active(calls, channel, thread):
                thread = None  # Slack shows nobody a whisper in a thread that has not begun
            await said(
                calls.again.chat_postEphemeral(
                    channel=channel, user=person, text=shown, thread_ts=thread
                )
            )
        except SlackRefused as err:
            return err.code in ELSEWHERE and await self._write_to(person, shown)
        return True

    async def snapshot(self, ref: Ref) -> Snapshot:
        """All reactions by user and all replies that stand on a message now."""
        slack, asked_at = self._up(), self._now()
        calls, own = slack.calls, slack.own
        found = await said(
            calls.again.reactions_get(channel=ref.channel, timestamp=ref.message, full=True)
        )
        marks = found["message"].get("reactions", ())
        reactions = {
            mark["name"]: await slack.people.humans(frozenset(mark["users"]) - {own.user})
            for mark in marks
        }
        replies = []
        async for page in calls.pages(
            "conversations_replies", channel=ref.channel, ts=ref.thread or ref.message
        ):
            replies += [payloads.read_reply(m, own) for m in page if m["ts"] != ref.message]
        return Snapshot(
            reactions={
                raw: frozenset(f"slack:{user}" for user in users)
                for raw, users in reactions.items()
                if users
            },
            canonical={raw: emoji.read(raw).canonical for raw, users in reactions.items() if users},
            replies=tuple(reply for reply in replies if reply is not None),
            # of a crowd Slack may name only some, though it counts all
            is_complete=all(len(mark["users"]) >= mark["count"] for mark in marks),
            asked_at=asked_at,
        )

    async def show_home(self, user: str, home: Home) -> None:
        """Show or replace somebody's Home tab."""
        calls, person = self._up().calls, user.removeprefix("slack:")
        await said(calls.again.views_publish(user_id=person, view=blocks.home(home)))

    async def people(self, like: str) -> Mapping[str, tuple[str, ...]]:
        """Everybody in the workspace; Slack searches for nobody."""
        return await everybody(self._up().calls)

    def is_group(self, member_id: str) -> bool:
        """Whether an id means a user group: Slack's begin with S, people's with U or W."""
        return member_id.startswith("slack:S")

    async def members(self, group: str) -> frozenset[str] | None:
        """The member ids of a user group such as `slack:S012`; None when there is none."""
        calls, group_id = self._up().calls, group.removeprefix("slack:")
        try:
            found = await said(calls.again.usergroups_users_list(usergroup=group_id))
        except SlackRefused:
            return None
        return frozenset(f"slack:{user}" for user in found["users"])

    # --- helpers --------------------------------------------------------------------------------

    def _up(self) -> Session:
        if self._session is None:
            raise ChatUnavailable("not connected to Slack")
        return self._session

    async def _write_to(self, person: str, text: str) -> bool:
        """A direct message; False where the app may not, or they are unknown."""
        calls = self._up().calls
        try:
            opened = await said(calls.again.conversations_open(users=person))
            await said(calls.again.chat_postMessage(channel=opened["channel"]["id"], text=text))
        except (ChatRefused, ChatSetupError) as err:
            log.info("nobody told", extra={"user": person, "reason": str(err)})
            return False
        return True

    async def _tell_house(self, event: Any) -> None:
        if self._sink is None:
            raise ChatUnavailable("nobody listens")
        if event.kind == "card_deleted":
            self._up().posted.gone(event.ref.channel, event.ref.message)
        await self._sink(event)

    async def _missed(self, since: datetime) -> None:
        """The socket is a new one: events in between may be lost."""
        event = Reconnected(
            event_id=f"reconnected:{secrets.token_hex(8)}",
            user="slack:",
            at=self._now(),
            is_platform_time=False,
            ref=ref_to(self._channel, ""),
            gap_since=since,
        )
        try:
            await self._tell_house(event)
        except Exception:  # whatever the sink raises: the next snapshot finds what is missing
            log.warning("reconnection not recorded", exc_info=True)


async def _is_active(calls: Calls, channel: str, thread: str) -> bool:
    found = await said(calls.again.conversations_replies(channel=channel, ts=thread, limit=2))
    return len(found["messages"]) > 1


def _place(where: str | Ref) -> tuple[str, str | None]:
    """The channel and the thread to speak in."""
    if isinstance(where, Ref):
        return where.channel, (where.thread or where.message) or None
    return where, None
