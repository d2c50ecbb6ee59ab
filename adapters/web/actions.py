"""What people do, in the order that loses nothing.

Reactions and texts stand first and are then told to the bot, who finds them in a snapshot, too;
presses, forms and commands are kept by nobody else, so they stand once the bot committed them.
Every write carries a key. A repeat under the same key changes nothing and gets the same answer;
if the bot could not be told the first time, it is told again, with the very same event.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.base import (
    INBOUND,
    ButtonPressed,
    Card,
    CommandInvoked,
    Emoji,
    FormSubmitted,
    Inbound,
    ReactionAdded,
    ReactionRemoved,
    Ref,
    ReplyCtx,
    ReplyDeleted,
    ReplyEdited,
    Sink,
    ThreadReply,
)
from adapters.web.people import Visitor
from adapters.web.state import State
from adapters.web.tables import Post
from adapters.web.views import WORDS, is_answer

log = logging.getLogger(__name__)

COMMAND = "/joulery"
NOT_RECORDED = "Not recorded: the bot could not take it. Please press again."


class Refusal(Exception):  # noqa: N818 -- reads as what happened
    """The person cannot do that; `status` is the HTTP status, the text is for them."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Actor:
    """Who acts, and the id of this one write."""

    visitor: Visitor
    event_id: str
    timezone: str = ""  # of the browser's clock
    locale: str = ""


class Actions:
    """People's writes: into the state, to the open pages, and to the bot."""

    def __init__(
        self,
        state: State,
        channel: str,
        publish: Callable[[int], None],
        now: Callable[[], datetime],
    ) -> None:
        self._state = state
        self._channel = channel
        self._publish = publish
        self._now = now
        self.sink: Sink | None = None

    async def react(self, actor: Actor, post_id: int, emoji: str, *, is_on: bool) -> dict[str, Any]:
        """Put a reaction on a message or take it off."""
        if repeated := await self._repeat(actor):
            return repeated
        post = self._open_card(actor, post_id)
        if emoji not in WORDS:
            raise Refusal(404, "There is no such reaction here.")
        kind = ReactionAdded if is_on else ReactionRemoved
        event = kind(**self._about(actor, post), emoji=Emoji(raw=emoji, canonical=emoji))
        is_new = self._state.react(post_id, actor.visitor.id, emoji, is_on=is_on)
        if is_new and is_on and is_answer(_card(post), emoji):
            self._state.forget_choice(post_id, actor.visitor.id)
        return await self._tell(actor, event if is_new else None, post_id)

    async def say(self, actor: Actor, text: str, thread: int | None) -> dict[str, Any]:
        """Say something in the channel or a thread, or give a command."""
        words = text.split()
        if words and words[0] == COMMAND:
            return await self._command(actor, " ".join(words[1:]), thread)
        if not words:
            raise Refusal(422, "There is nothing to send.")
        if repeated := await self._repeat(actor):
            return repeated
        if thread is None:
            said, _ = self._state.add(actor.event_id, text, author=actor.visitor.id)
            return await self._tell(actor, None, said.id)  # small talk: nobody's thread
        root = self._root(actor, thread)
        said, _ = self._state.add(actor.event_id, text, thread=root.id, author=actor.visitor.id)
        event = ThreadReply(**self._about(actor, root), reply_id=str(said.id), text=text)
        return await self._tell(actor, event, said.id)

    async def edit(self, actor: Actor, post_id: int, text: str) -> dict[str, Any]:
        """Change an own text."""
        if repeated := await self._repeat(actor):
            return repeated
        post, root = self._own(actor, post_id)
        if not text.strip() or post.only_for:
            raise Refusal(422, "There is nothing to change it to.")
        event = None
        if text != post.text:
            self._state.change(post_id, text=text)
        if root and text != post.text:
            event = ReplyEdited(**self._about(actor, root), reply_id=str(post_id), text=text)
        return await self._tell(actor, event, post_id)

    async def delete(self, actor: Actor, post_id: int) -> dict[str, Any]:
        """Take back an own text, or dismiss a whisper."""
        if repeated := await self._repeat(actor):
            return repeated
        post, root = self._own(actor, post_id)
        self._state.change(post_id, is_deleted=True)
        event = None
        if root and not post.only_for:
            event = ReplyDeleted(**self._about(actor, root), reply_id=str(post_id))
        return await self._tell(actor, event, post_id)

    async def press(self, actor: Actor, post_id: int, choice: str) -> dict[str, Any]:
        """Press a button of a card.

        Raises:
            Refusal: 503 when the bot did not commit it; nothing stands then.
        """
        if repeated := await self._repeat(actor):
            return repeated
        post = self._open_card(actor, post_id)
        [seen] = self._state.messages(actor.visitor.id, [post_id])
        button = next((b for b in seen.card.buttons if b.id == choice), None) if seen.card else None
        if button is None:
            raise Refusal(404, "This card has no such button.")
        event = ButtonPressed(**self._about(actor, post), choice=choice, ctx=self._ctx)
        answer = await self._commit(actor, event, post_id)
        if button.part:  # stands beside others, as if the line of the menu was filled in
            level = choice.removeprefix(f"{button.part}:")
            self._state.answer(post_id, actor.visitor.id, levels={button.part: level})
        else:
            self._state.answer(post_id, actor.visitor.id, choice=choice)
        self._publish(post_id)
        return answer

    async def submit(self, actor: Actor, post_id: int, values: Mapping[str, str]) -> dict[str, Any]:
        """Fill in a card's menu, in part or as a whole; refused like a press."""
        if repeated := await self._repeat(actor):
            return repeated
        post = self._open_card(actor, post_id)
        menu = _card(post).menu
        known = {key for key, _ in menu.options} if menu else set()
        levels = {level for level, _ in menu.levels} if menu else set()
        if not values or not (values.keys() <= known and set(values.values()) <= levels):
            raise Refusal(422, "Please choose a level for at least one line.")
        event = FormSubmitted(**self._about(actor, post), values=dict(values), ctx=self._ctx)
        answer = await self._commit(actor, event, post_id)
        self._state.answer(post_id, actor.visitor.id, levels=values)
        self._publish(post_id)
        return answer

    async def _command(self, actor: Actor, words: str, thread: int | None) -> dict[str, Any]:
        if repeated := await self._repeat(actor):
            return repeated
        root = self._root(actor, thread) if thread else None
        event = CommandInvoked(**self._about(actor, root), words=words, ctx=self._ctx)
        return await self._commit(actor, event, None)

    # --- telling the bot ------------------------------------------------------------------------

    async def _repeat(self, actor: Actor) -> dict[str, Any] | None:
        known = self._state.request(actor.event_id)
        if known is None:
            return None
        if known.is_delivered or known.event is None:
            return known.answer
        event = INBOUND.validate_python(known.event)
        return await self._tell(actor, event, known.answer["id"])

    async def _tell(self, actor: Actor, event: Inbound | None, post_id: int) -> dict[str, Any]:
        """Tell what stands already; a bot that cannot be told finds it in the next snapshot."""
        self._publish(post_id)
        if event is not None:
            self._remember(actor, post_id, event, is_delivered=False)
        is_delivered = event is None or await self._deliver(event)
        return self._remember(actor, post_id, event, is_delivered=is_delivered)

    async def _commit(self, actor: Actor, event: Inbound, post_id: int | None) -> dict[str, Any]:
        if not await self._deliver(event):
            raise Refusal(503, NOT_RECORDED)
        return self._remember(actor, post_id, event, is_delivered=True)

    def _remember(
        self, actor: Actor, post_id: int | None, event: Inbound | None, *, is_delivered: bool
    ) -> dict[str, Any]:
        answer = {"id": post_id, "is_delivered": is_delivered}
        body = event.model_dump(mode="json") if event else None
        self._state.remember(actor.event_id, body, answer, is_delivered=is_delivered)
        return answer

    async def _deliver(self, event: Inbound) -> bool:
        if self.sink is None:
            return False
        try:
            await self.sink(event)
        except Exception:  # whatever the sink raises: it was not recorded
            log.warning("event not recorded", exc_info=True, extra={"event_id": event.event_id})
            return False
        return True

    # --- what it is about -----------------------------------------------------------------------

    def _about(self, actor: Actor, post: Post | None) -> dict[str, Any]:
        return {
            "event_id": actor.event_id,
            "user": f"web:{actor.visitor.id}",
            "user_name": actor.visitor.name,
            "timezone": actor.timezone,
            "locale": actor.locale,
            "at": self._now(),
            "ref": message_ref(self._channel, post),
        }

    @property
    def _ctx(self) -> ReplyCtx:
        return ReplyCtx(channel=self._channel)

    def _seen(self, actor: Actor, post_id: int) -> Post:
        post = self._state.post(post_id)
        if post is None or post.only_for not in (None, actor.visitor.id):
            raise Refusal(404, "This message is gone.")
        return post

    def _root(self, actor: Actor, post_id: int) -> Post:
        post = self._seen(actor, post_id)
        return self._seen(actor, post.thread) if post.thread else post

    def _open_card(self, actor: Actor, post_id: int) -> Post:
        post = self._seen(actor, post_id)
        if post.card and _card(post).is_closed:
            raise Refusal(409, "This card is closed.")
        return post

    def _own(self, actor: Actor, post_id: int) -> tuple[Post, Post | None]:
        post = self._seen(actor, post_id)
        if actor.visitor.id not in (post.author, post.only_for):
            raise Refusal(403, "Only who wrote it can change it.")
        return post, self._state.post(post.thread) if post.thread else None


def message_ref(channel: str, post: Post | None) -> Ref:
    """The house's id of a message; without one, of the channel."""
    thread = str(post.thread) if post and post.thread else None
    return Ref(platform="web", channel=channel, message=str(post.id) if post else "", thread=thread)


def _card(post: Post) -> Card:
    return Card.model_validate(post.card) if post.card else Card(text="")
