"""Inbox and outbox: what came in is committed before it is acknowledged, what goes out goes once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, func, select
from sqlmodel import col

from storage.models import ClaimedItem, InboxEvent, OutboxItem, OutboxKind, Posting
from storage.store.transactions import Transactions, add_new, change, find, parts, table_of
from storage.tables import InboxRow, OutboxRow, PostingRow

LEASE = timedelta(seconds=30)
"""How long a sender may take; longer than any network time-out, else two would send at once."""

LOOK_AHEAD = 200
AT_ONCE = "answer:"
"""What begins so goes before all else: whoever asked is waiting, and the rest is none the worse."""
AT_LEISURE = ("heard:", "denied:")
"""What begins so, or changes that, goes after all else: nobody waits for who said what."""
PATIENCE = timedelta(minutes=1)
"""So long that waits at most for a moment in which nobody else is told anything."""
OUTBOX = table_of(OutboxRow)


class Turn(IntEnum):
    """Who goes first in a channel."""

    ANSWER = 0
    IN_ORDER = 1
    AT_LEISURE = 2


def put(connection: Connection, items: Sequence[OutboxItem], now: datetime) -> None:
    """Queue items inside somebody's transaction; a key that is queued already is left alone.

    An edit replaces the pending edit of the same message: only the newest appearance counts. A text
    that nobody has begun to send takes its new wording itself.
    """
    for item in items:
        if _is_taken_in(connection, item):
            continue
        values = {**item.model_dump(), "state": "new", "created_at": now, "not_before": now}
        is_new = add_new(connection, OutboxRow, [values]) == 1
        if item.kind is OutboxKind.EDIT and not is_new:
            same = col(OutboxRow.key) == item.key
            change(
                connection, OutboxRow, same,
                payload=item.payload, version=OUTBOX.c.version + 1, attempts=0,
            )  # fmt: skip
            # whoever is sending it sees the new version and sends again
            is_over = col(OutboxRow.state).in_(("done", "failed"))
            change(connection, OutboxRow, same, is_over, state="new", created_at=now)


class MailStore:
    """The tables `inbox`, `outbox` and `posting`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    # --- in -------------------------------------------------------------------------------------

    def receive(self, platform: str, event_id: str, payload: dict[str, Any], now: datetime) -> bool:
        """Commit an event; False when it was here before."""
        values = {
            "platform": platform, "event_id": event_id, "payload": payload, "received_at": now,
        }  # fmt: skip
        with self._transactions.write() as connection:
            return add_new(connection, InboxRow, [values]) == 1

    def unhandled(self, limit: int = LOOK_AHEAD) -> list[InboxEvent]:
        """Events nobody has dealt with, in the order they came."""
        with self._transactions.read() as connection:
            return find(
                connection, InboxEvent, InboxRow, col(InboxRow.handled_at).is_(None),
                by=[col(InboxRow.id)], limit=limit,
            )  # fmt: skip

    def waiting(self, received_by: datetime) -> int:
        """Events received by then that nobody has dealt with."""
        statement = (
            select(func.count())
            .select_from(InboxRow)
            .where(col(InboxRow.handled_at).is_(None), col(InboxRow.received_at) <= received_by)
        )
        with self._transactions.read() as connection:
            return int(connection.execute(statement).scalar_one())

    def handled(self, event_id: int, now: datetime, error: str = "") -> None:
        """Mark an inbox row as dealt with; `error` says why it had no effect."""
        with self._transactions.write() as connection:
            change(connection, InboxRow, col(InboxRow.id) == event_id, handled_at=now, error=error)

    # --- out ------------------------------------------------------------------------------------

    def enqueue(self, items: Sequence[OutboxItem], now: datetime) -> None:
        """Queue items in a transaction of their own."""
        with self._transactions.write() as connection:
            put(connection, items, now)

    def claim(
        self, platform: str, now: datetime, resting: Collection[OutboxKind] = (),
        *, is_busy: bool = False,
    ) -> ClaimedItem | None:  # fmt: skip
        """The next item to send, leased to the caller; None when nothing is due.

        Order holds per channel: while an item is under way or waits for its next attempt, later
        ones of its channel wait with it. An edit or a thread message waits for the post it belongs to.
        Answers go first, and hold nobody up; who said what goes last, and while the platform
        `is_busy` not at all, but for what has waited long. Of the kinds that are `resting` nothing
        may go now.
        """
        statement = (
            select(*(column for column in OUTBOX.c if column.name != "payload"))
            .where(OUTBOX.c.platform == platform, OUTBOX.c.state.in_(("new", "sending")))
            .order_by(OUTBOX.c.id)
            .limit(LOOK_AHEAD)
            .with_for_update(skip_locked=True)
        )
        blocked: set[str] = set()
        with self._transactions.write() as connection:
            rows = connection.execute(statement).mappings().all()
            for row in sorted(rows, key=_turn):
                if row["channel"] in blocked:
                    continue
                if row["state"] == "sending" and row["lease_until"] >= now:  # under way
                    blocked.add(row["channel"])
                    continue
                target_ref = _target_ref(connection, row)
                if target_ref is None and _is_hopeless(connection, row):
                    error = f"{row['target']} was never posted"
                    change(
                        connection, OutboxRow, OUTBOX.c.id == row["id"], state="failed", error=error
                    )
                elif (
                    row["not_before"] > now
                    or (target_ref is None and _needs_target(row))
                    or row["kind"] in resting
                    or (is_busy and _can_wait(row, now))
                ):
                    blocked |= set() if _turn(row) is Turn.ANSWER else {row["channel"]}
                else:
                    return _take(connection, row, target_ref, now)
        return None

    def sent(self, item: ClaimedItem, ref: str | None, at: datetime | None = None) -> None:
        """Done: remember where it stands since `at`. Sent again when it was replaced meanwhile."""
        with self._transactions.write() as connection:
            mine = and_(OUTBOX.c.id == item.id, OUTBOX.c.state == "sending")
            is_same = OUTBOX.c.version == item.version
            if change(connection, OutboxRow, mine, is_same, state="done") == 0:
                change(connection, OutboxRow, mine, state="new")
            if ref is not None and item.kind in (OutboxKind.POST, OutboxKind.SAY):
                posting = Posting(
                    key=item.key, platform=item.platform, channel=item.channel, ref=ref,
                    run_id=item.run_id, ballot_id=item.ballot_id, posted_at=at,
                )  # fmt: skip
                add_new(connection, PostingRow, [posting])

    def retry(self, item: ClaimedItem, not_before: datetime, error: str, *, counts: bool) -> None:
        """Try again later; an attempt the platform asked us to postpone is not counted."""
        attempts = item.attempts if counts else item.attempts - 1
        with self._transactions.write() as connection:
            change(
                connection, OutboxRow, OUTBOX.c.id == item.id,
                state="new", not_before=not_before, error=error, attempts=attempts,
            )  # fmt: skip

    def refused(self, item: ClaimedItem, error: str) -> None:
        """Never to be sent: the platform will not take it; what replaced it meanwhile may be."""
        with self._transactions.write() as connection:
            mine = and_(OUTBOX.c.id == item.id, OUTBOX.c.state == "sending")
            is_same = OUTBOX.c.version == item.version
            if change(connection, OutboxRow, mine, is_same, state="failed", error=error) == 0:
                change(connection, OutboxRow, mine, state="new")

    def unwanted(self, item: ClaimedItem) -> None:
        """Never to be sent: its channel does not want to hear it."""
        with self._transactions.write() as connection:
            change(connection, OutboxRow, OUTBOX.c.id == item.id, state="unwanted")

    def pending(self, platform: str | None = None) -> int:
        """Items that still have to go out."""
        statement = select(func.count()).where(OUTBOX.c.state.in_(("new", "sending")))
        if platform is not None:
            statement = statement.where(OUTBOX.c.platform == platform)
        with self._transactions.read() as connection:
            return int(connection.execute(statement).scalar_one())

    def oldest(self, platform: str, *, without: str) -> datetime | None:
        """Since when the longest-waiting item waits, but for those whose keys begin with `without`."""
        statement = select(func.min(col(OutboxRow.created_at))).where(
            OUTBOX.c.platform == platform,
            OUTBOX.c.state.in_(("new", "sending")),
            ~col(OutboxRow.key).startswith(without),
        )
        with self._transactions.read() as connection:
            return connection.execute(statement).scalar_one()

    # --- where things stand ---------------------------------------------------------------------

    def posting_at(self, ref: str) -> Posting | None:
        """What stands at `ref`, if it is ours."""
        with self._transactions.read() as connection:
            found = find(connection, Posting, PostingRow, col(PostingRow.ref) == ref)
            return found[0] if found else None

    def postings_on(self, ballot_ids: Sequence[str]) -> list[Posting]:
        """The cards of several ballots."""
        with self._transactions.read() as connection:
            return [
                posting
                for part in parts(ballot_ids)
                for posting in find(
                    connection, Posting, PostingRow, col(PostingRow.ballot_id).in_(part)
                )
            ]

    def postings(self, ballot_id: str) -> list[Posting]:
        """The cards of a ballot, one per platform and channel."""
        with self._transactions.read() as connection:
            return find(connection, Posting, PostingRow, col(PostingRow.ballot_id) == ballot_id)


def _turn(row: RowMapping) -> Turn:
    if row["key"].startswith(AT_ONCE):
        return Turn.ANSWER
    about = row["target"] if row["kind"] == OutboxKind.EDIT else row["key"]
    return Turn.AT_LEISURE if about.startswith(AT_LEISURE) else Turn.IN_ORDER


def _can_wait(row: RowMapping, now: datetime) -> bool:
    return _turn(row) is Turn.AT_LEISURE and now - row["created_at"] < PATIENCE


def _is_taken_in(connection: Connection, item: OutboxItem) -> bool:
    """Whether the text that an item rewords took the wording in, as nobody has begun to send it."""
    if item.kind is not OutboxKind.EDIT or "said" not in item.payload:
        return False
    untried = and_(
        OUTBOX.c.key == item.target, OUTBOX.c.state == "new", OUTBOX.c.lease_until.is_(None)
    )
    payload = connection.execute(select(OUTBOX.c.payload).where(untried)).scalar()
    if payload is None:
        return False
    payload = {**payload, "text": item.payload["said"]}
    return change(connection, OutboxRow, untried, payload=payload) == 1  # 0: begun just now


def _take(
    connection: Connection, row: RowMapping, target_ref: str | None, now: datetime
) -> ClaimedItem:
    attempts = row["attempts"] + 1
    change(
        connection, OutboxRow, OUTBOX.c.id == row["id"],
        state="sending", lease_until=now + LEASE, attempts=attempts,
    )  # fmt: skip
    payload = select(OUTBOX.c.payload).where(OUTBOX.c.id == row["id"])
    fields = {k: v for k, v in row.items() if k in ClaimedItem.model_fields}
    taken = {
        "attempts": attempts,
        "target_ref": target_ref,
        "payload": connection.execute(payload).scalar_one(),
    }
    return ClaimedItem.model_validate({**fields, **taken})


def _needs_target(row: RowMapping) -> bool:
    return row["target"] is not None and row["kind"] != OutboxKind.WHISPER


def _target_ref(connection: Connection, row: RowMapping) -> str | None:
    if not _needs_target(row):
        return None
    statement = select(col(PostingRow.ref)).where(
        col(PostingRow.platform) == row["platform"], col(PostingRow.key) == row["target"]
    )
    return connection.execute(statement).scalar()


def _is_hopeless(connection: Connection, row: RowMapping) -> bool:
    """True when the message this item belongs to will never stand anywhere."""
    if not _needs_target(row):
        return False
    state = connection.execute(select(OUTBOX.c.state).where(OUTBOX.c.key == row["target"])).scalar()
    return state in (None, "failed", "unwanted")
