"""The part in real time: a real run with real training, whose reports the month then plays back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.base import Ref
from bot.bench.chat.crowd import ways_to_say
from bot.bench.chat.process import BotProcess
from bot.bench.chat.slack import SlackVenue
from bot.bench.figures import BenchError
from bot.bench.month.plan import Plan, bot_settings, write_spec
from storage.models import Ballot, RunState, SegmentState
from storage.store.store import Store
from trainer.spec import RunSpec

BOSS, VOTER = "boss", "vera"
ANSWERED_S = 30.0
RUN_S = 900.0
LOOK_S = 0.002
PAUSE_S = 1.3
"""Between two commands: a channel takes one message a second, and nobody types faster."""


@dataclass(frozen=True, slots=True)
class Real:
    """What came of it.

    Attributes:
        waits_s: s from each command, given while training ran, until its answer stood in the channel.
        recorded: where the segments' reports lie, one per pause.
    """

    waits_s: Sequence[float]
    recorded: Path


async def run(
    spec: RunSpec, plan: Plan, folder: Path, progress: Callable[[int, int], None]
) -> Real:
    """Train once, ask for the status all the while, and keep the reports.

    Raises:
        BenchError: the run does not come to its end.
    """
    venue = SlackVenue()
    write_spec(spec, plan, folder / "specs", quorum=1)
    async with venue.open():
        bot = BotProcess(folder, bot_settings(venue, folder))
        try:
            await bot.start()
            store = Store.open(f"sqlite:///{folder / 'data' / 'joulery.db'}")
            await venue.command(BOSS, "start month")
            waits_s = await _live_through(venue, store, progress)
        finally:
            await bot.close()
    return Real(waits_s, _keep(store, folder / "recorded"))


async def _live_through(
    venue: SlackVenue, store: Store, progress: Callable[[int, int], None]
) -> list[float]:
    waits_s: list[float] = []
    async with asyncio.timeout(RUN_S):
        while (run := store.runs.get("r1")) is None or not run.state.is_final:
            if run is not None and run.state is RunState.TRAINING:
                waits_s.append(await _ask(venue))
                progress(len(waits_s), 0)
            elif run is not None and run.state is RunState.ASKING:
                await _answer_all(venue, store)
            await asyncio.sleep(PAUSE_S)
    if run.state is not RunState.FINISHED:
        raise BenchError(f"the run that is to be recorded is {run.state}: {run.reason}")
    return waits_s


async def _ask(venue: SlackVenue) -> float:
    """S until the answer to a command stands in the channel."""
    loop = asyncio.get_running_loop()
    before, began = _answers(venue), loop.time()
    await venue.command(BOSS, "status")
    async with asyncio.timeout(ANSWERED_S):
        while _answers(venue) == before:  # noqa: ASYNC110 -- the fake signals nothing
            await asyncio.sleep(LOOK_S)
    return loop.time() - began


def _answers(venue: SlackVenue) -> int:
    return sum(key.startswith("answer:") for key in venue.keys())  # noqa: SIM118 -- no mapping


async def _answer_all(venue: SlackVenue, store: Store) -> None:
    for round_ in store.votes.open_rounds():
        for ballot in store.votes.ballots(round_id=round_.round_id):
            for ref in (
                Ref.parse(posting.ref) for posting in store.mail.postings(ballot.ballot_id)
            ):
                if ref.platform == venue.name:
                    await venue.react(VOTER, ref, _thumb(venue, ballot))


def _thumb(venue: SlackVenue, ballot: Ballot) -> str:
    first = ways_to_say(ballot, venue)[0]
    glyph = venue.glyph(next(c for c in ballot.choices if c.id == first).emoji[0])
    assert glyph is not None
    return glyph


def _keep(store: Store, folder: Path) -> Path:
    """A report per pause, under the share of the training it lies at."""
    folder.mkdir()
    for segment in store.runs.segments("r1.human"):
        if segment.state is SegmentState.DONE:
            text = json.dumps(segment.report)
            (folder / f"{segment.until}.json").write_text(text, "utf-8")
    return folder
