"""`joulery import votes FILE`: reads, previews and stores votes that were not given on our cards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot import words
from bot.ask import next_number
from bot.energy.export import ExportError
from bot.energy.exporting import run_named
from bot.export.exporting import key_of, pool_of
from bot.export.incoming import Reader, Reading
from bot.export.intake import Sorted, intake, sort_out
from bot.export.rows import pseudonym
from bot.export.tables import read_table
from bot.settings import Settings
from bot.wording import kind_of
from bot.worth import is_like_control
from storage.models import Member, Run, RunState
from storage.store.store import Store
from storage.store.transactions import NumberTaken

SHOWN = 20
"""Bad rows that are told; the others are counted."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import brings, or would bring.

    Attributes:
        run_id: the run it counts in.
        new: votes that are taken in.
        samples: they are about.
        by_voter: how many of them are whose, by the voter's id; those known to us, and others.
        known: votes that stand already.
        outrun: votes after which the same person voted again.
        others: rows that are no votes on samples, or on gold cards.
        is_idle: whether the run is trained without votes by now, as its audit said.
    """

    run_id: str
    new: int
    samples: int
    by_voter: Mapping[str, int]
    known: int
    outrun: int
    others: int
    is_idle: bool


def import_votes(
    settings: Settings, path: Path, run_id: str | None, *, is_preview: bool
) -> Imported:
    """Take the votes of a file into a run; they count from its next segment on.

    The same file again changes nothing; what is wrong with one row keeps all of them out.

    Args:
        settings: say where the runs are.
        path: csv, jsonl or parquet; its columns are told in docs/export.md.
        run_id: which run; None = the newest.
        is_preview: whether only to say what would be done.

    Raises:
        ExportError: no such run or file, or rows that cannot be read, by line.
        StoreError: the database cannot be used.
    """
    store = Store.open(settings.database)
    run = run_named(store, run_id)
    arm = next((arm for arm in store.runs.arms(run.run_id) if arm.name == "human"), None)
    if arm is None or run.state is RunState.FINISHED:
        why = "has no arm that votes count in" if arm is None else "has finished"
        raise ExportError(f"run {run.run_id} {why}; start another, and import into that")
    now, kind = datetime.now(UTC), kind_of(run.spec)
    members = store.votes.members()
    reader = Reader(pool_of(run), kind, _members_by(members, key_of(settings.data_dir)), now)
    reading = reader.read(read_table(path))
    _refuse_bad(path, reading)
    while True:
        rounds = store.votes.rounds(run.run_id)
        sorted_out = _sorted_out(store, run, members, reading)
        if not sorted_out.new or is_preview:
            break
        taken = intake(sorted_out.new, arm, next_number(rounds), kind, reader.labels, now)
        with suppress(NumberTaken):  # a round was opened meanwhile: these get the next number
            store.votes.take_in(taken.round, taken.ballots, taken.samples, taken.events)
            break
    return Imported(
        run.run_id, len(sorted_out.new),
        len({vote.sample["sample_id"] for vote in sorted_out.new}),
        Counter(vote.voter for vote in sorted_out.new), sorted_out.known, sorted_out.outrun,
        reading.others, is_like_control(rounds),
    )  # fmt: skip


def _refuse_bad(path: Path, reading: Reading) -> None:
    if reading.errors:
        more = len(reading.errors) - SHOWN
        lines = reading.errors[:SHOWN] + ([f"... and {more} more rows"] if more > 0 else [])
        raise ExportError(
            f"{path.name}: {words.plural(len(reading.errors), 'row')} cannot be read, so none was taken in:\n"
            + "\n".join(lines)
        )


def _sorted_out(store: Store, run: Run, members: Mapping[str, Member], reading: Reading) -> Sorted:
    ballots = store.votes.ballots(run_id=run.run_id)
    ids = [ballot.ballot_id for ballot in ballots]
    standing, events = store.votes.current(ids), store.votes.events_on(ids)

    def person(voter: str) -> str:
        return members[voter].person_id if voter in members else voter

    return sort_out(reading.votes, ballots, standing, events, person)


def _members_by(members: Mapping[str, Member], key: str) -> Callable[[str], str | None]:
    """Finds members by their id, by what an export of ours calls them, or by a name that is one's."""
    people = {member.person_id for member in members.values()}
    known = {pseudonym(key, person): person for person in people}
    named = Counter({m.name: len({x.person_id for x in members.values() if x.name == m.name})
                     for m in members.values()})  # fmt: skip
    known |= {m.name: m.person_id for m in members.values() if m.name and named[m.name] == 1}

    def find(said: str) -> str | None:
        return said if said in members else known.get(said)

    return find
