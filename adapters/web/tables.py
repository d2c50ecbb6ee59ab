"""The tables of the web chat's own small SQLite file, and how it is opened.

They are to this platform what Slack's servers are to Slack: no row here is known outside
`adapters.web`, and losing the file loses the chat, never the votes the bot has committed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Engine, ForeignKey, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.types import TypeDecorator

from adapters.base import ChatSetupError, ChatUnavailable


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time; SQLite itself keeps no zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC without a zone."""
        return value and value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        return value and value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Keeps these tables apart from the house's own metadata."""

    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSON, list[dict[str, str]]: JSON}  # noqa: RUF012 -- SQLAlchemy's own spelling


class Post(Base):
    """One message: a card, a text of the bot, of a person, or a whisper."""

    __tablename__ = "post"

    id: Mapped[int] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(index=True)  # grows with every change of anything
    key: Mapped[str | None] = mapped_column(unique=True)  # idempotency key of the poster
    thread: Mapped[int | None] = mapped_column(ForeignKey("post.id"), index=True)
    author: Mapped[str | None] = mapped_column(ForeignKey("person.id"))  # None: the bot
    only_for: Mapped[str | None] = mapped_column(ForeignKey("person.id"))  # whispers
    text: Mapped[str]
    card: Mapped[dict[str, Any] | None]
    pictures: Mapped[list[dict[str, str]]] = mapped_column(default=list)
    at: Mapped[datetime]
    edited_at: Mapped[datetime | None]
    is_deleted: Mapped[bool] = mapped_column(default=False)


class Reaction(Base):
    """One emoji of one person on one message."""

    __tablename__ = "reaction"

    post_id: Mapped[int] = mapped_column(ForeignKey("post.id"), primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.id"), primary_key=True)
    emoji: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class Answer(Base):
    """What one person last pressed and filled in on a card; only they see it again."""

    __tablename__ = "answer"

    post_id: Mapped[int] = mapped_column(ForeignKey("post.id"), primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.id"), primary_key=True)
    choice: Mapped[str | None]
    levels: Mapped[dict[str, Any] | None]


class Request(Base):
    """A write as it was answered, so that a repeat under the same key changes nothing."""

    __tablename__ = "request"

    event_id: Mapped[str] = mapped_column(primary_key=True)  # "<person>/<Idempotency-Key>"
    event: Mapped[dict[str, Any] | None]  # what the sink gets; None: nothing to tell
    answer: Mapped[dict[str, Any]]
    is_delivered: Mapped[bool]
    at: Mapped[datetime] = mapped_column(index=True)


class Person(Base):
    """Somebody who may read and write here; `id` is the slug of the name."""

    __tablename__ = "person"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    is_invited: Mapped[bool]  # came by a personal link, so the name is vouched for
    at: Mapped[datetime]


class Login(Base):
    """A browser or script that is logged in; the cookie's value is stored hashed."""

    __tablename__ = "login"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.id"))
    csrf: Mapped[str]
    expires_at: Mapped[datetime]


class Link(Base):
    """A personal link: good once, until it expires; stored hashed."""

    __tablename__ = "link"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class BoardRow(Base):
    """A chart as it was last shown."""

    __tablename__ = "board"

    board_id: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int]
    body: Mapped[dict[str, Any]]


def open_database(path: Path) -> Engine:
    """The engine of the file at `path`, with all tables; what is committed survives a kill.

    The file is readable by its owner only: it holds what people said and who may log in.

    Raises:
        ChatSetupError: it cannot be opened, or is something else.
    """
    engine = create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", _set_pragmas)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        Base.metadata.create_all(engine)
    except (OSError, DatabaseError) as err:
        engine.dispose()
        raise ChatSetupError(
            f"{path} cannot be opened as the web chat's state ({err}); set another path."
        ) from err
    return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """All of what is done within, or nothing; rows may be read afterwards.

    Raises:
        ChatUnavailable: the file is locked, full or gone.
    """
    try:
        with Session(engine, expire_on_commit=False) as db, db.begin():
            yield db
    except OperationalError as err:
        raise ChatUnavailable(f"The web chat's file cannot be used ({err.orig}).") from err


def _set_pragmas(connection: Any, _record: Any) -> None:
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "busy_timeout=5000",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
