"""The energy ledger: a row per source and second, appended by the meter, read in sums.

It has an engine of its own, so that a slow transaction elsewhere never delays a reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Engine, case, func, select
from sqlmodel import col

from storage.models import EnergyReading, EnergySum
from storage.store.transactions import Condition, Transactions, add_new, find, query, table_of
from storage.tables import EnergyRow


class Ledger:
    """The table `energy_reading`; append-only."""

    def __init__(self, engine: Engine) -> None:
        self._transactions = Transactions(engine)

    def add(self, readings: Sequence[EnergyReading]) -> None:
        """Append readings; one that is there already is left alone."""
        with self._transactions.write() as connection:
            add_new(connection, EnergyRow, readings)

    def of_run(self, run_id: str) -> list[EnergyReading]:
        """All readings of a run, oldest first."""
        return self._find(col(EnergyRow.run_id) == run_id)

    def sums(self, run_id: str) -> list[EnergySum]:
        """A run's joules by arm, phase and source, added up in the database."""
        row = table_of(EnergyRow).c
        group = (row.arm, row.phase, row.device, row.source, row.provenance)
        unknown_s = case((row.energy_j.is_(None), row.duration_s), else_=0.0)
        statement = (
            select(
                *group,
                func.coalesce(func.sum(row.energy_j), 0.0).label("energy_j"),
                func.sum(row.duration_s).label("duration_s"),
                func.sum(unknown_s).label("unknown_s"),
            )
            .where(row.run_id == run_id)
            .group_by(*group)
        )
        with self._transactions.read() as connection:
            return query(connection, EnergySum, statement)

    def between(self, start: datetime, end: datetime) -> list[EnergyReading]:
        """All readings that began in [start, end), oldest first."""
        began = col(EnergyRow.started_at)
        return self._find(began >= start, began < end)

    def _find(self, *where: Condition) -> list[EnergyReading]:
        with self._transactions.read() as connection:
            return find(
                connection, EnergyReading, EnergyRow, *where,
                by=[col(EnergyRow.started_at), col(EnergyRow.id)],
            )  # fmt: skip
