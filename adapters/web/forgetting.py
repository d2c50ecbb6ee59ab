"""Takes a person out of the web chat's own file: name, links, sessions, what was said to them alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, delete, select, update
from sqlalchemy.orm import Session

from adapters.web.tables import Answer, Link, Login, Person, Post, Reaction, Request, transaction

SOMEBODY = "somebody"


def forget(engine: Engine, person_id: str, pseudonym: str, now: datetime) -> None:
    """Put a pseudonym in a person's place; they are logged out. Nobody of that id: nothing is done.

    What they wrote and tapped stands, as somebody's.

    Raises:
        ChatUnavailable: the file is locked.
    """
    with transaction(engine) as db:
        person = db.get(Person, person_id)
        if person is None:
            return
        spelt = {f"web:{person_id}": f"web:{pseudonym}", person.name: SOMEBODY}
        db.add(Person(id=pseudonym, name=SOMEBODY, is_invited=False, at=now))
        db.flush()
        gone = {"text": "", "card": None, "is_deleted": True}
        db.execute(update(Post).where(Post.only_for == person_id).values(**gone))
        for column in (Post.author, Post.only_for, Reaction.person, Answer.person):
            table, name = column.class_, column.key
            db.execute(update(table).where(column == person_id).values({name: pseudonym}))
        db.execute(delete(Login).where(Login.person == person_id))
        db.execute(delete(Link).where(Link.name == person.name))
        db.execute(delete(Request).where(Request.event_id.startswith(f"{person_id}/")))
        db.delete(person)
        _remove_from_posts(db, spelt)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM")  # no free page and no log holds the name
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def _remove_from_posts(db: Session, spelt: Mapping[str, str]) -> None:
    """What the bot said of them; a sample on a card may hold a like word, which stays."""
    for post in db.scalars(select(Post).where(Post.author.is_(None))):
        is_question = post.card is not None and post.card.get("tone") == "question"
        words = {k: v for k, v in spelt.items() if not is_question or k.startswith("web:")}
        held = json.dumps([post.text, post.card], ensure_ascii=False)
        if any(word in held for word in words):
            post.text, post.card = _without(post.text, words), _without(post.card, words)


def _without(value: Any, words: Mapping[str, str]) -> Any:
    match value:
        case str():
            known = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
            return re.sub(rf"(?<![\w-])(?:{known})(?![\w-])", lambda m: words[m[0]], value)
        case list():
            return [_without(one, words) for one in value]
        case dict():
            return {key: _without(one, words) for key, one in value.items()}
    return value
