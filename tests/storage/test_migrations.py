"""The schema's steps, on both databases: up, down, up again, and never past what we know."""

from __future__ import annotations

import gc
import importlib.resources
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text
from sqlmodel import SQLModel

import storage.tables  # noqa: F401 -- fills the metadata
from storage.database import SchemaTooNew, StoreError, _config, newest, open_engine, upgrade
from storage.store.store import Store
from tests.storage.records import ask, at, cast, new_run, reading

OpenEngine = Callable[[str], Engine]


@pytest.fixture
def open_() -> Iterator[OpenEngine]:
    """Opens engines, and closes their connections when the test is over."""
    opened: list[Engine] = []

    def open_one(url: str) -> Engine:
        opened.append(open_engine(url))
        return opened[-1]

    yield open_one
    for engine in opened:
        engine.dispose()


def downgrade(engine: Engine, to: str = "base") -> None:
    config = Config()
    folder = importlib.resources.files("storage") / "migrations"
    config.set_main_option("script_location", str(folder))
    with engine.execution_options(writes=True).begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, to)


def drift(engine: Engine) -> list[object]:
    """What `alembic check` would find: differences between the tables and the migrated schema."""
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        return list(
            compare_metadata(
                MigrationContext.configure(connection, opts=options), SQLModel.metadata
            )
        )


def names(engine: Engine) -> set[str]:
    """All tables and views."""
    found = inspect(engine)
    return {*found.get_table_names(), *found.get_view_names()}


def test_an_empty_database_gets_every_table_and_the_view(empty_url, open_):
    engine = open_(empty_url)

    upgrade(engine)

    assert names(engine) == {*SQLModel.metadata.tables, "current_vote", "alembic_version"}


def test_the_migrated_schema_is_the_one_the_tables_declare(own_url, open_):
    assert drift(open_(own_url)) == []


def test_a_missing_column_would_be_noticed(own_url, open_):
    """The check above can fail."""
    engine = open_(own_url)
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("ALTER TABLE outbox DROP COLUMN error"))

    (found,) = drift(engine)

    assert found[0] == "add_column"


def test_upgrading_twice_changes_nothing(own_url, open_, open_store):
    run = new_run(open_store(own_url))
    engine = open_(own_url)

    upgrade(engine)
    upgrade(engine)

    assert open_store(own_url).runs.all() == [run]


def test_a_downgrade_leaves_nothing_behind(own_url, open_):
    engine = open_(own_url)

    downgrade(engine)

    assert names(engine) == {"alembic_version"}


def test_after_down_and_up_again_the_database_works(own_url, open_, open_store):
    engine = open_(own_url)
    downgrade(engine)
    upgrade(engine)

    store = open_store(own_url)
    (ballot,) = ask(store)
    store.votes.add([cast(ballot, "memory:ana")])

    assert drift(engine) == []
    assert [vote.value for vote in store.votes.current([ballot.ballot_id])] == [1.0]


def test_minutes_of_an_older_database_are_made_from_its_readings(own_url, open_, open_store):
    engine = open_(own_url)
    ledger = open_store(own_url).ledger
    ledger.add([reading(0, 5.0), reading(1, None), reading(61, 7.0, run_id=None, arm=None)])
    before = ledger.minutes(at(0), at(120))
    downgrade(engine, "0001")

    upgrade(engine)

    assert ledger.minutes(at(0), at(120)) == before


def test_rounds_of_one_number_in_an_older_database_are_told_apart_and_none_is_lost(
    own_url, open_, open_store
):
    store = open_store(own_url)
    run = new_run(store)
    for n in range(3):
        ask(store, n, run=run)
    engine = open_(own_url)
    downgrade(engine, "0008")
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("UPDATE round SET n = 0 WHERE n = 1"))

    upgrade(engine)

    found = open_store(own_url).votes
    assert {r.round_id: r.n for r in found.rounds("r1")} == {
        "r1.human.q0": 0, "r1.human.q1": 1, "r1.human.q2": 2,
    }  # fmt: skip
    assert len(found.ballots(run_id="r1")) == 3


@pytest.fixture
def newer_url(own_url: str, open_: OpenEngine, open_store) -> str:
    """The address of a database with a run in it that a newer Joulery has upgraded."""
    new_run(open_store(own_url))
    with open_(own_url).execution_options(writes=True).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("ALTER TABLE run ADD COLUMN mood VARCHAR DEFAULT 'sunny'"))
    return own_url


def test_a_newer_schema_is_refused_with_the_remedy(newer_url, open_):
    with pytest.raises(SchemaTooNew, match=r"schema 9999.*install the newer version"):
        upgrade(open_(newer_url))


def test_a_newer_schema_is_left_as_it_was(newer_url, open_, tmp_path):
    with pytest.raises(StoreError):
        upgrade(open_(newer_url))

    with open_(newer_url).connect() as connection:
        version = (
            connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
        )
        runs = connection.execute(text("SELECT run_id, state, mood FROM run")).all()
    assert version == ["9999"]
    assert [tuple(run) for run in runs] == [("r1", "queued", "sunny")]
    assert list(tmp_path.glob("*before-upgrade*")) == []


@pytest.mark.postgres
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_refused_database_is_let_go_of(server, migrated_postgres):
    database = server.create(migrated_postgres)
    server.run("UPDATE alembic_version SET version_num = '9999'", database)

    with pytest.raises(SchemaTooNew) as caught:
        Store.open(server.url(database))
    left = server.sessions(database)
    del caught
    gc.collect()  # whatever is left warns here, in the test that it belongs to

    assert left == 0


def test_the_newest_revision_is_read_off_the_file_names():
    script = ScriptDirectory.from_config(_config())

    assert newest() == script.get_current_head()


def test_a_schema_that_is_up_to_date_is_opened_without_alembic(tmp_path):
    """It takes 17 MB of a bot's memory."""
    url = f"sqlite:///{tmp_path / 'joulery.db'}"
    Store.open(url)
    code = (
        "import sys; from storage.store.store import Store; "
        f"Store.open({url!r}); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
