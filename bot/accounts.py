"""What the books say of a run, read from the store: its joules, its people, its costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.energy import joules
from bot.energy.costs import Account, Costs, Place
from bot.energy.effort import People, people
from bot.energy.grid import Grid
from bot.house import House
from bot.jury import TEAM
from bot.settings import Settings
from storage.models import Ballot, Member, Run, VoteEvent
from storage.store.store import Store


def account(store: Store, settings: Settings, grid: Grid | None, run: Run) -> Account:
    """What is booked on a run; blocks while the database is read."""
    parts = store.ledger.sums(run.run_id)
    costs = Costs.of(parts, took(store, settings, run), place(settings, grid))
    return Account(run, parts, store.ledger.baselines(run.run_id), costs)


def place(settings: Settings, grid: Grid | None) -> Place:
    """Where this house's joules are spent, and at what prices."""
    return Place(settings.prices, settings.device_watts, grid, settings.pue)


def took(store: Store, settings: Settings, run: Run) -> People:
    """What voting in a run took of people; of votes that were taken back the time counts."""
    ballots, found = _people(store, settings, [run])
    return found.of_votes(len(store.votes.current([b.ballot_id for b in ballots])))


def took_on(store: Store, settings: Settings, run: Run, ballots: Sequence[Ballot]) -> People:
    """What voting on some ballots of a run took of people."""
    members = store.votes.members()
    return people(
        ballots,
        [event for b in ballots for event in store.votes.events(b.ballot_id)],
        [posting for b in ballots for posting in store.mail.postings(b.ballot_id)],
        {m: known.person_id for m, known in members.items()},
        assumed_s=settings.seconds_per_vote, machines=machines([run], members),
    )  # fmt: skip


def took_between(
    store: Store, settings: Settings, runs: Sequence[Run], start: datetime, end: datetime
) -> People:
    """What voting in some runs took of people within [start, end)."""
    return _people(store, settings, runs, start, end)[1]


def _people(
    store: Store,
    settings: Settings,
    runs: Sequence[Run],
    start: datetime | None = None,
    end: datetime | None = None,
) -> tuple[list[Ballot], People]:
    ballots = [b for run in runs for b in store.votes.ballots(run_id=run.run_id)]
    members = store.votes.members()
    events = store.votes.events_on([ballot.ballot_id for ballot in ballots])
    events = [event for event in events if _is_in(event, start, end)]
    postings = store.mail.postings_on(sorted({event.ballot_id for event in events}))
    found = people(
        ballots, events, postings, {m: known.person_id for m, known in members.items()},
        assumed_s=settings.seconds_per_vote, machines=machines(runs, members),
    )  # fmt: skip
    return ballots, found


def _is_in(event: VoteEvent, start: datetime | None, end: datetime | None) -> bool:
    return (start is None or event.received_at >= start) and (
        end is None or event.received_at < end
    )


def machines(runs: Sequence[Run], members: Mapping[str, Member]) -> frozenset[str]:
    """Simulated colleagues: the terminal calls them in, and they vote at a pace of their own."""
    if all(":" in run.created_by for run in runs):
        return frozenset()
    names = {colleague.name for colleague in TEAM}
    return frozenset(member for member, known in members.items() if known.name in names)


async def about_run(house: House, run: Run) -> str:
    """A run's joules by arm and phase, gross and net, with what they cost."""
    await house.call(house.meter.flush)
    found = await house.call(account, house.store, house.settings, house.grid, run)
    return joules.run_said(found)
