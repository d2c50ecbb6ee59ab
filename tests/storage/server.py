"""A PostgreSQL server of the tests' own, in a folder that goes with it."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

OWNERS = ("postgres", "nobody")
"""Who may own the server where the tests run as root: PostgreSQL refuses root."""


class NoServer(Exception):  # noqa: N818 -- reads as what happened
    """There is nothing here to start a server with; the text says why."""


class Server:
    """A running server, reached through a socket in its own folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)

    def url(self, database: str, user: str = "postgres") -> str:
        """The address of a database, as the settings take it; `user` may carry a password."""
        return f"postgresql+psycopg://{user}@/{database}?host={self._folder}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection beside the product's own, to look and to interfere."""
        return psycopg.connect(
            host=str(self._folder), user="postgres", dbname=database, autocommit=True
        )

    def create(self, template: str = "template0") -> str:
        """A fresh database like `template`; its name."""
        name = f"test_{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def run(self, statement: str, database: str = "postgres") -> None:
        """Carry out a statement as the server's owner."""
        with self.connect(database) as connection:
            connection.execute(statement)

    def sessions(self, database: str, *, waiting: bool = False) -> int:
        """How many sessions a database has, or how many of them wait for another one's lock."""
        statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        if waiting:
            statement += " AND wait_event_type = 'Lock'"
        with self.connect() as connection:
            (count,) = connection.execute(statement, (database,)).fetchone() or (0,)
        return int(count)

    def wait_until_blocked(self, database: str) -> None:
        """Until some session of the database waits for another one's lock."""
        deadline = time.monotonic() + 30
        while self.sessions(database, waiting=True) == 0:
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.01)


@contextmanager
def running_server() -> Iterator[Server]:
    """A server that ends with the block, with nothing left of it.

    Raises:
        NoServer: the binaries are missing, or nobody but root is here to run them.
    """
    programs = _programs()
    owner = _owner()
    with tempfile.TemporaryDirectory(prefix="joulery-pg-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        if owner:
            os.chown(home, owner["user"], owner["group"])
        data = home / "data"
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync",
             "--encoding=UTF8", "--locale=C", "--no-instructions"],
            check=True, capture_output=True, cwd=home, **owner,
        )  # fmt: skip
        rules = data / "pg_hba.conf"
        rules.write_text(f"local all guarded scram-sha-256\n{rules.read_text()}")
        # a zone that is not UTC: a database that answers in its own zone must not shift times
        settings = {
            "listen_addresses": "", "unix_socket_directories": str(home), "fsync": "off",
            "timezone": "Asia/Kolkata", "max_connections": "60", "shared_buffers": "32MB",
            "autovacuum": "off",
        }  # fmt: skip
        flags = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [programs / "postgres", "-D", data, *flags],
                stdout=log, stderr=log, cwd=home, start_new_session=True, **owner,
            )  # fmt: skip
        try:
            server = Server(home)
            _wait(server, process, home / "log")
            yield server
        finally:
            process.send_signal(signal.SIGQUIT)  # at once: nothing of it is to be kept
            process.wait(60)


def _programs() -> Path:
    places = [Path(found).parent] if (found := shutil.which("initdb")) else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    raise NoServer("the PostgreSQL server binaries (initdb, postgres) are not installed")


def _owner() -> dict[str, Any]:
    """How subprocess changes to somebody who may run the server; nothing when we may."""
    if os.geteuid() != 0:
        return {}
    for name in OWNERS:
        try:
            who = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
    raise NoServer("PostgreSQL refuses to run as root, and there is no other user here")


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            server.connect().close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the server did not start: {log.read_text()}") from None
            time.sleep(0.05)
        else:
            return
