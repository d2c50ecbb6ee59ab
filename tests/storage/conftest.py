"""Both databases, for real: SQLite in a folder, PostgreSQL in a server of the tests' own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlmodel import SQLModel

from storage.database import open_engine, upgrade
from storage.store.store import Store
from tests.storage.server import NoServer, Server, running_server

BOTH = [
    pytest.param("sqlite"),
    pytest.param("postgres", marks=pytest.mark.postgres),
]

OpenStore = Callable[[str], Store]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server that lives as long as the tests."""
    try:
        context = running_server()
        started = context.__enter__()
    except NoServer as missing:
        pytest.skip(str(missing))
    try:
        yield started
    finally:
        context.__exit__(None, None, None)


@pytest.fixture(scope="session")
def migrated_postgres(server: Server) -> str:
    """The name of a PostgreSQL database with the schema and nothing in it: a template."""
    name = server.create()
    _bring_up_to_date(server.url(name))
    return name


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the schema and nothing in it: a template."""
    path = tmp_path_factory.mktemp("template") / "joulery.db"
    _bring_up_to_date(f"sqlite:///{path}")
    return path


def _bring_up_to_date(url: str) -> None:
    engine = open_engine(url)
    upgrade(engine)
    engine.dispose()


@pytest.fixture(params=BOTH)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without anything in it, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    server: Server = request.getfixturevalue("server")
    return server.url(server.create())


@pytest.fixture(scope="session")
def wiped_between_tests(server: Server, migrated_postgres: str) -> str:
    """The name of a PostgreSQL database for all tests: emptied is sooner done than made."""
    return server.create(migrated_postgres)


@pytest.fixture(params=BOTH)
def own_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """As `url`, of a database whose schema the test may change."""
    if request.param == "sqlite":
        return _sqlite_copy(request, tmp_path)
    server: Server = request.getfixturevalue("server")
    return server.url(server.create(request.getfixturevalue("migrated_postgres")))


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with the schema and nothing in it, of either kind."""
    if request.param == "sqlite":
        return _sqlite_copy(request, tmp_path)
    server: Server = request.getfixturevalue("server")
    name: str = request.getfixturevalue("wiped_between_tests")
    tables = [f'"{table.name}"' for table in reversed(SQLModel.metadata.sorted_tables)]
    server.run("; ".join(f"DELETE FROM {table}" for table in tables), name)
    return server.url(name)


def _sqlite_copy(request: pytest.FixtureRequest, folder: Path) -> str:
    path = shutil.copy(request.getfixturevalue("migrated_sqlite"), folder / "joulery.db")
    return f"sqlite:///{path}"


@pytest.fixture
def open_store() -> Iterator[OpenStore]:
    """Opens stores as the bot does, and closes their connections when the test is over."""
    opened: list[Store] = []

    def open_(url: str) -> Store:
        opened.append(Store.open(url))
        return opened[-1]

    yield open_
    for store in opened:
        close(store)


@pytest.fixture
def store(url: str, open_store: OpenStore) -> Store:
    """An open database, of either kind."""
    return open_store(url)


@pytest.fixture(scope="module")
def shared_store(
    migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """One SQLite database for all examples of a property test."""
    path = shutil.copy(migrated_sqlite, tmp_path_factory.mktemp("shared") / "joulery.db")
    store = Store.open(f"sqlite:///{path}")
    yield store
    close(store)


def close(store: Store) -> None:
    """End a store's idle connections; the product's end with its process."""
    for part in (store.runs, store.ledger):
        part._transactions._readers.dispose()
