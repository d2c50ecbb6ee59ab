"""The energy ledger: a row per source and second, appended by the meter, read in sums.

With each row its minute grows, so that days are summed up without reading their seconds; and where
the counters stood is kept, so that what a crash missed can be told.

It has an engine of its own, so that a slow transaction elsewhere never delays a reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import Connection, Engine, Executable, case, delete, func, select
from sqlmodel import col

from storage.energy import GAP, fold, minutes
from storage.models import (
    EnergyBaseline,
    EnergyCounter,
    EnergyMinute,
    EnergyReading,
    EnergySum,
)
from storage.store.transactions import (
    Condition,
    Transactions,
    add_new,
    find,
    insert_into,
    query,
    table_of,
)
from storage.tables import EnergyBaselineRow, EnergyCounterRow, EnergyMinuteRow, EnergyRow

HOUR, STEP = timedelta(hours=1), timedelta(minutes=5)
SHORT_S, WORTH_FOLDING = 30.0, 60
"""An hour with more slices than that which are shorter than this is folded; a minute that phases cut
keeps a few."""


class Ledger:
    """The tables `energy_reading` (append-only), `energy_minute` and `energy_counter`."""

    def __init__(self, engine: Engine) -> None:
        self._transactions = Transactions(engine)

    def add(
        self, readings: Sequence[EnergyReading], counters: Sequence[EnergyCounter] = ()
    ) -> list[EnergyReading]:
        """Append readings, and keep where the counters stand; those that were not there already."""
        with self._transactions.write() as connection:
            new = _book(connection, readings)
            _add_up(connection, minutes(new))
            _keep(connection, counters)
            return new

    def counters(self, boot_id: str) -> list[EnergyCounter]:
        """Where each counter stood when it was last booked since this boot."""
        with self._transactions.read() as connection:
            return find(
                connection,
                EnergyCounter,
                EnergyCounterRow,
                col(EnergyCounterRow.boot_id) == boot_id,
            )

    def minutes(self, start: datetime, end: datetime) -> list[EnergyMinute]:
        """The minutes that began in [start, end), oldest first."""
        began = col(EnergyMinuteRow.minute)
        with self._transactions.read() as connection:
            return find(
                connection, EnergyMinute, EnergyMinuteRow, began >= start, began < end, by=[began]
            )

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

    def sums_between(self, start: datetime, end: datetime) -> dict[str, list[EnergySum]]:
        """Run ("" = none in particular) -> its joules in the minutes that began in [start, end).

        Added up in the database from minutes, so that a day takes milliseconds.
        """
        row = table_of(EnergyMinuteRow).c
        # what differs most comes first: rows are told apart at once, in half the time
        group = (row.phase, row.device, row.source, row.arm, row.provenance, row.run_id)
        grown = [
            func.sum(row[name]).label(name) for name in ("energy_j", "duration_s", "unknown_s")
        ]
        statement = (
            select(*group, *grown).where(row.minute >= start, row.minute < end).group_by(*group)
        )
        found: dict[str, list[EnergySum]] = {}
        with self._transactions.read() as connection:
            for values in connection.execute(statement).mappings():
                part = dict(values)
                run_id = part.pop("run_id")
                part["arm"] = part["arm"] or None
                found.setdefault(run_id, []).append(EnergySum(**part))
        return found

    def remarks(self, start: datetime, end: datetime) -> list[EnergyMinute]:
        """The minutes in [start, end) with something to remark upon, oldest first."""
        row = EnergyMinuteRow
        began = col(row.minute)
        said = (col(row.note) != "") | (col(row.provenance) == GAP)
        with self._transactions.read() as connection:
            return find(
                connection, EnergyMinute, row, began >= start, began < end, said, by=[began]
            )

    def newest(self, counter: EnergyCounter) -> EnergyReading | None:
        """The newest reading of a counter: whom the machine worked for when it was last booked."""
        row = EnergyRow
        same = (
            col(row.boot_id) == counter.boot_id,
            col(row.source) == counter.source,
            col(row.device) == counter.device,
        )
        with self._transactions.read() as connection:
            last = select(func.max(col(row.seq))).where(*same).scalar_subquery()
            found = find(connection, EnergyReading, row, *same, col(row.seq) == last)
        return found[0] if found else None

    def forget_counters(self, boot_id: str) -> None:
        """Leave off: what counters move from here on is nobody's to book."""
        with self._transactions.write() as connection:
            row = EnergyCounterRow
            connection.execute(delete(table_of(row)).where(col(row.boot_id) == boot_id))

    def of_segment(self, run_id: str, segment_id: str) -> list[EnergyReading]:
        """All readings of a segment, oldest first."""
        return self._find(col(EnergyRow.run_id) == run_id, col(EnergyRow.segment_id) == segment_id)

    def keep_baselines(self, baselines: Sequence[EnergyBaseline]) -> None:
        """Keep what devices drew before a run; what is kept already stays."""
        with self._transactions.write() as connection:
            add_new(connection, EnergyBaselineRow, baselines)

    def baselines(self, run_id: str) -> list[EnergyBaseline]:
        """What the devices drew before a run."""
        with self._transactions.read() as connection:
            same = col(EnergyBaselineRow.run_id) == run_id
            return find(connection, EnergyBaseline, EnergyBaselineRow, same)

    def compact(self, before: datetime) -> tuple[int, int]:
        """Fold readings that began before a moment to a row a minute; (rows before, rows after).

        Sums stay as they are. Some minutes are one transaction, so the meter never waits for long.
        """
        had, have = 0, 0
        steps = range(int(HOUR / STEP))
        for start in (h + n * STEP for h in self._uncompacted_hours(before) for n in steps):
            with self._transactions.write() as connection:
                began = col(EnergyRow.started_at)
                where = (began >= start, began < min(start + STEP, before))
                order = [began, col(EnergyRow.id)]
                readings = find(connection, EnergyReading, EnergyRow, *where, by=order)
                folded = fold(readings)
                if len(folded) < len(readings):
                    connection.execute(delete(table_of(EnergyRow)).where(*where))
                    add_new(connection, EnergyRow, folded)
            had, have = had + len(readings), have + len(folded)
        return had, have

    def _uncompacted_hours(self, before: datetime) -> list[datetime]:
        """The hours that begin before a moment and hold many slices of a few seconds."""
        began = col(EnergyRow.started_at)
        short = (began < before, col(EnergyRow.duration_s) < SHORT_S)
        hours = []
        with self._transactions.read() as connection:
            hour, last = connection.execute(
                select(func.min(began), func.max(began)).where(*short)
            ).one()
            hour = hour and hour.replace(minute=0, second=0, microsecond=0)
            while hour and hour <= last:
                own = (*short, began >= hour, began < hour + HOUR)
                slices = connection.execute(select(func.count()).where(*own)).scalar_one()
                if slices > WORTH_FOLDING:
                    hours.append(hour)
                hour += HOUR
        return hours

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


def _book(connection: Connection, readings: Sequence[EnergyReading]) -> list[EnergyReading]:
    """Append those that are not in the ledger: a batch may come twice, and counts once."""
    if not readings:
        return []
    rows = [r.model_dump() for r in readings]
    came_in = {tuple(key) for key in connection.execute(_append(connection.dialect.name), rows)}
    return [r for r in readings if (r.boot_id, r.source, r.device, r.seq) in came_in]


def _add_up(connection: Connection, grown: Sequence[EnergyMinute]) -> None:
    """Let minutes grow."""
    if grown:
        connection.execute(_grow(connection.dialect.name), [m.model_dump() for m in grown])


def _keep(connection: Connection, counters: Sequence[EnergyCounter]) -> None:
    """Where counters stand now."""
    if counters:
        connection.execute(_stand(connection.dialect.name), [c.model_dump() for c in counters])


# Made once: making such a statement costs as much as carrying it out, and the meter books each second.


@cache
def _append(dialect: str) -> Executable:
    row = table_of(EnergyRow).c
    statement = insert_into(dialect, EnergyRow).on_conflict_do_nothing()
    return statement.returning(row.boot_id, row.source, row.device, row.seq)


@cache
def _grow(dialect: str) -> Executable:
    statement, old = insert_into(dialect, EnergyMinuteRow), table_of(EnergyMinuteRow).c
    new = statement.excluded
    sums = {name: old[name] + new[name] for name in ("energy_j", "duration_s", "unknown_s")}
    note = case((new.note == "", old.note), else_=new.note)
    keys = list(table_of(EnergyMinuteRow).primary_key)
    return statement.on_conflict_do_update(index_elements=keys, set_={**sums, "note": note})


@cache
def _stand(dialect: str) -> Executable:
    statement = insert_into(dialect, EnergyCounterRow)
    new, keys = statement.excluded, list(table_of(EnergyCounterRow).primary_key)
    values = {"value_j": new.value_j, "at": new.at, "clock_s": new.clock_s}
    return statement.on_conflict_do_update(index_elements=keys, set_=values)
