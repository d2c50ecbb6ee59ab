"""Rounds, ballots, votes and the members who cast them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, column, func, select, table
from sqlmodel import col
from sqlmodel.sql.sqltypes import UTCDateTime

from storage.models import (
    Ballot,
    Member,
    OutboxItem,
    Round,
    RoundState,
    Sample,
    Vote,
    VoteEvent,
    VoteOp,
)
from storage.store import mail
from storage.store.transactions import (
    NumberTaken,
    Transactions,
    add_new,
    change,
    find,
    gather,
    parts,
    table_of,
)
from storage.tables import BallotRow, MemberRow, PeriodRow, RoundRow, SampleRow, VoteEventRow

CURRENT_VOTE = table(
    "current_vote",
    *(column(name) for name in Vote.model_fields if name != "at"),
    column("at", UTCDateTime()),
)


class VoteStore:
    """The tables `round`, `ballot`, `vote_event`, `member` and the view `current_vote`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    # --- rounds and ballots ---------------------------------------------------------------------

    def rounds(self, run_id: str) -> list[Round]:
        """The rounds of a run, oldest first."""
        with self._transactions.read() as connection:
            return find(
                connection, Round, RoundRow, col(RoundRow.run_id) == run_id,
                by=[col(RoundRow.opened_at), col(RoundRow.n)],
            )  # fmt: skip

    def open_rounds(self) -> list[Round]:
        """Rounds of all runs that are open or closing."""
        with self._transactions.read() as connection:
            return find(connection, Round, RoundRow, col(RoundRow.state) != RoundState.CLOSED)

    def ballots(self, *, round_id: str | None = None, run_id: str | None = None) -> list[Ballot]:
        """The ballots of a round, or of a run, in the order they were made."""
        where = []
        if round_id is not None:
            where.append(col(BallotRow.round_id) == round_id)
        if run_id is not None:
            where.append(col(BallotRow.run_id) == run_id)
        with self._transactions.read() as connection:
            found = find(connection, Ballot, BallotRow, *where)
        return sorted(found, key=lambda b: (b.round_id, int(b.ballot_id.rsplit(".", 1)[-1])))

    def ballot(self, ballot_id: str) -> tuple[Ballot, Round] | None:
        """A ballot and its round."""
        with self._transactions.read() as connection:
            found = find(connection, Ballot, BallotRow, col(BallotRow.ballot_id) == ballot_id)
            if not found:
                return None
            same = col(RoundRow.round_id) == found[0].round_id
            return found[0], find(connection, Round, RoundRow, same)[0]

    def begin_closing(self, round_id: str, closed_by: str, now: datetime) -> bool:
        """Take no more votes but those received by now, and what a last look finds.

        False when somebody began before.
        """
        with self._transactions.write() as connection:
            same = col(RoundRow.round_id) == round_id
            is_open = col(RoundRow.state) == RoundState.OPEN
            values = {"state": RoundState.CLOSING, "closed_by": closed_by, "closing_at": now}
            return change(connection, RoundRow, same, is_open, **values) == 1

    def close(
        self, round_id: str, outcome: dict[str, Any], now: datetime, items: Sequence[OutboxItem]
    ) -> bool:
        """Close a round with its outcome and what is said of it; a second close changes nothing."""
        with self._transactions.write() as connection:
            same = col(RoundRow.round_id) == round_id
            is_open = col(RoundRow.state) != RoundState.CLOSED
            values = {"state": RoundState.CLOSED, "outcome": outcome, "closed_at": now}
            if change(connection, RoundRow, same, is_open, **values) == 0:
                return False
            mail.put(connection, items, now)
            return True

    def recount(
        self, round_id: str, counts: Mapping[str, Any], items: Sequence[OutboxItem], now: datetime
    ) -> None:
        """Correct the counts in a closed round's outcome, and say so; what was decided stays."""
        same = col(RoundRow.round_id) == round_id
        with self._transactions.write() as connection:
            found = find(connection, Round, RoundRow, same)
            if found and found[0].outcome is not None:
                change(connection, RoundRow, same, outcome={**found[0].outcome, **counts})
            mail.put(connection, items, now)

    # --- votes ----------------------------------------------------------------------------------

    def add(self, events: Sequence[VoteEvent]) -> None:
        """Append vote events; those that come after the close are kept as late."""
        with self._transactions.write() as connection:
            ends = _ends(connection, {event.ballot_id for event in events})
            add_new(
                connection,
                VoteEventRow,
                [
                    {**e.model_dump(), "is_late": e.is_late or _is_late(e, *ends[e.ballot_id])}
                    for e in events
                ],
            )

    def take_in(
        self,
        round_: Round,
        ballots: Sequence[Ballot],
        samples: Sequence[Sample],
        events: Sequence[VoteEvent],
    ) -> None:
        """A closed round with the votes that were given on it elsewhere, in one transaction.

        Raises:
            NumberTaken: somebody made a round of that number meanwhile.
        """
        with self._transactions.write() as connection:
            if add_new(connection, RoundRow, [round_]) == 0:
                raise NumberTaken(f"round {round_.n + 1} was just made by somebody else")
            add_new(connection, BallotRow, ballots)
            add_new(connection, SampleRow, samples)
            add_new(connection, VoteEventRow, [event.model_dump() for event in events])

    def standing(self, ballot_id: str) -> list[VoteEvent]:
        """Every mark that stands on a ballot: the last event of each, if it was not withdrawn."""
        return [mark for mark in self.marks([ballot_id]) if mark.op is VoteOp.CAST]

    def undone(self, ballot_id: str) -> list[VoteEvent]:
        """The marks that a command took back, and that nobody touched since."""
        return [mark for mark in self.marks([ballot_id]) if mark.is_undone]

    def take_back(self, events: Sequence[VoteEvent], key: str, now: datetime) -> bool:
        """Append what a command takes back, once; False when the command was carried out before."""
        with self._transactions.write() as connection:
            if add_new(connection, PeriodRow, [{"key": f"undo:{key}", "done_at": now}]) == 0:
                return False
            add_new(connection, VoteEventRow, [event.model_dump() for event in events])
            return True

    def marks(self, ballot_ids: Iterable[str]) -> list[VoteEvent]:
        """The last event of every mark that was ever put on some ballots, late ones left out."""
        of_mark = ("ballot_id", "voter", "subject", "mark")
        newest = func.row_number().over(
            partition_by=[getattr(VoteEventRow, name) for name in of_mark],
            order_by=[col(VoteEventRow.at).desc(), col(VoteEventRow.id).desc()],
        )

        def last(part: list[str]) -> Select[Any]:
            mine = (col(VoteEventRow.ballot_id).in_(part), ~col(VoteEventRow.is_late))
            ranked = select(table_of(VoteEventRow), newest.label("newest")).where(*mine).subquery()
            return select(ranked).where(ranked.c.newest == 1)

        with self._transactions.read() as connection:
            return gather(connection, VoteEvent, last, ballot_ids, by=["id"])

    def events(self, ballot_id: str) -> list[VoteEvent]:
        """All that ever happened on a ballot, late marks too."""
        with self._transactions.read() as connection:
            return find(
                connection, VoteEvent, VoteEventRow, col(VoteEventRow.ballot_id) == ballot_id,
                by=[col(VoteEventRow.id)],
            )  # fmt: skip

    def events_on(self, ballot_ids: Iterable[str]) -> list[VoteEvent]:
        """The same of several ballots, in the order in which it happened."""
        events = table_of(VoteEventRow)
        with self._transactions.read() as connection:
            return gather(
                connection, VoteEvent, lambda part: select(events).where(events.c.ballot_id.in_(part)),
                ballot_ids, by=["id"],
            )  # fmt: skip

    def current(self, ballot_ids: Iterable[str]) -> list[Vote]:
        """The current vote of each person on each subject of some ballots."""
        c = CURRENT_VOTE.c
        with self._transactions.read() as connection:
            return gather(
                connection, Vote, lambda part: select(CURRENT_VOTE).where(c.ballot_id.in_(part)),
                ballot_ids, by=["ballot_id", "person", "subject"],
            )  # fmt: skip

    def answered(self, round_id: str) -> dict[str, tuple[int, int]]:
        """Ballot -> (people who answered it, abstentions included; their votes).

        Of a card with several samples: who answered the one that fewest did. Cards that ask how
        the model does are left out: nobody need answer them.
        """
        asked = [b for b in self.ballots(round_id=round_id) if b.ask != "happy"]
        c = CURRENT_VOTE.c
        cast = select(c.ballot_id, c.person, c.subject)
        found: dict[str, list[tuple[str, str]]] = {b.ballot_id: [] for b in asked}
        with self._transactions.read() as connection:
            for part in parts(found):
                for ballot_id, person, subject in connection.execute(
                    cast.where(c.ballot_id.in_(part))
                ):
                    found[ballot_id].append((person, subject.partition(".")[0]))
        return {
            b.ballot_id: (_people(b, found[b.ballot_id]), len(found[b.ballot_id])) for b in asked
        }

    # --- members --------------------------------------------------------------------------------

    def met(self, member: Member) -> None:
        """Remember somebody: what became known is filled in, their clock unless they set it."""
        clock = {"timezone": member.timezone, "locale": member.locale}
        known = {what: value for what, value in clock.items() if value}
        same = col(MemberRow.member_id) == member.member_id
        with self._transactions.write() as connection:
            add_new(connection, MemberRow, [member])
            if member.name:
                change(connection, MemberRow, same, name=member.name)
            if known:
                change(connection, MemberRow, same, col(MemberRow.clock_set_at).is_(None), **known)

    def join(self, member_id: str, other_id: str) -> None:
        """Make two accounts one person, and whoever they were joined with before."""
        person, member = col(MemberRow.person_id), col(MemberRow.member_id)
        both = [Member(member_id=who, person_id=who, name="") for who in (member_id, other_id)]
        with self._transactions.write() as connection:
            add_new(connection, MemberRow, both)
            known = {
                m.member_id: m.person_id
                for m in find(connection, Member, MemberRow, member.in_([member_id, other_id]))
            }
            change(connection, MemberRow, person == known[other_id], person_id=known[member_id])

    def members(self) -> dict[str, Member]:
        """Everybody we know, by member_id."""
        with self._transactions.read() as connection:
            return {member.member_id: member for member in find(connection, Member, MemberRow)}


def _people(ballot: Ballot, cast: Sequence[tuple[str, str]]) -> int:
    """How many people answered a ballot, by their (person, subject)."""
    if not ballot.is_sheet:
        return len({person for person, _ in cast})
    return min(len({person for person, key in cast if key == s.key}) for s in ballot.subjects)


def _ends(
    connection: Connection, ballot_ids: set[str]
) -> dict[str, tuple[RoundState, datetime | None]]:
    """Ballot -> (state of its round, since when it takes no more votes)."""
    joined = select(col(BallotRow.ballot_id), col(RoundRow.state), col(RoundRow.closing_at)).join(
        RoundRow, col(RoundRow.round_id) == col(BallotRow.round_id)
    )
    ends = {}
    for part in parts(ballot_ids):
        # held until the commit: a round that closes meanwhile waits, or the vote sees it closed
        mine = joined.where(col(BallotRow.ballot_id).in_(part))
        for ballot_id, state, at in connection.execute(
            mine.with_for_update(read=True, of=RoundRow)
        ):
            ends[ballot_id] = (RoundState(state), at)
    return ends


def _is_late(event: VoteEvent, state: RoundState, closing_at: datetime | None) -> bool:
    """While a round closes, what was received before still counts, and the last look does.

    What a command takes back is never too late: the next segment trains on what is left.
    """
    if state is RoundState.OPEN or event.source == "undo":
        return False
    if state is RoundState.CLOSED or closing_at is None:
        return True
    return event.source == "event" and event.received_at > closing_at
