"""What a month came to, read from the chat's own state and from the bot's books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from adapters.base import Ref
from bot import reminders
from bot.bench.chat.script import Difference, compare
from bot.bench.chat.slack import SlackVenue
from bot.bench.month.mishaps import Outages
from bot.bench.month.people import People
from bot.days import LocalDay
from bot.energy import summaries
from bot.settings import Settings
from storage.models import RunState, SegmentState
from storage.store.runs import LEGAL
from storage.store.store import Store

REMINDER = "This is the only reminder"
EXTRA = 3
"""Messages per round and channel beside its cards."""


class Month:
    """All that is left of a month.

    Args:
        store: the bot's books.
        settings: the bot's.
        venue: the chat.
        days: those whose summary was due within the month.
    """

    def __init__(
        self, store: Store, settings: Settings, venue: SlackVenue, days: Sequence[LocalDay]
    ) -> None:
        self._store, self._settings, self._venue, self._days = store, settings, venue, days
        self.keys = Counter(venue.keys())
        self.runs = store.runs.all()
        self.rounds = [r for run in self.runs for r in store.votes.rounds(run.run_id)]

    # --- summaries and appointments -------------------------------------------------------------

    def summaries_amiss(self) -> list[str]:
        """Days that were not dealt with, or not posted once where runs had spent joules."""
        amiss = []
        channel = self._settings.slack_channel
        for day in self._days:
            key = summaries.key("slack", channel, day)
            if not self._store.upkeep.done([key]):
                amiss.append(f"{day.date}: never looked at")
            spent = any(self._store.ledger.sums_between(day.start, day.end))
            posts = self.keys[key]
            if posts > 1 or (spent and posts == 0):
                amiss.append(f"{day.date}: posted {posts} times")
        return amiss

    def summaries_posted(self) -> int:
        """How many stand in the channel."""
        return sum(key.startswith("energy:") and key.count(":") == 3 for key in self.keys)

    def jobs_amiss(self) -> list[str]:
        """Rounds that were not closed once, with one digest; cards, segments, daily folds amiss."""
        amiss = [f"{r.round_id} is {r.state}" for r in self.rounds if r.closed_at is None]
        folds = {f"fold:{day.date}" for day in self._days}
        amiss += sorted(folds - set(self._store.upkeep.done(folds)))
        for what in ("round", "closed"):
            for r in self.rounds:
                posts = self.keys[f"{what}:{r.round_id}:slack"]
                if posts != 1:
                    amiss.append(f"{what}:{r.round_id}: posted {posts} times")
        for ballot in (
            b for run in self.runs for b in self._store.votes.ballots(run_id=run.run_id)
        ):
            if self.keys[f"card:{ballot.ballot_id}:slack"] != 1:
                amiss.append(f"card of {ballot.ballot_id}: not once")
        for run in self.runs:
            parts = self._store.runs.segments(f"{run.run_id}.human")
            done = Counter(s.until for s in parts if s.state is SegmentState.DONE and s.report)
            wholes = Counter(
                s.until for s in parts
                if s.state is SegmentState.DONE and (s.report or {}).get("outcome") == "done"
            )  # fmt: skip
            if run.state is RunState.FINISHED and (not done or set(wholes.values()) != {1}):
                amiss.append(f"segments of {run.run_id}: {dict(wholes)}")
        return amiss

    # --- runs -----------------------------------------------------------------------------------

    def runs_amiss(self, wanted: Mapping[str, RunState]) -> list[str]:
        """Runs that ended otherwise than they should, or went a way that is not legal."""
        amiss = [
            f"{run_id} ended {found}"
            for run_id, state in wanted.items()
            if (found := next((r.state for r in self.runs if r.run_id == run_id), None))
            is not state
        ]
        amiss += [
            f"{run.run_id}: nobody asked for it" for run in self.runs if run.run_id not in wanted
        ]
        for run in self.runs:
            moves = self._store.runs.transitions(run.run_id)
            for before, after in pairwise(moves):
                is_chain = before.after == after.before
                if not is_chain or RunState(after.after) not in LEGAL[RunState(after.before)]:
                    amiss.append(f"{run.run_id}: {after.before} -> {after.after}")
        return amiss

    # --- votes ----------------------------------------------------------------------------------

    def votes_amiss(self, people: People) -> Difference:
        """What counts, beside what stands in the chat."""
        ballots = [
            b.ballot_id for run in self.runs for b in self._store.votes.ballots(run_id=run.run_id)
        ]
        found = {(v.ballot_id, v.voter): v.answer for v in self._store.votes.current(ballots)}
        return compare(people.oracle.votes(), found)

    def counts_amiss(self, people: People) -> int:
        """Cards that do not show how many people gave each answer."""
        wrong, votes = 0, people.oracle.votes()
        by_card: dict[str, Counter[str]] = {}
        for (card, _), answer in votes.items():
            by_card.setdefault(card, Counter())[answer] += 1
        for run in self.runs:
            for ballot in self._store.votes.ballots(run_id=run.run_id):
                said = {c.id: c.names or c.label.lower() for c in ballot.choices}
                [posting] = self._store.mail.postings(ballot.ballot_id)
                shown = self._venue.shown(Ref.parse(posting.ref))
                given = by_card.get(ballot.ballot_id, Counter())
                wrong += any(f"{said[answer]} {n}" not in shown for answer, n in given.items())
        return wrong

    # --- noise ----------------------------------------------------------------------------------

    def twice(self) -> int:
        """Messages that stand under a key another one has."""
        return sum(n - 1 for n in self.keys.values())

    def extra_per_round(self) -> int:
        """The most messages that a round made beside its cards, in its channel."""
        about = Counter(
            round_id
            for key in self.keys.elements()
            for round_id in (self._round_of(key),)
            if round_id and not key.startswith("card:")
        )
        return max(about.values(), default=0)

    def cards_above(self, most: int) -> int:
        """By how many cards a round went above what its spec allows."""
        cards = Counter(
            ballot.round_id
            for run in self.runs
            for ballot in self._store.votes.ballots(run_id=run.run_id)
        )
        return max((n - most for n in cards.values()), default=0)

    def others(self) -> dict[str, int]:
        """Messages that belong to no round, by kind."""
        kinds = Counter(
            key.partition(":")[0] for key in self.keys.elements() if not self._round_of(key)
        )
        return dict(kinds)

    def _round_of(self, key: str) -> str:
        about = key.partition(":")[2].partition(":")[0]
        return next(
            (r.round_id for r in self.rounds if f"{about}.".startswith(f"{r.round_id}.")), ""
        )

    # --- reminders ------------------------------------------------------------------------------

    def reminders(self) -> Counter[tuple[str, str]]:
        """(person, which round) -> how often they were reminded."""
        said: Sequence[dict[str, Any]] = self._venue.slack.workspace.whispers
        return Counter(
            (f"slack:{one['user']}", one["text"].partition(" (")[0])
            for one in said
            if REMINDER in one["text"]
        )

    def reminders_missed(self, people: People, outages: Outages) -> tuple[int, int]:
        """(who should have been reminded and was not, who should have been).

        Left out: who could not have been, as the bot was down nearly all the time there was for it.
        """
        reminded, due = self.reminders(), []
        for r in self.rounds:
            lazy = people.lazy.get(r.round_id)
            if lazy is None or r.closed_by != "deadline":
                continue
            length = timedelta(seconds=self._deadline_s(r.run_id))
            since = reminders.since(r, length, self._settings.quiet)
            if outages.up(since, r.closes_at) > ENOUGH_S:
                due.append((self._venue.user(lazy), f"Round {r.n + 1} of run {r.run_id}"))
        return sum(who not in reminded for who in due), len(due)

    def _deadline_s(self, run_id: str) -> float:
        run = next(run for run in self.runs if run.run_id == run_id)
        return float(run.spec["ask"]["deadline"])


ENOUGH_S = 2 * 3600.0
"""Of the month: three looks of the bot at least."""


def due_days(
    start: datetime, end: datetime, settings: Settings, outages: Outages
) -> list[LocalDay]:
    """The days since `start` whose summary was due while there was time for it before `end`.

    The last ones are left out where the bot was down nearly until then.
    """
    day, found = LocalDay.of(start, settings.zone), []
    while outages.up(day.due_at(settings.summary_hour), end) > 3 * ENOUGH_S:
        found.append(day)
        day = LocalDay.of(day.end, settings.zone)
    return found
