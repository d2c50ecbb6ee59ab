"""The database as the bot holds it."""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import open_engine, upgrade
from storage.ledger import Ledger
from storage.store.checkpoints import CheckpointStore
from storage.store.mail import MailStore
from storage.store.members import MemberStore
from storage.store.runs import RunStore
from storage.store.transactions import Transactions
from storage.store.upkeep import UpkeepStore
from storage.store.votes import VoteStore


@dataclass(frozen=True, slots=True)
class Store:
    """All tables, by topic."""

    runs: RunStore
    checkpoints: CheckpointStore
    votes: VoteStore
    members: MemberStore
    mail: MailStore
    upkeep: UpkeepStore
    ledger: Ledger

    @classmethod
    def open(cls, url: str) -> Store:
        """The database at `url`, its schema brought up to date.

        Raises:
            StoreError: it cannot be reached or used; the text names the remedy.
        """
        engine = open_engine(url)
        try:
            upgrade(engine)
        except BaseException:  # passed on; only the open connection is ours to close
            engine.dispose()
            raise
        transactions = Transactions(engine)
        return cls(
            RunStore(transactions),
            CheckpointStore(transactions),
            VoteStore(transactions),
            MemberStore(transactions),
            MailStore(transactions),
            UpkeepStore(transactions),
            Ledger(open_engine(url)),
        )
