"""`joulery energy`: a run's energy read from the store, in the format that was asked for."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from bot import accounts, conclusion
from bot.energy import export as energy_export
from bot.energy import joules
from bot.energy.carbon import grid_of
from bot.energy.costs import Account
from bot.energy.export import ExportError, Format
from bot.settings import Settings
from storage.models import Run
from storage.store.store import Store


def export_energy(settings: Settings, run_id: str | None, form: Format | None) -> str:
    """A run's energy, of the newest run unless one is named; in words where no format is.

    Raises:
        ExportError: there is no such run, or CO2e is asked for without a country.
        SettingsError: nothing is known of the country that is set.
        StoreError: the database cannot be used.
    """
    grid = asyncio.run(grid_of(settings))
    store = Store.open(settings.database)
    run = run_named(store, run_id)
    if form == "csv":
        return energy_export.as_csv(store.ledger.of_run(run.run_id))
    account = accounts.account(store, settings, grid, run)
    if form is None:
        return joules.run_said(account) + "\n"
    if form == "json":
        return energy_export.as_json(account)
    report = report_of(run)
    if form == "sci":
        return energy_export.as_sci(account, report)
    return energy_export.as_model_card(account, hardware(account, report))


def run_named(store: Store, run_id: str | None) -> Run:
    """A run by its id; the newest one where none is named.

    Raises:
        ExportError: there is none; the text names those there are.
    """
    runs = store.runs.all()
    if run_id is None and runs:
        return runs[-1]
    found = store.runs.get(run_id) if run_id else None
    if not runs:
        raise ExportError("there are no runs yet")
    if found is None:
        known = ", ".join(run.run_id for run in runs[-5:])
        raise ExportError(f"there is no run {run_id}; the last ones: {known}")
    return found


def report_of(run: Run) -> dict[str, Any] | None:
    """What the run left behind, if it has ended."""
    try:
        return conclusion.read_report(run)
    except (OSError, json.JSONDecodeError):
        return None


def hardware(account: Account, report: dict[str, Any] | None) -> str:
    """What was metered, as the run's first message had it; else the devices of the ledger."""
    if report is not None:
        sources = report["provenance"]["sources"]
        return "; ".join(line for line in sources if not line.startswith("not covered"))
    return ", ".join(sorted({part.device for part in account.parts}))


def write_export(path: Path, text: str) -> None:
    """Write an export.

    Raises:
        ExportError: it cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as err:
        raise ExportError(f"cannot write {path}: {err.strerror}; name another file") from err
