"""What keeps the bot single and its appointments kept: lease, done periods, the command audit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select
from sqlmodel import col

from storage.models import Grant, OutboxItem, OutboxKind, Verbosity
from storage.store import mail
from storage.store.transactions import Transactions, add_new, change, find, table_of
from storage.tables import ChannelRow, CommandRow, GrantRow, LeaseRow, OutboxRow, PeriodRow


class UpkeepStore:
    """The tables `lease`, `period_done`, `command_audit`, `access_grant` and `channel`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def take_lease(self, name: str, holder: str, now: datetime, ttl: timedelta) -> bool:
        """Take or renew a lease; False while another holder's is fresh."""
        with self._transactions.write() as connection:
            add_new(connection, LeaseRow, [{"name": name, "holder": holder, "expires_at": now}])
            lease = table_of(LeaseRow).c
            is_free = or_(lease.holder == holder, lease.expires_at <= now)
            values = {"holder": holder, "expires_at": now + ttl}
            return change(connection, LeaseRow, lease.name == name, is_free, **values) == 1

    def lease(self, name: str) -> tuple[str, datetime] | None:
        """Who holds a lease, and until when."""
        lease = table_of(LeaseRow).c
        held = select(lease.holder, lease.expires_at).where(lease.name == name)
        with self._transactions.read() as connection:
            found = connection.execute(held).first()
        return found and (found.holder, found.expires_at)

    def give_up_lease(self, name: str, holder: str) -> None:
        """Let the next bot start at once."""
        lease = table_of(LeaseRow)
        with self._transactions.write() as connection:
            connection.execute(delete(lease).where(lease.c.name == name, lease.c.holder == holder))

    def once(self, key: str, now: datetime, items: Sequence[OutboxItem] = ()) -> bool:
        """Do a scheduled thing once: True, with `items` queued, for the first caller only."""
        with self._transactions.write() as connection:
            if add_new(connection, PeriodRow, [{"key": key, "done_at": now}]) == 0:
                return False
            mail.put(connection, items, now)
            return True

    def done(self, keys: Collection[str]) -> list[str]:
        """Which of some scheduled things were done."""
        row = table_of(PeriodRow).c
        with self._transactions.read() as connection:
            return list(connection.execute(select(row.key).where(row.key.in_(keys))).scalars())

    def not_done(self, prefix: str) -> list[OutboxItem]:
        """The cards whose keys begin with `prefix`, and under whose keys nothing was done once."""
        key, done = col(OutboxRow.key), table_of(PeriodRow).c.key
        with self._transactions.read() as connection:
            return find(
                connection, OutboxItem, OutboxRow,
                col(OutboxRow.kind) == OutboxKind.POST, key.startswith(prefix, autoescape=True),
                key.not_in(select(done)), col(OutboxRow.state) != "failed",
                by=[col(OutboxRow.id)],
            )  # fmt: skip

    def set_verbosity(self, platform: str, channel: str, verbosity: Verbosity) -> None:
        """Keep how much a channel wants to hear."""
        values = {"platform": platform, "name": channel, "verbosity": verbosity}
        row = table_of(ChannelRow).c
        with self._transactions.write() as connection:
            if add_new(connection, ChannelRow, [values]) == 0:
                same = (row.platform == platform, row.name == channel)
                change(connection, ChannelRow, *same, verbosity=verbosity)

    def verbosities(self) -> dict[tuple[str, str], Verbosity]:
        """(platform, channel) -> how much it wants to hear, where somebody said so."""
        row = table_of(ChannelRow).c
        with self._transactions.read() as connection:
            found = connection.execute(select(row.platform, row.name, row.verbosity))
            return {(platform, name): verbosity for platform, name, verbosity in found}

    def audit(
        self, *, at: datetime, member_id: str, words: str, run_id: str | None, is_allowed: bool,
        answer: str,
    ) -> None:  # fmt: skip
        """Keep who asked for what, and what came of it."""
        values = {
            "at": at, "member_id": member_id, "words": words, "run_id": run_id,
            "is_allowed": is_allowed, "answer": answer,
        }  # fmt: skip
        with self._transactions.write() as connection:
            add_new(connection, CommandRow, [values])

    def commands(self) -> list[tuple[str, str, bool]]:
        """(member, words, allowed) of every command so far, oldest first."""
        row = table_of(CommandRow).c
        statement = select(row.member_id, row.words, row.is_allowed).order_by(row.id)
        with self._transactions.read() as connection:
            return [(who, words, ok) for who, words, ok in connection.execute(statement)]

    def grant(self, grant: Grant) -> None:
        """Give somebody a role instead of the one they were given before, if any."""
        with self._transactions.write() as connection:
            same = col(GrantRow.member_id) == grant.member_id
            if change(connection, GrantRow, same, **grant.model_dump()) == 0:
                add_new(connection, GrantRow, [grant])

    def withdraw(self, member_id: str) -> bool:
        """Take a role back that was given in chat; False when there was none."""
        granted = table_of(GrantRow)
        mine = delete(granted).where(granted.c.member_id == member_id)
        with self._transactions.write() as connection:
            return connection.execute(mine).rowcount == 1

    def grants(self) -> list[Grant]:
        """All roles given in chat."""
        with self._transactions.read() as connection:
            return find(connection, Grant, GrantRow, by=[col(GrantRow.at)])
