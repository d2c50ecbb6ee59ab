"""What stands in the chat: messages, reactions, answers and boards, with a revision for each change.

A revision is one growing number over everything; whoever knows the last one they saw can ask for
all that changed since. Nothing is ever removed, only marked as deleted, so that works for
deletions, too. Every method is one transaction and may be repeated safely.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, delete, func, or_, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from adapters.base import Board, Card
from adapters.web.tables import Answer, BoardRow, Person, Post, Reaction, Request, transaction

BOARDS_KEPT = 5
"""Charts on the page: those of older runs give way."""

REQUESTS_KEPT = timedelta(days=1)

Present = Callable[[Card, str, Mapping[str, int]], Card]
"""(card, person, answers so far by button id) -> the card as that person is to see it."""


def as_posted(card: Card, _person: str, _said: Mapping[str, int]) -> Card:
    """The same card for everybody."""
    return card


@dataclass(frozen=True)
class Message:
    """A post as one viewer may see it."""

    post: Post
    author_name: str = ""
    reactions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """emoji -> person id -> name, in the order they were placed"""
    choice: str | None = None
    levels: Mapping[str, str] = field(default_factory=dict)
    card: Card | None = None
    """as the viewer is to see it, if the post is one"""


class State:
    """The chat as it stands on disk.

    Args:
        engine: of the chat's file.
        now: aware UTC.
        present: how each person sees a card.
    """

    def __init__(
        self, engine: Engine, now: Callable[[], datetime], present: Present = as_posted
    ) -> None:
        self._engine = engine
        self._now = now
        self._present = present

    # --- writing --------------------------------------------------------------------------------

    def add(
        self,
        key: str | None,
        text: str,
        *,
        card: Card | None = None,
        pictures: Sequence[dict[str, str]] = (),
        thread: int | None = None,
        author: str | None = None,
        only_for: str | None = None,
    ) -> tuple[Post, bool]:
        """The message posted under `key`, and whether it is new."""
        with transaction(self._engine) as db:
            if key and (known := db.scalar(select(Post).where(Post.key == key))):
                return known, False
            post = Post(
                revision=_next_revision(db),
                key=key,
                thread=thread,
                author=author,
                only_for=only_for,
                text=text,
                card=card.model_dump(mode="json") if card else None,
                pictures=list(pictures),
                at=self._now(),
            )
            db.add(post)
            db.flush()
            return post, True

    def change(
        self,
        post_id: int,
        *,
        card: Card | None = None,
        text: str | None = None,
        is_deleted: bool = False,
    ) -> None:
        """Replace a card or a text, or mark the message as deleted."""
        with transaction(self._engine) as db:
            post = db.get_one(Post, post_id)
            if card is not None:
                post.card, post.text = card.model_dump(mode="json"), card.text
            if text is not None:
                post.text, post.edited_at = text, self._now()
            post.is_deleted = post.is_deleted or is_deleted
            post.revision = _next_revision(db)

    def react(self, post_id: int, person: str, emoji: str, *, is_on: bool) -> bool:
        """Put a reaction on a message or take it off; False when that changed nothing."""
        with transaction(self._engine) as db:
            standing = db.get(Reaction, (post_id, person, emoji))
            if (standing is not None) == is_on:
                return False
            if standing is not None:
                db.delete(standing)
            else:
                db.add(Reaction(post_id=post_id, person=person, emoji=emoji, at=self._now()))
            db.get_one(Post, post_id).revision = _next_revision(db)
            return True

    def answer(
        self,
        post_id: int,
        person: str,
        *,
        choice: str | None = None,
        levels: Mapping[str, str] | None = None,
    ) -> None:
        """Remember for the person what they pressed last, and what they filled in on each line."""
        with transaction(self._engine) as db:
            known = db.get(Answer, (post_id, person))
            filled = {**(known.levels or {} if known else {}), **(levels or {})}
            new = {"choice": choice} if choice is not None else {"levels": filled}
            row = insert(Answer).values(post_id=post_id, person=person, **new)
            db.execute(row.on_conflict_do_update(index_elements=["post_id", "person"], set_=new))
            db.get_one(Post, post_id).revision = _next_revision(db)

    def forget_choice(self, post_id: int, person: str) -> None:
        """Let a newer answer stand for the button the person pressed before."""
        with transaction(self._engine) as db:
            if (answer := db.get(Answer, (post_id, person))) and answer.choice is not None:
                answer.choice = None
                db.get_one(Post, post_id).revision = _next_revision(db)

    def show_board(self, board: Board) -> None:
        """Show or replace a chart."""
        with transaction(self._engine) as db:
            body, revision = board.model_dump(mode="json"), _next_revision(db)
            db.merge(BoardRow(board_id=board.board_id, revision=revision, body=body))
            newest = select(BoardRow.board_id).order_by(BoardRow.revision.desc()).limit(BOARDS_KEPT)
            db.execute(delete(BoardRow).where(BoardRow.board_id.not_in(newest)))

    # --- repeats --------------------------------------------------------------------------------

    def request(self, event_id: str) -> Request | None:
        """How a write under this id was answered before."""
        with transaction(self._engine) as db:
            return db.get(Request, event_id)

    def remember(
        self,
        event_id: str,
        event: dict[str, Any] | None,
        answer: dict[str, Any],
        *,
        is_delivered: bool,
    ) -> None:
        """Keep the answer to a write for a day."""
        row = {"event": event, "answer": answer, "is_delivered": is_delivered, "at": self._now()}
        with transaction(self._engine) as db:
            db.execute(delete(Request).where(Request.at < self._now() - REQUESTS_KEPT))
            db.merge(Request(event_id=event_id, **row))

    # --- reading --------------------------------------------------------------------------------

    def post(self, post_id: int) -> Post | None:
        """A message that stands, whoever may see it."""
        with transaction(self._engine) as db:
            post = db.get(Post, post_id)
            return None if post is None or post.is_deleted else post

    def posted(self, key: str) -> int | None:
        """The message posted under `key`, if it stands."""
        with transaction(self._engine) as db:
            return db.scalar(select(Post.id).where(Post.key == key, ~Post.is_deleted))

    def channel(self, viewer: str, *, before: int | None, limit: int) -> list[Message]:
        """The newest `limit` messages older than `before`, and all that is said in their threads."""
        roots = select(Post.id).where(Post.thread.is_(None), ~Post.is_deleted, _visible(viewer))
        roots = roots.where(Post.id < before) if before else roots
        with transaction(self._engine) as db:
            ids = db.scalars(roots.order_by(Post.id.desc()).limit(limit)).all()
            shown = or_(Post.id.in_(ids), Post.thread.in_(ids)) & ~Post.is_deleted
            return self._gather(db, viewer, shown)

    def messages(self, viewer: str, ids: Iterable[int]) -> list[Message]:
        """These messages as they stand, deleted ones too, the latest change last."""
        with transaction(self._engine) as db:
            return self._gather(db, viewer, Post.id.in_(list(ids)))

    def changed_since(self, revision: int) -> tuple[list[int], list[str]]:
        """Messages and boards that changed after `revision`."""
        with transaction(self._engine) as db:
            posts = db.scalars(select(Post.id).where(Post.revision > revision)).all()
            boards = db.scalars(select(BoardRow.board_id).where(BoardRow.revision > revision)).all()
            return list(posts), list(boards)

    def replies(self, root: int) -> list[Post]:
        """What people said in a thread, oldest first."""
        said = (Post.thread == root) & Post.author.is_not(None) & ~Post.is_deleted
        with transaction(self._engine) as db:
            return list(db.scalars(select(Post).where(said).order_by(Post.id)))

    def boards(self) -> list[BoardRow]:
        """All charts, the one that changed last comes last."""
        with transaction(self._engine) as db:
            return list(db.scalars(select(BoardRow).order_by(BoardRow.revision)))

    def revision(self) -> int:
        """The number of the last change."""
        with transaction(self._engine) as db:
            return _next_revision(db) - 1

    def _gather(self, db: Session, viewer: str, which: ColumnElement[bool]) -> list[Message]:
        wanted = select(Post).where(which, _visible(viewer)).order_by(Post.revision)
        posts = db.scalars(wanted).all()
        ids = [post.id for post in posts]
        names = {person.id: person.name for person in db.scalars(select(Person))}
        reactions: dict[int, dict[str, dict[str, str]]] = {}
        for mark in db.scalars(
            select(Reaction).where(Reaction.post_id.in_(ids)).order_by(Reaction.at)
        ):
            by_emoji = reactions.setdefault(mark.post_id, {})
            by_emoji.setdefault(mark.emoji, {})[mark.person] = names[mark.person]
        given = db.scalars(select(Answer).where(Answer.post_id.in_(ids))).all()
        answers = {answer.post_id: answer for answer in given if answer.person == viewer}
        pressed: dict[int, dict[str, set[str]]] = {}
        for answer in given:
            lines = {f"{line}:{level}" for line, level in (answer.levels or {}).items()}
            pressed.setdefault(answer.post_id, {})[answer.person] = {answer.choice or "", *lines}
        return [
            Message(
                post=post,
                author_name=names.get(post.author or "", ""),
                reactions=reactions.get(post.id, {}),
                choice=answers[post.id].choice if post.id in answers else None,
                levels=(answers[post.id].levels or {}) if post.id in answers else {},
                card=self._seen(post, viewer, reactions.get(post.id, {}), pressed.get(post.id, {})),
            )
            for post in posts
        ]

    def _seen(
        self,
        post: Post,
        viewer: str,
        reactions: Mapping[str, Mapping[str, str]],
        pressed: Mapping[str, set[str]],
    ) -> Card | None:
        """The card as the viewer is to see it, if the post is one."""
        if not post.card:
            return None
        card = Card.model_validate(post.card)
        said = {}
        for button in card.buttons:
            people = {person for person, choices in pressed.items() if button.id in choices}
            said[button.id] = len(people | set(reactions.get(button.emoji or "", ())))
        return self._present(card, viewer, said)


def _visible(viewer: str) -> ColumnElement[bool]:
    return or_(Post.only_for.is_(None), Post.only_for == viewer)


def _next_revision(db: Session) -> int:
    posts = db.scalar(select(func.max(Post.revision))) or 0
    boards = db.scalar(select(func.max(BoardRow.revision))) or 0
    return max(posts, boards) + 1
