"""`joulery study --export RUN`: the answers of a live study as files that name nobody."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from dataclasses import astuple
from pathlib import Path

from bot.settings import Settings, SettingsError
from bot.study.answers import HEADING, Given, Group, given, groups, rows
from bot.study.roster import Roster
from bot.study.summary import table
from storage.store.store import Store
from trainer.files import write_whole

VOTES, SUMMARY = "votes.csv", "summary.md"


def export(
    settings: Settings, run_id: str, folder: Path, without: Collection[str] = ()
) -> list[Group]:
    """Write a run's answers and what they come to; the latter.

    Args:
        settings: say where the runs are.
        run_id: which.
        folder: `votes.csv` and `summary.md` go there.
        without: names of people who withdrew.

    Raises:
        SettingsError: no such run is part of a study, nobody has such a name, or the folder cannot
            be written.
        StoreError: the database cannot be used.
    """
    roster = Roster.of(settings.data_dir)
    if run_id not in roster.runs:
        known = ", ".join(sorted(roster.runs)) or "none yet: joulery study --live SPEC begins one"
        raise SettingsError(f"run {run_id} is no live study; there are: {known}")
    store = Store.open(settings.database)
    left_out = _ids(store, without)
    ballots = store.votes.ballots(run_id=run_id)
    votes = store.votes.current([b.ballot_id for b in ballots])
    found = given(ballots, votes, roster.voters - left_out, roster.seed)
    summary = groups(found)
    _write(folder, run_id, found, summary)
    return summary


def _ids(store: Store, names: Collection[str]) -> set[str]:
    members = store.votes.members().values()
    found = set()
    for name in names:
        mine = {m.member_id for m in members if name in (m.name, m.member_id)}
        if not mine:
            raise SettingsError(
                f"--without {name}: nobody of that name has answered; give it as on the page"
            )
        found |= mine
    return found


def _write(folder: Path, run_id: str, found: list[Given], summary: list[Group]) -> None:
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(HEADING)
    out.writerows(astuple(one) for one in found)
    said = f"# Run {run_id}: answers by condition\n\n{table(rows(summary))}\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / VOTES, text.getvalue())
        write_whole(folder / SUMMARY, said)
    except OSError as err:
        raise SettingsError(
            f"cannot write to {folder}: {err.strerror}; name another --folder"
        ) from err
