"""`joulery bench chat`: rest, a burst of votes while everything goes wrong, and commands under load.

The bot is a process of its own with its own database; the platform is a fake on loopback that
refuses what the real one refuses. Nothing here says how fast the real one is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from adapters.base import Ref
from bot.bench.chat.crowd import Crowd
from bot.bench.chat.process import BotProcess, Burners
from bot.bench.chat.script import compare, percentile
from bot.bench.chat.venue import Answered, PlatformName, Venue
from bot.bench.figures import BenchError, BenchReport, Figure
from storage.models import Ballot, RunState
from storage.store.store import Store
from trainer.spec import RunSpec

WAIT_S = 300.0
BOSS = "boss"
SENT_AGAIN_S = 65.0
VOTES_WHILE_DOWN, PRESSES_WHILE_DOWN = 30, 5
LOST_ANSWERS = 3
"""Posts that the platform took without the bot hearing of it."""
STORM_S = 5.0
"""How long every call is refused with 429."""


def venue_of(name: PlatformName) -> Venue:
    """The fake platform called so.

    Raises:
        BenchError: this is no checkout.
    """
    if name == "slack":
        from bot.bench.chat.slack import SlackVenue

        return SlackVenue()
    from bot.bench.chat.discord import DiscordVenue

    return DiscordVenue()


async def run(
    spec: RunSpec, venue: Venue, *, quick: bool, progress: Callable[[int, int], None]
) -> BenchReport:
    """Everything, in a folder that is thrown away.

    Raises:
        BenchError: no checkout, or the bot did not come up.
    """
    people, cards, commands, rest_s = (10, 6, 40, 10.0) if quick else (50, 20, 200, 60.0)
    with tempfile.TemporaryDirectory(prefix="joulery-bench-chat-") as name:
        folder = Path(name)
        _write_spec(spec, folder, cards)
        async with venue.open():
            bot = BotProcess(folder, _settings(venue, folder))
            try:
                await bot.start()
                bench = _Bench(venue, bot, folder, people, cards, progress)
                rss_mb, cpu = await bench.rest(rest_s)
                burst = await bench.burst()
                acks = await bench.commands(commands)
            finally:
                await bot.close()
    figures = (
        *burst,
        Figure("command acknowledged under load, p99", percentile(acks, 0.99), "s", "<= 0.3"),
        Figure("command acknowledged under load, median", percentile(acks, 0.5), "s", "<= 0.3"),
        Figure("idle bot, memory", rss_mb, "MB", "<= 160"),
        Figure("idle bot, share of a core", cpu, "%", "<= 1"),
    )
    return BenchReport(setting={**bench.setting, "commands": commands}, figures=figures)


class _Bench:
    """The phases, one after the other, on one bot."""

    def __init__(
        self, venue: Venue, bot: BotProcess, folder: Path, people: int, cards: int,
        progress: Callable[[int, int], None],
    ) -> None:  # fmt: skip
        self._venue, self._bot, self._n_cards = venue, bot, cards
        self._people = [f"p{n}" for n in range(people)]
        self._database = folder / "data" / "joulery.db"
        self._store = Store.open(f"sqlite:///{self._database}")
        self._progress = progress
        self._while_down = 0
        self.setting: dict[str, Any] = {
            "platform": venue.name,
            "people": people,
            "cards": cards,
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        }

    async def burst(self) -> tuple[Figure, ...]:
        """Everybody votes on every card while all goes wrong; then the round is closed."""
        venue, loop = self._venue, asyncio.get_running_loop()
        venue.lose_answers(LOST_ANSWERS)
        await self._command("start bench")
        await _until(self._is_asking, "the cards are posted")
        cards = self._cards()
        crowd = Crowd(venue, cards, seed=1)
        plans = crowd.plans(self._people)
        venue.be_careless(crowd.rng)
        total = sum(map(len, plans.values()))
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            for who, plan in plans.items():
                group.create_task(crowd.live(who, plan))
            down_s = await self._go_wrong(crowd, total)
        ended = loop.time()
        await _until(lambda: not self._store.mail.pending(venue.name), "all is sent")
        believed = await self._nobody_listens(crowd)
        await self._command("stop r1 --yes")
        await _until(self._is_closed, "the round is closed")
        # what nobody took is sent again after a minute: by now that is late, and known
        await asyncio.sleep(max(0.0, ended + SENT_AGAIN_S - loop.time()))
        await _until(lambda: not self._store.mail.pending(venue.name), "all is sent")
        found = compare(crowd.oracle.votes(), self._votes())
        self.setting |= {
            "acts": total,
            "votes": dict(crowd.by_way),
            "votes_standing": len(crowd.oracle.votes()),
            **venue.carelessness(),
            "acts_while_down": self._while_down + VOTES_WHILE_DOWN,
            "presses_failed_visibly": crowd.failed,
            "burst_s": round(ended - began, 1),
            "down_s": round(down_s, 1),
            "notes": self._notes(found, crowd.failed),
        }
        return (
            Figure("votes that differ from what people gave", found.total, "", "<= 0"),
            Figure("cards whose shown count differs", self._wrong_counts(crowd), "", "<= 0"),
            Figure("messages posted twice", self._twice(), "", "<= 0"),
            Figure("people told they were late who were not", self._told_late(), "", "<= 0"),
            Figure("presses believed recorded while no bot was there", believed, "", "<= 0"),
            Figure(f"calls faster than {venue.title} allows", venue.refused(), "", "<= 0"),
        )

    async def _go_wrong(self, crowd: Crowd, total: int) -> float:
        """A dropped socket, a storm of 429, a kill; s the bot was down for."""
        for share, what in ((0.25, "socket"), (0.4, "storm"), (0.5, "kill")):
            while crowd.done < share * total:
                self._progress(crowd.done, total)
                await asyncio.sleep(0.02)
            if what == "socket":
                self._venue.drop_sockets()
            elif what == "storm":
                self._venue.storm(STORM_S)
            else:
                self._bot.kill()
        done = crowd.done
        down_s = await self._bot.start()
        self._while_down = crowd.done - done
        return down_s

    async def _nobody_listens(self, crowd: Crowd) -> int:
        """Votes that are given while the bot is down; presses then that seem recorded."""
        self._bot.kill()
        await crowd.come_by([f"q{n}" for n in range(VOTES_WHILE_DOWN)])
        believed = await crowd.press_in_vain([f"s{n}" for n in range(PRESSES_WHILE_DOWN)])
        await self._bot.start()
        return believed

    async def commands(self, n: int) -> list[float]:
        """S until each of `n` commands was acknowledged while every core is busy."""
        waits: list[float] = []
        self._venue.be_careless(None)
        with Burners():
            await asyncio.sleep(1.0)
            for number in range(n):
                self._progress(number, n)
                sent = await self._command("status")
                waits.append(sent.wait_s)
                await asyncio.sleep(0.1)
        return waits

    async def rest(self, seconds: float) -> tuple[float, float]:
        """(MB, % of a core) of a bot that is connected and has nothing to do.

        It is started on a database that is there: making one takes 17 MB more, once.
        """
        await self._bot.close()
        await self._bot.start()
        await asyncio.sleep(5.0)
        return await self._bot.idle(seconds)

    # --- looking --------------------------------------------------------------------------------

    def _told_late(self) -> int:
        """Whispers that an answer came after the close: everybody answered before."""
        with contextlib.closing(sqlite3.connect(self._database)) as rows:
            counted = rows.execute("SELECT count(*) FROM outbox WHERE key LIKE 'late:%'")
            return int(counted.fetchone()[0])

    async def _command(self, words: str) -> Answered:
        while not (sent := await self._venue.command(BOSS, words)).is_acked:  # noqa: ASYNC110 -- or a person would
            await asyncio.sleep(1.0)
        return sent

    def _ballots(self) -> list[Ballot]:
        return self._store.votes.ballots(run_id="r1")

    def _cards(self) -> dict[str, tuple[Ref, Ballot]]:
        """The cards that the bot has posted and knows of."""
        return {
            ballot.ballot_id: (Ref.parse(posting.ref), ballot)
            for ballot in self._ballots()
            for posting in self._store.mail.postings(ballot.ballot_id)
            if posting.platform == self._venue.name
        }

    def _votes(self) -> dict[tuple[str, str], str | None]:
        current = self._store.votes.current([b.ballot_id for b in self._ballots()])
        return {(vote.ballot_id, vote.voter): vote.answer for vote in current}

    def _is_asking(self) -> bool:
        run = self._store.runs.get("r1")
        if run is not None and run.state is RunState.FAILED:
            raise BenchError(f"the run that is to ask failed: {run.reason}")
        return len(self._cards()) == self._n_cards

    def _is_closed(self) -> bool:
        return not self._store.votes.open_rounds()

    def _wrong_counts(self, crowd: Crowd) -> int:
        """Cards that do not show, letter by letter, how many people gave each answer."""
        wrong = 0
        for card, (ref, ballot) in self._cards().items():
            given = Counter(a for (where, _), a in crowd.oracle.votes().items() if where == card)
            shown = self._venue.shown(ref)
            said = {c.id: c.names or c.label.lower() for c in ballot.choices}
            wrong += any(f"{said[answer]} {n}" not in shown for answer, n in given.items())
        return wrong

    def _twice(self) -> int:
        """Messages of the bot's that stand under a key another one has."""
        keys = Counter(self._venue.keys())
        return sum(n - 1 for n in keys.values())

    def _notes(self, found: Any, failed: int) -> tuple[str, ...]:
        return (
            f"votes lost {found.lost}, invented {found.invented}, other {found.other}",
            f"{failed} presses were not acknowledged, visibly, and were pressed again",
        )


def _settings(venue: Venue, folder: Path) -> dict[str, object]:
    return {
        "data_dir": folder / "data",
        "specs_dir": folder / "specs",
        "operators": f"{venue.name}:*",
        "web_port": 0,
        **venue.settings(),
    }


def _write_spec(spec: RunSpec, folder: Path, cards: int) -> None:
    """A run that asks before it trains, and waits for whoever closes it."""
    changes = {
        "at": (0.0,), "cards": cards, "audit": 0, "feature_cards": 0, "quorum": 10_000,
        "deadline": 3600.0, "style": "both",
    }  # fmt: skip
    raw = spec.model_dump(mode="json") | {"name": "bench"}
    raw["ask"] |= changes | {"at": [0.0]}
    raw["data"]["limit"] = 400
    (folder / "specs").mkdir()
    (folder / "specs" / "bench.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")


async def _until(look: Callable[[], bool], what: str) -> None:
    """Wait for another process to get there.

    Raises:
        BenchError: it does not.
    """
    try:
        async with asyncio.timeout(WAIT_S):
            while not await asyncio.to_thread(look):  # noqa: ASYNC110 -- it signals nothing
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise BenchError(f"waited {WAIT_S:.0f} s until {what}, in vain") from None
