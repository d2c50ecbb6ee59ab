"""`joulery export`: reads the store, has the trainer's processes read pool and weights, writes files."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bot import accounts
from bot.energy.carbon import grid_of
from bot.energy.costs import Account
from bot.energy.export import COLUMNS, ExportError, as_rows, emissions
from bot.energy.exporting import hardware, report_of, run_named
from bot.export import cards
from bot.export.cards import Told
from bot.export.child import asked
from bot.export.rows import (
    EVENT_COLUMNS,
    VOTE_COLUMNS,
    Column,
    Table,
    callers,
    event_rows,
    sample_table,
    vote_rows,
)
from bot.export.tables import Form, write_table
from bot.opinions import opinions
from bot.settings import Settings
from storage.models import Arm, Run, SegmentState
from storage.store.store import Store
from trainer import fates
from trainer.fates import FateError, Reason
from trainer.files import write_whole
from trainer.segment import SegmentPlan
from trainer.spec import RunSpec

What = Literal["votes", "samples", "energy", "model", "run"]

KEY_FILE = "export-key"
NUMBERS = ("duration_s", "energy_j", "u_j")
MODEL, REPORT, PICTURES = "model", "report.json", "images"


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: where, and a line for each thing."""

    folder: Path
    lines: tuple[str, ...]


def export(
    settings: Settings,
    what: What,
    run_id: str | None,
    form: Form,
    folder: Path | None,
    *,
    with_names: bool = False,
) -> Written:
    """Write a part of a run, or all of it, with a card that says what it is.

    Args:
        settings: say where the runs are.
        what: which part; `run` is all of them.
        run_id: which run; None = the newest.
        form: of the tables.
        folder: where to; None = `export-<run>` here.
        with_names: whether raters go by their names, and what they typed about labels is told.

    Raises:
        ExportError: there is no such run, nothing to write, or no room for it.
        SettingsError: nothing is known of the country that is set.
        StoreError: the database cannot be used.
    """
    grid = asyncio.run(grid_of(settings))
    store = Store.open(settings.database)
    run = run_named(store, run_id)
    account = accounts.account(store, settings, grid, run)
    work = _Export(settings, store, run, account, form, with_names)
    folder = folder or Path(f"export-{run.run_id}")
    with _told(folder), tempfile.TemporaryDirectory(prefix="joulery-") as scratch:
        pictures_in = Path(scratch) if form == "parquet" else folder
        return Written(folder, tuple(work.write(what, folder, pictures_in)))


class _Export:
    """One run, on its way out."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        run: Run,
        account: Account,
        form: Form,
        with_names: bool,
    ) -> None:
        self._store, self._run, self._account = store, run, account
        self._form, self._with_names = form, with_names
        self._ballots = store.votes.ballots(run_id=run.run_id)
        self._votes = store.votes.current([b.ballot_id for b in self._ballots])
        self._heard = opinions(self._ballots, self._votes)
        members = store.votes.members()
        machines = accounts.machines([run], members)
        self._simulated = len({v.person for v in self._votes if v.voter in machines})
        self._call = callers(members, key_of(settings.data_dir), with_names=with_names)

    def write(self, what: What, folder: Path, pictures_in: Path) -> Iterator[str]:
        """Write it, a line for each thing that was written."""
        makers: dict[str, Callable[[], list[Table]]] = {
            "samples": lambda: [self._samples(pictures_in)], "votes": self._voted, "energy": self._joules,
        }  # fmt: skip
        wanted = [*makers] if what == "run" else [what] if what in makers else []
        tables = [table for name in wanted for table in makers[name]()]
        for table in tables:
            if table.rows:
                path = write_table(folder, table, self._form, pictures_in)
                yield f"{path}: {len(table.rows)} rows"
            else:
                yield f"{table.name}: nothing yet"
        if any(table.rows for table in tables):
            text = cards.data_card(self._told(), tables, self._form, with_names=self._with_names)
            write_whole(folder / "README.md", text)
            yield f"{folder / 'README.md'}: the data card"
        report = report_of(self._run)
        if what == "run" and report is not None:
            write_whole(folder / REPORT, json.dumps(report, indent=1, default=str))
            yield f"{folder / REPORT}: the run's report"
        if what == "model" or (what == "run" and self._checkpoint() is not None):
            target = folder / MODEL if what == "run" else folder
            self._write_model(target)
            yield f"{target}: LoRA weights for peft, with a model card"

    # --- tables ---------------------------------------------------------------------------------

    def _voted(self) -> list[Table]:
        events = [e for b in self._ballots for e in self._store.votes.events(b.ballot_id)]
        told = {"with_words": self._with_names}
        return [
            Table("votes", VOTE_COLUMNS, vote_rows(self._ballots, self._votes, self._call, **told)),
            Table("events", EVENT_COLUMNS, event_rows(self._ballots, events, self._call, **told)),
        ]

    def _joules(self) -> list[Table]:
        kinds: dict[str, Column] = {
            name: "number" if name in NUMBERS else "text" for name in COLUMNS
        }
        return [Table("energy", kinds, as_rows(self._store.ledger.of_run(self._run.run_id)))]

    def _samples(self, pictures_in: Path) -> Table:
        pool = list(pool_of(self._run, pictures_in / PICTURES))
        return sample_table(pool, self._fates(), self._heard.opinions.samples)

    def _fates(self) -> Mapping[str, tuple[Reason, str, float, float]]:
        """Of all samples that were looked at, by the last segment that trained; none before."""
        for segment in reversed(self._store.runs.segments(self._arm().arm_id)):
            name = f"segment-{segment.n}-{segment.attempt}"
            path = self._arm_folder() / name / fates.FILE
            if segment.state is SegmentState.DONE and path.is_file():
                try:
                    return fates.read_all(path)
                except FateError as err:
                    raise ExportError(f"{err}; the next segment writes it anew") from err
        return {}

    # --- the model ------------------------------------------------------------------------------

    def _arm(self) -> Arm:
        """The arm with votes; where there is none, the first."""
        arms = self._store.runs.arms(self._run.run_id)
        return next((arm for arm in arms if arm.name == "human"), arms[0])

    def _arm_folder(self) -> Path:
        return Path(self._run.folder) / self._arm().name

    def _checkpoint(self) -> str | None:
        found = [c.path for c in self._store.runs.checkpoints(self._arm().arm_id)]
        return next((path for path in reversed(found) if Path(path).is_dir()), None)

    def _write_model(self, folder: Path) -> None:
        checkpoint = self._checkpoint()
        if checkpoint is None:
            raise ExportError(
                f"run {self._run.run_id} has no checkpoint yet; export it once it has trained"
            )
        plan = SegmentPlan(
            run_id=self._run.run_id, arm=self._arm().name, segment=0, attempt=1, lease_token="",
            spec=RunSpec.model_validate(self._run.spec), seed=self._run.seed, folder=str(folder),
            arm_folder=str(self._arm_folder()), checkpoint=checkpoint, until=0,
        )  # fmt: skip
        task = {"plan": plan.model_dump(mode="json"), "folder": str(folder.resolve())}
        written = asked("trainer.adapter", task)
        write_whole(folder / "README.md", cards.model_card(self._told(), written))

    def _metric(self) -> float | None:
        """Of the weights that did best on the dev set."""
        arm_id = self._arm().arm_id
        done = [s for s in self._store.runs.segments(arm_id) if s.state is SegmentState.DONE]
        best = (done[-1].report or {}).get("best_samples") if done else None
        points = self._store.runs.evaluations(arm_id)
        return next((point.metric for point in points if point.samples == best), None)

    def _told(self) -> Told:
        co2: dict[str, Any] | None = None
        with contextlib.suppress(ExportError):  # no country: the card tells joules alone
            co2 = emissions(self._account, hardware(self._account, report_of(self._run)))
        return Told(
            self._run, self._ballots, self._heard, self._account.costs.people,
            self._account.costs, self._metric(), self._simulated, co2,
        )  # fmt: skip


def pool_of(run: Run, pictures: Path | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a run's pool, as `trainer.pool` has them.

    Args:
        run: which.
        pictures: where to write the pictures, if they are wanted.

    Raises:
        ExportError: the data is gone, or cannot be read any more.
    """
    with tempfile.TemporaryDirectory(prefix="joulery-") as folder:
        path = Path(folder) / "pool.jsonl"
        task = {
            "spec": run.spec, "seed": run.seed, "path": str(path),
            "pictures": str(pictures.resolve()) if pictures else None,
        }  # fmt: skip
        asked("trainer.pool", task)
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)


def key_of(data_dir: Path) -> str:
    """What pseudonyms are drawn with; made once, and it never leaves the house."""
    path = data_dir / KEY_FILE
    with contextlib.suppress(FileNotFoundError):
        return path.read_text("utf-8").strip()
    data_dir.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(key := secrets.token_hex(16), "utf-8")
    return key


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise ExportError(
            f"cannot write to {folder}: {err.strerror or err}; name another --out"
        ) from err
