"""Transactions and the few statements all stores are made of: core SQL, values in and out.

Rows are not loaded as objects: reading them as frozen nouns is simpler, an upsert decides races the
same on both databases, and select-then-write through the ORM lost votes on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, Select, Table, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped
from sqlmodel import SQLModel

from storage.database import StoreError
from storage.models import Value

N = TypeVar("N", bound=Value)
Condition = ColumnElement[bool]

PART = 10_000
"""How many ids a statement names at most."""


class NumberTaken(StoreError):  # noqa: N818 -- reads as what happened
    """Somebody else made a round meanwhile, which has the number; look again, and take the next."""


class Transactions:
    """Opens read and write transactions on one engine.

    A database that does not answer (gone, locked for too long, disk full) is a `StoreError`.
    """

    def __init__(self, engine: Engine) -> None:
        self._readers = engine
        self._writers = engine.execution_options(writes=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with _in_plain_words(), self._readers.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits at the end, or leaves no trace when something is raised."""
        with _in_plain_words(), self._writers.begin() as connection:
            yield connection

    def compact(self) -> None:
        """Write the file anew, without what was deleted or replaced; PostgreSQL does so by itself.

        Raises:
            StoreError: somebody holds the file for long.
        """
        if self._readers.dialect.name != "sqlite":
            return
        alone = self._readers.execution_options(isolation_level="AUTOCOMMIT")
        with _in_plain_words(), alone.connect() as connection:
            connection.exec_driver_sql("VACUUM")
            busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar()
        if busy:
            raise StoreError("the database's log is in use; it is emptied later")


@contextmanager
def _in_plain_words() -> Iterator[None]:
    try:
        yield
    except OperationalError as err:
        reason = " ".join(str(err.orig).split())[:200]
        raise StoreError(f"the database does not answer ({reason})") from err


def table_of(row: type[SQLModel]) -> Table:
    """The table behind a row class."""
    table: Table = row.__table__  # type: ignore[attr-defined]
    return table


def find(
    connection: Connection,
    kind: type[N],
    row: type[SQLModel],
    *where: Condition,
    by: Sequence[Mapped[Any]] = (),
    limit: int | None = None,
) -> list[N]:
    """The matching rows as nouns, ordered `by`."""
    return query(connection, kind, select(table_of(row)).where(*where).order_by(*by).limit(limit))


def query(connection: Connection, kind: type[N], statement: Select[Any]) -> list[N]:
    """The rows of a statement as nouns."""
    return _nouns(kind, connection.execute(statement).mappings())


def _nouns(kind: type[N], rows: Iterable[RowMapping]) -> list[N]:
    fields = kind.model_fields.keys()
    return [kind.model_validate({k: v for k, v in r.items() if k in fields}) for r in rows]


def parts(ids: Iterable[str]) -> Iterator[list[str]]:
    """Ids in parts that fit a statement: SQLite takes 32 766 of them, PostgreSQL 65 535.

    Where a view ranks votes, both databases look at the named ballots alone; joined with the table of
    ballots they rank all votes there ever were first (measured on SQLite: 1.0 s instead of 0.12 s).
    """
    it = iter(ids)
    while part := list(islice(it, PART)):
        yield part


def gather(
    connection: Connection,
    kind: type[N],
    statement: Callable[[list[str]], Select[Any]],
    ids: Iterable[str],
    by: Sequence[str],
) -> list[N]:
    """The rows of a statement for each part of some ids, as nouns, ordered by columns of it."""
    rows = [row for part in parts(ids) for row in connection.execute(statement(part)).mappings()]
    return _nouns(kind, sorted(rows, key=lambda row: [row[name] for name in by]))


def change(connection: Connection, row: type[SQLModel], *where: Condition, **values: Any) -> int:
    """Set columns of the matching rows; how many there were."""
    done = connection.execute(update(table_of(row)).where(*where).values(**values))
    return done.rowcount


def add_new(
    connection: Connection, row: type[SQLModel], rows: Sequence[Value | Mapping[str, Any]]
) -> int:
    """Insert rows, leaving out those whose natural key is taken; how many came in.

    A repeat of what was stored is no error: events arrive twice.
    """
    if not rows:
        return 0
    statement = _new_only(connection.dialect.name, row)
    defaults = _defaults(row)
    given = [r.model_dump() if isinstance(r, Value) else r for r in rows]
    complete = [{name: g.get(name, d) for name, d in defaults.items()} for g in given]
    # without the option SQLAlchemy 2.1 does not ask PostgreSQL's driver how many came in
    options = {"preserve_rowcount": True}
    return connection.execute(statement, complete, execution_options=options).rowcount


def insert_into(dialect: str, row: type[SQLModel]) -> postgresql.Insert | sqlite.Insert:
    """An insert that knows `on conflict`, in the database's own tongue."""
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return insert(table_of(row))


@cache
def _new_only(dialect: str, row: type[SQLModel]) -> postgresql.Insert | sqlite.Insert:
    return insert_into(dialect, row).on_conflict_do_nothing()


@cache
def _defaults(row: type[SQLModel]) -> dict[str, Any]:
    """Every column but the counted id, with its default."""
    fields = row.model_fields.items()
    return {
        name: field.get_default(call_default_factory=True) for name, field in fields if name != "id"
    }
