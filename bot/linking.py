"""Makes two accounts one person: a short code is told to one of them and said by the other.

Codes are kept in memory alone: after a restart people ask for another.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

LIFE = timedelta(minutes=10)
LETTERS = "ACDEFHJKLMNPQRTUVWXY34679"  # none that is mistaken for another
LENGTH = 6
WRONG_TRIES = 10
"""Guesses of one account within the life of a code: 25^6 codes are too many for that."""


class LinkError(Exception):
    """The accounts are not joined; the text says what to do."""


class Links:
    """The codes that were given out."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._codes: dict[str, tuple[str, datetime]] = {}
        self._wrong: dict[str, list[datetime]] = {}

    def offer(self, member_id: str) -> str:
        """A code for an account; an older one of the same account ends."""
        self._codes = {
            code: (who, until)
            for code, (who, until) in self._codes.items()
            if who != member_id and until > self._now()
        }
        code = "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
        self._codes[code] = (member_id, self._now() + LIFE)
        return code

    def redeem(self, code: str, member_id: str) -> str:
        """The account that was given a code, which is used up by this.

        Raises:
            LinkError: no such code, or the account's own.
        """
        wrong = [at for at in self._wrong.get(member_id, ()) if at > self._now() - LIFE]
        if len(wrong) >= WRONG_TRIES:
            raise LinkError("too many wrong codes; wait ten minutes")
        other, until = self._codes.get(code.upper(), ("", self._now()))
        if until <= self._now():
            self._wrong[member_id] = [*wrong, self._now()]
            raise LinkError("I don't know this code (any more); say link on the other account")
        if other == member_id:
            raise LinkError("that is this account's own code; say it on your other account")
        del self._codes[code.upper()]
        return other
