"""Who may come in: personal links, the open link of a demo, sessions and names.

Only hashes of link and session tokens are stored, so the file alone lets nobody in.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import Engine, delete, select, update
from sqlalchemy.orm import Session

from adapters.text import clean
from adapters.web.tables import Link, Login, Person, transaction

SESSION_LIFE = timedelta(days=30)
NAME_LENGTH = 40
BOT = "joulery"  # nobody may pass for the bot


@dataclass(frozen=True)
class Visitor:
    """A person with a valid session."""

    id: str
    name: str
    csrf: str


@dataclass(frozen=True)
class Invitation:
    """A link that is good now; `name` is None where the visitor chooses one."""

    token: str
    name: str | None


class People:
    """Links in, sessions out."""

    def __init__(self, engine: Engine, open_token: str | None, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._open_token = open_token
        self._now = now

    def invite(self, name: str, life: timedelta) -> str:
        """The token of a new personal link for `name`, good once within `life`.

        Raises:
            ValueError: the name has no letter or digit, or is the bot's.
        """
        name = _checked(name)
        token = secrets.token_urlsafe(24)
        with transaction(self._engine) as db:
            db.execute(delete(Link).where(Link.expires_at < self._now()))
            db.add(Link(token_hash=_hash(token), name=name, expires_at=self._now() + life))
        return token

    def invitation(self, token: str) -> Invitation | None:
        """What the link with `token` offers; None when it is unknown, used or expired."""
        if self._open_token and _hash(token) == _hash(self._open_token):
            return Invitation(token, None)
        with transaction(self._engine) as db:
            link = db.get(Link, _hash(token))
            if link is None or link.used_at or link.expires_at < self._now():
                return None
            return Invitation(token, link.name)

    def enter(self, invitation: Invitation, name: str) -> tuple[str, Visitor] | None:
        """A new session and its secret; None when somebody else used the link meanwhile.

        A personal link stands for its person: a second one for the same name is the same person
        on another device. A name chosen at the open link is made unique instead.

        Raises:
            ValueError: the chosen name will not do.
        """
        with transaction(self._engine) as db:
            if invitation.name is None:
                person = self._newcomer(db, _checked(name), is_invited=False)
            elif not self._use(db, invitation):
                return None
            else:
                person = self._invited(db, invitation.name)
            return self._log_in(db, person)

    def visitor(self, secret: str) -> Visitor | None:
        """Who holds the session `secret`; None when it is unknown or expired.

        Sessions of an earlier demo's open link count only while there is an open link.
        """
        with transaction(self._engine) as db:
            login = db.get(Login, _hash(secret))
            if login is None or login.expires_at < self._now():
                return None
            person = db.get_one(Person, login.person)
            if not (person.is_invited or self._open_token):
                return None
            return Visitor(person.id, person.name, login.csrf)

    def knows(self, person_id: str) -> bool:
        """True when such a person has ever come in."""
        with transaction(self._engine) as db:
            return db.get(Person, person_id) is not None

    def called(self) -> dict[str, tuple[str, ...]]:
        """Id -> name of everybody who has ever come in."""
        with transaction(self._engine) as db:
            return {person.id: (person.name,) for person in db.scalars(select(Person))}

    def _use(self, db: Session, invitation: Invitation) -> bool:
        unused = (Link.token_hash == _hash(invitation.token)) & Link.used_at.is_(None)
        use = update(Link).where(unused).values(used_at=self._now()).returning(Link.name)
        return db.scalar(use) is not None

    def _invited(self, db: Session, name: str) -> Person:
        same = select(Person).where(Person.name == name, Person.is_invited)
        return db.scalar(same) or self._newcomer(db, name, is_invited=True)

    def _newcomer(self, db: Session, name: str, *, is_invited: bool) -> Person:
        wanted, number = name, 1
        while db.get(Person, slug(name)):
            number += 1
            name = f"{wanted} {number}"
        person = Person(id=slug(name), name=name, is_invited=is_invited, at=self._now())
        db.add(person)
        db.flush()
        return person

    def _log_in(self, db: Session, person: Person) -> tuple[str, Visitor]:
        secret, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
        now = self._now()
        db.execute(delete(Login).where(Login.expires_at < now))
        db.add(
            Login(
                token_hash=_hash(secret),
                person=person.id,
                csrf=csrf,
                expires_at=now + SESSION_LIFE,
            )
        )
        return secret, Visitor(person.id, person.name, csrf)


def _checked(name: str) -> str:
    name = " ".join(clean(name).split())
    if not slug(name):
        raise ValueError("Please enter a name with at least one letter or digit.")
    if slug(name) == BOT:
        raise ValueError("That name is taken by the bot; please choose another.")
    if len(name) > NAME_LENGTH:
        raise ValueError(f"Please choose a name of at most {NAME_LENGTH} characters.")
    return name


def _hash(token: str) -> str:
    return sha256(token.encode(errors="replace")).hexdigest()


def slug(name: str) -> str:
    """The id of a person called `name`: lower-case letters, digits and dashes; '' if none is left.

    Two names that look almost alike get the same id, so nobody passes for somebody else with a
    trailing blank or full-width letters.
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "-".join("".join(c if c.isalnum() else " " for c in folded).split())
