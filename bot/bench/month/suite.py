"""`joulery bench month`: first a real run, then its reports played back over a month of daily use.

The chat's state lives in this process and the bot in another one, so that killing the bot does not
kill the truth. The month takes minutes: the bot, the chat and its people share a clock that runs
fast; all else of the bot is what runs every day.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from adapters.base import Ref
from bot.bench.chat.process import BotProcess
from bot.bench.chat.script import percentile
from bot.bench.chat.slack import SlackVenue
from bot.bench.figures import BenchError, BenchReport, Figure
from bot.bench.month import mishaps, real
from bot.bench.month.check import EXTRA, Month, due_days
from bot.bench.month.clock import Pace
from bot.bench.month.mishaps import Outages
from bot.bench.month.people import People
from bot.bench.month.plan import MONTH, QUICK, Plan, bot_settings, write_spec
from bot.settings import Settings
from storage.models import Ballot, Round, RunState
from storage.store.store import Store
from trainer.spec import RunSpec

BOSS = "boss"
LOOK_S = 0.2
SAY_AGAIN_S = 2.0
SETTLED_S = 240.0
SEED = 1


async def run(spec: RunSpec, *, quick: bool, progress: Callable[[int, int], None]) -> BenchReport:
    """Everything, in a folder that is thrown away.

    Raises:
        BenchError: no checkout, the bot did not come up, or a run did not come to its end.
    """
    plan = QUICK if quick else MONTH
    with tempfile.TemporaryDirectory(prefix="joulery-bench-month-") as name:
        folder = Path(name)
        lived = await real.run(spec, plan, folder / "real", progress)
        month = folder / "month"
        month.mkdir()
        (month / "recorded").symlink_to(lived.recorded)
        bench = _Bench(plan, spec, month, progress)
        figures = await bench.live()
    median_s = percentile(lived.waits_s, 0.5) if lived.waits_s else None
    answered = Figure("command answered while a run trains, median", median_s, "s", "<= 0.1")
    setting = {**bench.setting, "commands": len(lived.waits_s)}
    if lived.waits_s:
        setting["command_answered_p90_s"] = round(percentile(lived.waits_s, 0.9), 3)
    return BenchReport(setting=setting, figures=(*figures, answered))


class _Bench:
    """The month."""

    def __init__(
        self, plan: Plan, spec: RunSpec, folder: Path, progress: Callable[[int, int], None]
    ) -> None:
        self._plan, self._folder, self._progress = plan, folder, progress
        self._venue = SlackVenue()
        self._venue.slack.methods.post_interval_s = 0.0  # a second is over before it is measured
        self._names = [f"p{n}" for n in range(plan.people)]
        self._seen: set[str] = set()
        write_spec(spec, plan, folder / "specs", quorum=plan.people)
        self.setting: dict[str, Any] = {}

    async def live(self) -> tuple[Figure, ...]:
        """All of it; what it came to."""
        plan, venue, slack = self._plan, self._venue, self._venue.slack
        async with venue.open():
            settings = bot_settings(venue, self._folder) | {"quiet_hours": "22-7"}
            module = ("bot.bench.month.bot", str(self._folder))
            bot = BotProcess(self._folder, settings, module)
            pace = Pace.from_now(plan.starts, plan.speed)
            pace.keep(self._folder / "pace.json")
            slack.workspace.clock = pace.seconds
            slack.delivery.retries_s = [s / plan.speed for s in slack.delivery.retries_s]
            people = People(venue, pace, self._names, SEED)
            try:
                await bot.start()
                store = Store.open(f"sqlite:///{self._folder / 'data' / 'joulery.db'}")
                outages = await self._days(bot, store, pace, people)
                await _until(lambda: not store.runs.all(is_open=True), "every run has ended")
                await _until(lambda: not store.mail.pending(), "all is said")
            finally:
                await bot.close()
            return self._judge(store, Settings(_env_file=None, **settings), people, outages)

    async def _days(self, bot: BotProcess, store: Store, pace: Pace, people: People) -> Outages:
        """The month itself: runs are started, people vote, and things go wrong."""
        plan, rng = self._plan, random.Random(SEED)
        database = self._folder / "data" / "joulery.db"
        going_wrong = 0.95 * plan.wall_s
        async with asyncio.TaskGroup() as group:
            killing = group.create_task(mishaps.kill(bot, plan.kills, going_wrong, pace, rng))
            group.create_task(mishaps.lock(database, plan.locks, going_wrong, rng))
            group.create_task(self._start_runs(store, pace))
            answering: list[asyncio.Task[None]] = []
            while pace.now() < plan.ends:
                self._progress(round(pace.seconds() - plan.starts.timestamp()), plan.days * 86_400)
                for round_, cards in await asyncio.to_thread(self._new_rounds, store):
                    answering.append(group.create_task(people.answer(round_, cards)))
                await asyncio.sleep(LOOK_S)
        return killing.result()

    def _new_rounds(self, store: Store) -> list[tuple[Round, dict[str, tuple[Ref, Ballot]]]]:
        """The rounds that opened since the last look, once all their cards stand."""
        found = []
        for round_ in store.votes.open_rounds():
            if round_.round_id in self._seen:
                continue
            ballots = store.votes.ballots(round_id=round_.round_id)
            cards = {
                b.ballot_id: (Ref.parse(posting.ref), b)
                for b in ballots
                for posting in store.mail.postings(b.ballot_id)
            }
            if len(cards) == len(ballots):
                self._seen.add(round_.round_id)
                found.append((round_, cards))
        return found

    async def _start_runs(self, store: Store, pace: Pace) -> None:
        """Say `start` for each run, and again where Slack said that nobody heard it."""
        for n in range(self._plan.runs):
            await asyncio.sleep(max(0.0, pace.wall_s(self._plan.start_of(n) - pace.now())))
            while len(await asyncio.to_thread(store.runs.all)) <= n:
                sent = await self._venue.command(BOSS, f"start month seed={n}")
                # a bot killed meanwhile may have taken it down: as a person would, look first
                await asyncio.sleep(LOOK_S if sent.is_acked else SAY_AGAIN_S)
                await self._is_started(store, n)

    async def _is_started(self, store: Store, n: int) -> None:
        """Wait for a run: while a command waits in the bot's books, and a moment longer."""
        loop = asyncio.get_running_loop()
        until = loop.time() + SAY_AGAIN_S * 4
        while len(await asyncio.to_thread(store.runs.all)) <= n and loop.time() < until:
            if await asyncio.to_thread(_is_asked, store):
                until = loop.time() + SAY_AGAIN_S * 4
            await asyncio.sleep(LOOK_S)

    def _judge(
        self, store: Store, settings: Settings, people: People, outages: Outages
    ) -> tuple[Figure, ...]:
        plan = self._plan
        days = due_days(plan.starts, plan.ends, settings, outages)
        month = Month(store, settings, self._venue, days)
        wanted = {f"r{n}": RunState.FINISHED for n in range(1, plan.runs + 1)}
        runs, jobs = month.runs_amiss(wanted), month.jobs_amiss()
        said, votes = month.summaries_amiss(), month.votes_amiss(people)
        missed, due = month.reminders_missed(people, outages)
        self._tell(month, people, outages, [*runs, *jobs, *said])
        self.setting["reminders"] = {"due": due, "missed": missed}
        self.setting["votes_amiss"] = {
            "lost": votes.lost, "invented": votes.invented, "other": votes.other,
        }  # fmt: skip
        most = max(month.reminders().values(), default=0)
        return (
            Figure("days whose summary is missing or doubled", len(said), "", "<= 0"),
            Figure("runs that went a way or came to an end they should not", len(runs), "", "<= 0"),
            Figure("jobs lost or done twice", len(jobs), "", "<= 0"),
            Figure("votes that differ from what people gave", votes.total, "", "<= 0"),
            Figure("cards whose shown count differs", month.counts_amiss(people), "", "<= 0"),
            Figure("messages posted twice", month.twice(), "", "<= 0"),
            Figure("messages of a round beside its cards, most", month.extra_per_round(), "", f"<= {EXTRA}"),
            Figure("cards of a round above its spec's number", month.cards_above(plan.cards), "", "<= 0"),
            Figure("reminders of one person in one round, most", most, "", "<= 1"),
        )  # fmt: skip

    def _tell(self, month: Month, people: People, outages: Outages, amiss: Sequence[str]) -> None:
        plan = self._plan
        down = [(b - a).total_seconds() / plan.speed for a, b in outages.spans]
        self.setting |= {
            "days": plan.days,
            "wall_s": round(plan.wall_s),
            "runs": len(month.runs),
            "rounds": len(month.rounds),
            "closed_by": dict(_counted(r.closed_by for r in month.rounds)),
            "acts": people.acts,
            "votes": len(people.oracle.votes()),
            "presses_failed_visibly": people.refused,
            "kills": len(outages.spans),
            "down_s": round(sum(down), 1),
            "locks": plan.locks,
            "summaries_posted": month.summaries_posted(),
            "other_messages": month.others(),
            "notes": [*amiss[:20]],
        }


async def _until(look: Callable[[], bool], what: str) -> None:
    """Wait for another process to get there, a database that is locked notwithstanding.

    Raises:
        BenchError: it does not.
    """
    try:
        async with asyncio.timeout(SETTLED_S):
            while not await asyncio.to_thread(look):  # noqa: ASYNC110 -- it signals nothing
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise BenchError(f"waited {SETTLED_S:.0f} s until {what}, in vain") from None


def _is_asked(store: Store) -> bool:
    """Whether somebody's command is still to be dealt with; a bot that is down takes its time."""
    return any(event.payload["kind"] == "command" for event in store.mail.unhandled())


def _counted(values: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    return found
