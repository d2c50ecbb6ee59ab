"""Opening the database and bringing its schema up to date; SQLite by default, PostgreSQL too.

StoreError            the database cannot be used; the text names the remedy
└── SchemaTooNew      written by a newer Joulery
"""

from __future__ import annotations

import importlib.resources
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

if TYPE_CHECKING:
    from alembic.config import Config

log = logging.getLogger(__name__)

BUSY_TIMEOUT_MS = 30_000


class StoreError(Exception):
    """The database cannot be used; the text says why and what to do."""


class SchemaTooNew(StoreError):  # noqa: N818 -- reads as what happened
    """The database was written by a newer Joulery."""


def open_engine(url: str) -> Engine:
    """An engine for `url`; its schema is not touched.

    For writing transactions use `engine.execution_options(writes=True)`: on SQLite they take the
    write lock at their start, so that no two writers read the same old state.

    Raises:
        StoreError: the URL is malformed, the driver is missing, or nothing answers there.
    """
    try:
        parsed = make_url(url)
        if "@" in (parsed.host or ""):
            raise ArgumentError("a password with @ in it has to be written with %40")
        if parsed.get_backend_name() == "sqlite":
            if parsed.database not in (None, "", ":memory:"):
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(parsed)
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        else:
            engine = create_engine(parsed, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError) as err:
        raise StoreError(
            f"JOULERY_DATABASE_URL cannot be used ({err}); write sqlite:///path/joulery.db or "
            "postgresql+psycopg://user@host/name (extra: joulery[postgres])"
        ) from err
    except OSError as err:
        raise StoreError(f"cannot make the folder of {parsed.database}: {err.strerror}") from err
    try:
        with engine.connect():
            pass
    except DatabaseError as err:
        engine.dispose()
        shown, reason = _without_secrets(parsed), " ".join(str(err.orig).split())[:200]
        if isinstance(err, OperationalError):
            raise StoreError(f"cannot reach the database {shown}: {reason}; is it there?") from err
        raise StoreError(f"{shown} is no database of Joulery's: {reason}; name another") from err
    return engine


def upgrade(engine: Engine) -> None:
    """Bring the schema up to date; a SQLite file is copied aside first.

    Raises:
        SchemaTooNew: the database was written by a newer Joulery.
    """
    current = _revision(engine)
    if current == newest():
        return
    from alembic import command  # 17 MB with all it brings, and rarely needed

    config = _config()
    if current is not None:
        _refuse_unknown(config, current)
        _back_up(engine, current)
    with engine.execution_options(writes=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    log.info("schema upgraded", extra={"before": current, "after": newest()})


def newest() -> str:
    """The revision this Joulery writes: migrations are numbered in their file names."""
    folder = importlib.resources.files("storage") / "migrations" / "versions"
    return max(entry.name[:4] for entry in folder.iterdir() if entry.name[:4].isdigit())


def _revision(engine: Engine) -> str | None:
    """The schema's revision; None for an empty database."""
    if not inspect(engine).has_table("alembic_version"):
        return None
    with engine.connect() as connection:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _without_secrets(url: URL) -> str:
    """The URL as it may be shown: no password, neither before the host nor among the options."""
    shown = url.difference_update_query(["password", "passfile", "sslpassword"])
    return shown.render_as_string(hide_password=True)


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    folder = importlib.resources.files("storage") / "migrations"
    config.set_main_option("script_location", str(folder))
    return config


def _refuse_unknown(config: Config, revision: str) -> None:
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    try:
        ScriptDirectory.from_config(config).get_revision(revision)
    except CommandError as err:
        raise SchemaTooNew(
            f"the database has schema {revision}, which this Joulery does not know; "
            "install the newer version that wrote it"
        ) from err


def _back_up(engine: Engine, revision: str) -> None:
    path = engine.url.database
    if engine.dialect.name != "sqlite" or path in (None, "", ":memory:"):
        return
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    copy = f"{path}.before-upgrade-{revision}-{stamp}"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM INTO ?", (copy,))
    log.info("database copied aside", extra={"copy": copy})


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",  # kill -9 loses nothing; a power cut may cost the last commits
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return  # VACUUM INTO cannot run inside a transaction
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
