"""`joulery serve` as a process of its own, that can be killed, and the guests of its page."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil
import yaml
from aiohttp import ClientError

from adapters.base import Ref
from adapters.web.client import Guest, GuestRefused
from adapters.web.platform import WebChat
from storage.models import Run, Segment, SegmentState
from storage.store.store import Store
from trainer.spec import RunSpec

T = TypeVar("T")
JOULERY = Path(sys.executable).with_name("joulery")
CHANNEL = "joulery"
PATIENCE_S = 120.0
"""Far above what anything takes; only a hang runs into it."""


def environment(folder: Path, **settings: object) -> dict[str, str]:
    """The environment of a bot that lives in `folder`, free of the caller's own settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("JOULERY_")}
    own = {
        "data_dir": folder / "data", "specs_dir": folder / "specs", "trackers": "none", **settings
    }  # fmt: skip
    return kept | {f"JOULERY_{name.upper()}": str(value) for name, value in own.items()}


def free_port() -> int:
    """A port nobody listens on, and below those the system gives to whoever asks meanwhile."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_768)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def write_spec(served: Served, spec: RunSpec) -> None:
    """Put a spec where `start NAME` finds it."""
    folder = served.folder / "specs"
    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(spec.model_dump(mode="json"))
    (folder / f"{spec.name}.yaml").write_text(text, encoding="utf-8")


async def until(look: Callable[[], T], every_s: float = 0.05) -> T:
    """What `look` finds, once it is anything."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := look()):  # noqa: ASYNC110 -- other processes signal nothing
            await asyncio.sleep(every_s)
        return found


class TooLate(Exception):  # noqa: N818 -- reads as what happened
    """The card is closed."""


async def insist(ask: Callable[[], Awaitable[T]]) -> T:
    """What a page does: send again, under the same key, until it is taken.

    Raises:
        TooLate: the card was closed meanwhile.
    """
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await ask()
            except (ClientError, OSError):
                await asyncio.sleep(0.1)
            except GuestRefused as refused:
                if refused.status == 409:
                    raise TooLate from refused
                if refused.status != 503:
                    raise
                await asyncio.sleep(0.1)


async def at_work(store: Store, n: int, attempt: int = 1) -> psutil.Process:
    """The process of an attempt at segment `n` of the first run, as soon as it works."""

    def look() -> Segment | None:
        same = [s for s in store.runs.segments("r1.human") if (s.n, s.attempt) == (n, attempt)]
        return next((s for s in same if s.state is SegmentState.RUNNING), None)

    segment = await until(look, every_s=0.005)
    assert segment.handle is not None
    return psutil.Process(segment.handle["pid"])


def is_gone(process: psutil.Process) -> bool:
    """True once a process has ended, reaped or not."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Served:
    """One bot's folder, its process, and what stands in its database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder / "bot.log"
        self._process: subprocess.Popen[bytes] | None = None

    # --- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the bot and wait until it listens."""
        settings = {"operators": "web:*", "web_port": self.port, "log_level": "INFO"}
        since = self.log.stat().st_size if self.log.exists() else 0
        self._spawn(environment(self.folder, **settings))
        await self.has_logged("Joulery listens at", since)

    def _spawn(self, environ: dict[str, str]) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [JOULERY, "serve"],
                cwd=self.folder,
                env=environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def has_logged(self, words: str, since: int = 0) -> None:
        """Wait until the bot wrote `words`, behind the first `since` bytes of its log."""

        def look() -> bool:
            said = self.log.read_bytes()[since:].decode(errors="replace")
            assert self._process is not None
            assert self._process.poll() is None or words in said, said
            return words in said

        await until(look)

    def kill(self) -> None:
        """SIGKILL; then what 30 s of waiting do: its claims on what was being sent run out."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        path = self.folder / "data" / "joulery.db"
        with contextlib.closing(sqlite3.connect(path, timeout=30)) as db, db:
            db.execute(
                "UPDATE outbox SET lease_until = '2000-01-01 00:00:00' WHERE state = 'sending'"
            )

    async def close(self) -> None:
        """Stop it as a person does."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.to_thread(self._process.wait, 60)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._end_children()

    # --- people ---------------------------------------------------------------------------------

    @asynccontextmanager
    async def guests(self, *names: str) -> AsyncIterator[list[Guest]]:
        """People who are in, each by a personal link made by another process than the bot."""
        chat = WebChat(self.folder / "data" / "web" / "chat.db", port=self.port, channel=CHANNEL)
        links = [chat.invite(name) for name in names]
        await chat.close()
        async with AsyncExitStack() as stack:
            yield [await stack.enter_async_context(Guest.enter(link)) for link in links]

    # --- what is stored -------------------------------------------------------------------------

    def store(self) -> Store:
        """The bot's own database."""
        return Store.open(f"sqlite:///{self.folder / 'data' / 'joulery.db'}")

    def _end_children(self) -> None:
        """Children outlive their bot, also when a test fails half-way."""
        for path in self.folder.glob("data/runs/**/process.json"):
            own = json.loads(path.read_text(encoding="utf-8"))
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(own["pid"])
                if abs(process.create_time() - own["created"]) < 0.1:
                    process.kill()


class Ballots:
    """The question cards on the page, and the votes that the page said were recorded."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.cast: dict[tuple[str, str, str], str] = {}  # (ballot, voter, subject) -> answer

    async def open(self, guest: Guest) -> list[dict[str, Any]]:
        """The cards that wait for an answer."""
        found = await insist(lambda: guest.messages(limit=500))
        return [m for m in found if m["tone"] == "question" and m["is_asking"]]

    async def opened(self, guest: Guest, n: int) -> list[dict[str, Any]]:
        """The open cards, once there are `n` whose place the bot has written down."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                cards = await self.open(guest)
                if len([c for c in cards if self._ballot_of(c)]) >= n:
                    return cards
                await asyncio.sleep(0.05)

    async def vote(self, guest: Guest, card: dict[str, Any], value: float = 1.0) -> None:
        """Answer one card; what was acknowledged is kept for `lost`."""
        key = f"vote-{guest.id.replace(':', '-')}-{card['id']}"
        if card["menu"]:
            values = {key_: "5" for key_, _ in card["menu"]["options"]}
            await insist(lambda: guest.submit(card["id"], values, key))
            said = values
        else:
            # the first answer, a yes or a label, or the one that means no
            button = next(b for b in card["buttons"] if value > 0 or b["emoji"] == "down")
            await insist(lambda: guest.react(card["id"], button["emoji"], key=key))
            said = {"1": button["id"]}
        for subject, answer in said.items():
            self.cast[str(card["id"]), guest.id, subject] = answer

    async def vote_all(self, guest: Guest) -> None:
        """Answer whatever is open and not answered by the guest yet."""
        voted = {card for card, voter, _ in self.cast if voter == guest.id}
        for card in await self.open(guest):
            if str(card["id"]) not in voted:
                with contextlib.suppress(TooLate):
                    await self.vote(guest, card, 1.0 if card["id"] % 3 else -1.0)

    def lost(self) -> list[tuple[str, str, str]]:
        """Acknowledged votes that are not what the database holds now."""
        ballots = self._store.votes.ballots(run_id="r1")
        current = self._store.votes.current([b.ballot_id for b in ballots])
        stored = {(v.ballot_id, v.voter, v.subject): v.answer for v in current}
        return [
            (card, voter, subject)
            for (card, voter, subject), answer in self.cast.items()
            if stored.get((self._ballot_of({"id": card}) or "", voter, subject)) != answer
        ]

    def _ballot_of(self, card: dict[str, Any]) -> str | None:
        ref = Ref(platform="web", channel=CHANNEL, message=str(card["id"]))
        posting = self._store.mail.posting_at(str(ref))
        return posting.ballot_id if posting else None


async def run_ended(store: Store) -> Run:
    """The first run once it has ended and everything was said."""

    def look() -> Run | None:
        run = store.runs.get("r1")
        return run if run and run.state.is_final and not store.mail.pending() else None

    return await until(look)


async def assert_all_stands_once(guest: Guest, store: Store) -> None:
    """One head, one card per ballot, no sentence twice in the thread, no evaluation twice."""
    messages = await insist(lambda: guest.messages(limit=500))
    heads = [m for m in messages if m["is_card"] and m["title"].startswith("Run r1 ")]
    assert len(heads) == 1
    thread = [m["text"] for m in messages if m["thread"] == heads[0]["id"]]
    assert sorted(set(thread)) == sorted(thread)

    ballots = [b.ballot_id for b in store.votes.ballots(run_id="r1")]
    cards = [m["id"] for m in messages if m["tone"] == "question"]
    refs = [store.mail.postings(b) for b in ballots]
    assert [len(found) for found in refs] == [1] * len(ballots)
    assert sorted(int(Ref.parse(r[0].ref).message) for r in refs) == sorted(cards)
    targets = [(s.label, s.target) for b in store.votes.ballots(run_id="r1") for s in b.subjects]
    assert len(set(targets)) == len(targets)

    rounds = store.votes.rounds("r1")
    for n in range(1, len(rounds) + 1):
        assert len([text for text in thread if text.startswith(f"Round {n} closed")]) == 1
        assert len([text for text in thread if text.startswith(f"Round {n}: ")]) == 1
    samples = [e.samples for e in store.runs.evaluations("r1.human")]
    assert len(samples) == 5  # one before the first step, and four
    assert len(set(samples)) == 5
