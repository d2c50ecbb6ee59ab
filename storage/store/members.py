"""Members' own wishes: to be left alone, and to be forgotten."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    String,
    Table,
    cast,
    delete,
    exists,
    or_,
    select,
    update,
)
from sqlmodel import SQLModel, col
from sqlmodel.sql.sqltypes import AutoString

from storage.models import Member, RoundState
from storage.store.transactions import Transactions, add_new, change, find, table_of
from storage.tables import (
    BallotRow,
    GrantRow,
    InboxRow,
    MemberRow,
    OutboxRow,
    RoundRow,
    VoteEventRow,
)

SPELT_BARE: Final = re.compile(r"[A-Z0-9]{9,}|\d{15,}")
"""Ids of Slack's and Discord's own, which stand without their platform, too: in <@U012>."""
GONE: Final = "gone-"
"""How the accounts of people begin who were forgotten, behind their platform."""
SOMEBODY: Final = "somebody"
NAMED: Final = frozenset({"inbox", "outbox", "command_audit"})
"""Tables in which people are called by their names; elsewhere a like word is somebody else's."""
NOBODY: Final = frozenset({"sample", "ballot", "segment", "lease"})
"""Tables that tell of nobody, beside those of energies."""


class MemberStore:
    """The table `member`, and a person's traces in all others."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def opt_out(self, member_id: str, now: datetime) -> None:
        """From now on somebody is neither reminded nor named, under none of their accounts."""
        self._wish(member_id, opted_out_at=now)

    def opt_in(self, member_id: str) -> None:
        """Somebody wants to be reminded and named again, and not to be forgotten."""
        self._wish(member_id, opted_out_at=None, leaves_at=None)

    def ask_to_leave(self, member_id: str, now: datetime) -> None:
        """Somebody wants to be forgotten; until it is done they are left alone."""
        self._wish(member_id, opted_out_at=now, leaves_at=now)

    def set_clock(self, member_id: str, now: datetime, **said: str) -> None:
        """Somebody says their `timezone` or `locale`; with neither, their platform does again."""
        at_once: dict[str, Any] = {**said} or {"timezone": None, "locale": None}
        self._wish(member_id, clock_set_at=now if said else None, **at_once)

    def _wish(self, member_id: str, **values: Any) -> None:
        alone = Member(member_id=member_id, person_id=member_id)
        with self._transactions.write() as connection:
            add_new(connection, MemberRow, [alone])
            same = col(MemberRow.member_id) == member_id
            (known,) = find(connection, Member, MemberRow, same)
            of_person = col(MemberRow.person_id) == known.person_id
            change(connection, MemberRow, of_person, **values)

    def waits_for(self, member_id: str) -> bool:
        """Whether open cards hold answers of somebody: they cannot be forgotten before the close."""
        with self._transactions.read() as connection:
            known = find(connection, Member, MemberRow, col(MemberRow.member_id) == member_id)
            return bool(known) and _is_on_open_cards(connection, known[0].person_id)

    def is_needed(self, person_id: str) -> bool:
        """Whether open cards, or mail of or to them under way, still need a person's accounts."""
        with self._transactions.read() as connection:
            accounts = find(connection, Member, MemberRow, col(MemberRow.person_id) == person_id)
            traces = _Traces(accounts, _names(connection, accounts), str)
            return _is_on_open_cards(connection, person_id) or traces.are_under_way(connection)

    def leaving(self) -> list[str]:
        """The people who asked to be forgotten."""
        person = col(MemberRow.person_id)
        asked = select(person).where(col(MemberRow.leaves_at).is_not(None)).distinct()
        with self._transactions.read() as connection:
            return list(connection.execute(asked.order_by(person)).scalars())

    def forget(self, person_id: str, pseudonym: Callable[[], str]) -> bool:
        """Put a pseudonym in the place of a person's accounts, everywhere, and drop the name.

        One person's votes stay one person's, so that nothing is counted otherwise. False while it
        has to wait: for open cards that they answered, and for mail of or to them under way.

        Args:
            person_id: who.
            pseudonym: makes a name for an account, behind its platform.
        """
        with self._transactions.write() as connection:
            accounts = find(connection, Member, MemberRow, col(MemberRow.person_id) == person_id)
            traces = _Traces(accounts, _names(connection, accounts), pseudonym)
            if _is_on_open_cards(connection, person_id) or traces.are_under_way(connection):
                return False
            granted = table_of(GrantRow)
            connection.execute(delete(granted).where(granted.c.member_id.in_(list(traces.new))))
            traces.empty_inbox(connection)
            for table in SQLModel.metadata.sorted_tables:
                if table.name not in NOBODY and not table.name.startswith("energy_"):
                    traces.remove_from(connection, table)
            gone = col(MemberRow.member_id).in_(list(traces.new.values()))
            nothing: dict[str, Any] = {
                "name": "",
                "timezone": None,
                "locale": None,
                "clock_set_at": None,
            }
            change(connection, MemberRow, gone, **nothing)
        self._transactions.compact()  # what fails here is done again: they still are to leave
        with self._transactions.write() as connection:
            change(connection, MemberRow, gone, leaves_at=None)
        return True


def _is_on_open_cards(connection: Connection, person_id: str) -> bool:
    accounts = select(col(MemberRow.member_id)).where(col(MemberRow.person_id) == person_id)
    theirs = (
        select(col(VoteEventRow.id))
        .join(BallotRow, col(BallotRow.ballot_id) == col(VoteEventRow.ballot_id))
        .join(RoundRow, col(RoundRow.round_id) == col(BallotRow.round_id))
        .where(col(RoundRow.state) != RoundState.CLOSED, col(VoteEventRow.voter).in_(accounts))
    )
    return bool(connection.execute(select(exists(theirs))).scalar())


def _names(connection: Connection, accounts: Sequence[Member]) -> set[str]:
    """All that a person was ever called; who never voted is known by their mail alone."""
    inbox, ids = table_of(InboxRow), {m.member_id for m in accounts}
    theirs = select(inbox.c.payload).where(_mentions(inbox.c.payload, ids))
    wrote = [p for p in connection.execute(theirs).scalars() if p.get("user") in ids]
    called = {*(m.name for m in accounts), *(str(p.get("user_name", "")) for p in wrote)}
    return {name for name in called if name.strip()}


class _Traces:
    """What tells of a person: the ids of their accounts, as others spell them, and their names."""

    def __init__(
        self, accounts: Sequence[Member], names: Iterable[str], pseudonym: Callable[[], str]
    ) -> None:
        self.new: dict[str, str] = {
            m.member_id: f"{m.member_id.partition(':')[0]}:{pseudonym()}" for m in accounts
        }
        self._ids = dict(self.new)
        for old, new in self.new.items():
            bare = old.partition(":")[2]
            if SPELT_BARE.fullmatch(bare):
                self._ids[bare] = new.partition(":")[2]
        self._all = dict.fromkeys(names, SOMEBODY) | self._ids

    def are_under_way(self, connection: Connection) -> bool:
        """Whether mail of or to them has yet to be dealt with."""
        inbox, outbox = table_of(InboxRow), table_of(OutboxRow)
        coming = select(inbox.c.payload).where(inbox.c.handled_at.is_(None))
        going = select(outbox.c.key, outbox.c.target, outbox.c.payload).where(
            outbox.c.state.in_(("new", "sending"))
        )
        rows = [*connection.execute(coming), *connection.execute(going)]
        return any(_without(value, self._all) != value for row in rows for value in row)

    def empty_inbox(self, connection: Connection) -> None:
        """What they did was dealt with: that something happened is kept, nothing else of it."""
        inbox = table_of(InboxRow)
        theirs = _mentions(inbox.c.payload, self.new)
        for row_id, payload in connection.execute(
            select(inbox.c.id, inbox.c.payload).where(theirs)
        ).all():
            if payload.get("user") in self.new:
                kept = {"kind": payload.get("kind"), "user": self.new[payload["user"]]}
                values = {"payload": kept, "event_id": f"{GONE}{row_id}"}
                connection.execute(update(inbox).where(inbox.c.id == row_id).values(**values))

    def remove_from(self, connection: Connection, table: Table) -> None:
        """Replace them in every text of a table, whole words alone."""
        spelt = self._all if table.name in NAMED else self._ids
        keys = list(table.primary_key.columns)
        for column in table.columns:
            if not isinstance(column.type, String | AutoString | JSON):
                continue
            theirs = select(*keys, column.label("value")).where(_mentions(column, spelt))
            for *key, value in connection.execute(theirs).all():
                new = _without(value, spelt)
                if new != value:
                    same = (k == v for k, v in zip(keys, key, strict=True))
                    connection.execute(update(table).where(*same).values({column.name: new}))


def _mentions(column: ColumnElement[Any], spelt: Iterable[str]) -> ColumnElement[bool]:
    """Rows whose column may tell of somebody; JSON is kept with its letters escaped."""
    text = cast(column, String)
    known = {*spelt, *(json.dumps(one)[1:-1] for one in spelt)}
    return or_(*(text.contains(one, autoescape=True) for one in sorted(known)))


def _without(value: Any, spelt: Mapping[str, str]) -> Any:
    """A text, or all texts of a JSON value, with what is spelt so replaced."""
    match value:
        case str():
            longest_first = sorted(spelt, key=len, reverse=True)
            words = "|".join(map(re.escape, longest_first))
            whole = rf"(?<![\w.-])(?:{words})(?![\w-]|\.\w)"
            return re.sub(whole, lambda found: spelt[found[0]], value)
        case list():
            return [_without(one, spelt) for one in value]
        case Mapping():
            return {_without(k, spelt): _without(v, spelt) for k, v in value.items()}
    return value
