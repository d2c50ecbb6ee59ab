"""Opening a database: what cannot be used is refused in a sentence that says what to do."""

import socket

import pytest
from sqlalchemy import text

from storage.database import StoreError, _back_up, open_engine, upgrade
from storage.store.store import Store
from tests.storage.records import new_run

REMEDY = "write sqlite:///path/joulery.db or postgresql"


@pytest.fixture
def closed_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("", id="nothing"),
        pytest.param("joulery.db", id="a file's name"),
        pytest.param("sqlite://joulery.db", id="a slash too few"),
        pytest.param("postgresql+psycopg://ana@127.0.0.1:port/joulery", id="a port in words"),
        pytest.param("postgresql+nosuch://ana@127.0.0.1/joulery", id="an unknown driver"),
        pytest.param("nosuch://ana@127.0.0.1/joulery", id="an unknown database"),
    ],
)
def test_a_malformed_address_is_refused_with_an_example_of_a_good_one(url):
    with pytest.raises(StoreError, match=REMEDY):
        Store.open(url)


def test_a_database_that_does_not_answer_is_named(closed_port):
    with pytest.raises(StoreError, match=rf"127\.0\.0\.1:{closed_port}/joulery.*is it there\?"):
        Store.open(f"postgresql+psycopg://ana@127.0.0.1:{closed_port}/joulery")


def test_a_sqlite_file_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file, no folder")

    with pytest.raises(StoreError, match=r"taken/joulery\.db"):
        Store.open(f"sqlite:///{tmp_path / 'taken' / 'joulery.db'}")


def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(tmp_path):
    path = tmp_path / "joulery.db"
    path.write_bytes(b"dear diary, " * 1000)

    with pytest.raises(StoreError, match=r"joulery\.db"):
        Store.open(f"sqlite:///{path}")
    assert path.read_bytes() == b"dear diary, " * 1000


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("postgresql+psycopg://ana:hunter2@127.0.0.1:{port}/joulery", id="usual"),
        pytest.param(
            "postgresql+psycopg://ana@127.0.0.1:{port}/joulery?password=hunter2", id="query"
        ),
        pytest.param("postgresql+psycopg://ana:x@hunter2@127.0.0.1:{port}/joulery", id="bare @"),
        pytest.param("postgresql+psycopg://ana:hunter2@/joulery?host=/nowhere", id="no socket"),
        pytest.param("postgresql+nosuch://ana:hunter2@127.0.0.1/joulery", id="no driver"),
        pytest.param("postgresql+psycopg:/ana:hunter2@127.0.0.1/joulery", id="malformed"),
        pytest.param("sqlite://ana:hunter2@127.0.0.1/joulery", id="sqlite"),
    ],
)
def test_a_password_in_the_address_never_shows(url, closed_port):
    with pytest.raises(StoreError) as caught:
        Store.open(url.format(port=closed_port))

    assert "hunter2" not in str(caught.value)


@pytest.mark.postgres
def test_a_wrong_password_is_refused_without_being_shown(server):
    server.run("CREATE ROLE guarded LOGIN PASSWORD 'right'")

    with pytest.raises(StoreError, match="password authentication failed") as caught:
        Store.open(server.url("postgres", user="guarded:hunter2"))
    assert "hunter2" not in str(caught.value)


def test_the_folder_of_a_sqlite_file_is_made(tmp_path, open_store):
    open_store(f"sqlite:///{tmp_path / 'new' / 'folder' / 'joulery.db'}")

    assert (tmp_path / "new" / "folder" / "joulery.db").is_file()


def test_what_was_stored_is_there_when_the_database_is_opened_again(url, open_store):
    run = new_run(open_store(url))

    assert open_store(url).runs.get(run.run_id) == run


def test_a_raised_error_leaves_nothing_of_its_transaction(store):
    def stumble():
        with store.runs._transactions.write() as connection:
            connection.execute(text("INSERT INTO lease VALUES ('bot', 'a', '2026-11-23 12:00:00')"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stumble()

    with store.runs._transactions.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM lease")).scalar() == 0


def test_a_sqlite_file_is_copied_aside_before_it_is_upgraded(tmp_path, open_store):
    """There is only one schema so far, so the step that copies is called by itself."""
    path = tmp_path / "joulery.db"
    run = new_run(open_store(f"sqlite:///{path}"))
    engine = open_engine(f"sqlite:///{path}")

    try:
        _back_up(engine, "0001")
    finally:
        engine.dispose()

    (copy,) = tmp_path.glob("joulery.db.before-upgrade-0001-*")
    assert open_store(f"sqlite:///{copy}").runs.get(run.run_id) == run


def test_upgrading_what_is_up_to_date_copies_nothing(tmp_path, open_store):
    url = f"sqlite:///{tmp_path / 'joulery.db'}"
    open_store(url)

    engine = open_engine(url)
    upgrade(engine)
    engine.dispose()

    assert list(tmp_path.glob("*before-upgrade*")) == []
