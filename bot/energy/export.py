"""A run's energy for other tools: CSV, JSON, the Hugging Face model card's block, SCI. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

import yaml

from bot import words
from bot.energy.costs import Account
from bot.energy.grid import Grid
from storage import energy
from storage.energy import EnergyTotal
from storage.models import EnergyReading

Format = Literal["csv", "json", "co2", "sci"]
COLUMNS = (
    "run_id", "arm", "segment_id", "phase", "device", "source", "provenance", "started_at",
    "ended_at", "duration_s", "energy_j", "u_j", "note",
)  # fmt: skip


class ExportError(Exception):
    """It cannot be written; the text says what is missing."""


def as_csv(readings: Sequence[EnergyReading]) -> str:
    """A row per slice, as booked: seconds, or minutes where they are older than two days.

    `u_j` is half of the 95 % interval; slices of one source err together, so add it up, too. An
    empty `energy_j` is not known, for the reason in `note`.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(as_rows(readings))
    return out.getvalue()


def as_rows(readings: Sequence[EnergyReading]) -> list[dict[str, Any]]:
    """The rows of `as_csv`, by column."""
    rows = []
    for r in readings:
        row = r.model_dump(mode="json", include=set(COLUMNS))
        known = r.energy_j is not None
        row["u_j"] = energy.RELATIVE_U[r.provenance] * (r.energy_j or 0.0) if known else None
        rows.append(row)
    return rows


def as_json(account: Account) -> str:
    """Joules by arm and phase, each with its interval and sources, people, CO2e and cost.

    Raises:
        ExportError: nothing is booked.
    """
    _require_joules(account)
    costs, people = account.costs, account.costs.people
    net = energy.net(account.parts, account.baselines)
    arms = energy.by_arm(account.parts)
    data = {
        "run": account.run.run_id,
        "name": account.run.name,
        "unit": "J",
        "total": _total(costs.total),
        "net": None if net is None else asdict(net),
        "arms": {arm: _total(total) for arm, total in arms.items()},
        "baselines": [b.model_dump(mode="json") for b in account.baselines],
        "people": {**asdict(people), "source": people.source, "device_j": costs.device_j},
        **costs.as_json(),
    }
    return json.dumps(data, indent=1) + "\n"


def _total(total: EnergyTotal) -> dict[str, Any]:
    return {
        "j": total.energy_j,
        "u_j": total.u_j,
        "phases": {
            phase: {"j": j, "u_j": total.u_by_phase[phase]} for phase, j in total.by_phase.items()
        },
        "sources": dict(total.by_provenance),
        "measured_share": total.measured_share,
        "coverage": total.coverage,
        "unknown_s": total.unknown_s,
    }


def as_model_card(account: Account, hardware: str) -> str:
    """`co2_eq_emissions` of a model card's front matter; the emissions are grams.

    Raises:
        ExportError: no country is set, or nothing is booked.
    """
    block = {"co2_eq_emissions": emissions(account, hardware)}
    front = yaml.safe_dump(block, sort_keys=False, allow_unicode=True, width=1e9)
    return f"---\n{front}---\n"


def emissions(account: Account, hardware: str) -> dict[str, Any]:
    """The block itself.

    Raises:
        ExportError: no country is set, or nothing is booked.
    """
    grid, (grams, u_g) = _carbon(account)
    total, pue = account.costs.total, account.costs.place.pue
    how = f"{total.measured_share:.0%} of the energy measured, sampled {total.coverage:.1%} of the time"
    return {
        "emissions": float(f"{grams:.4g}"),  # of a small run, too, it is not 0
        "source": (
            f"Joulery, component-level metering ({how}): {words.energy(total.energy_j, total.u_j)}, "
            f"{words.carbon(grams, u_g)} (95 % interval); {grid.said}, {grid.source}; "
            f"PUE {pue if pue else 'not applied'}; embodied carbon excluded"
        ),
        "training_type": "fine-tuning",
        "geographical_location": grid.place,
        "hardware_used": hardware,
    }


def as_sci(account: Account, report: Mapping[str, Any] | None) -> str:
    """Software carbon intensity, ISO/IEC 21031:2024: (E x I + M) per R, M excluded.

    Args:
        account: the run.
        report: of the run once it has ended: says what it took to reach the control's metric.

    Raises:
        ExportError: no country is set, or nothing is booked.
    """
    grid, (grams, u_g) = _carbon(account)
    rates = [{"R": "one run, all its arms", "sci_g": grams, "u_g": u_g}]
    to_target = ((report or {}).get("arms", {}).get("human") or {}).get("energy_to_target_j")
    if to_target is not None:
        g = energy.co2_g(to_target, grid.g_per_kwh, account.costs.place.pue or 1.0)
        u = g * account.costs.total.u_of(1.0)
        rates.append(
            {"R": "run to target (the control's metric), with votes", "sci_g": g, "u_g": u}
        )
    votes = account.costs.people.votes
    if votes:
        per = 1000 / votes
        rates.append({"R": "1,000 votes", "sci_g": grams * per, "u_g": u_g * per})
    data = {
        "standard": "ISO/IEC 21031:2024 (SCI)",
        "E_kwh": account.costs.total.energy_j / 3.6e6,
        "E_voters_devices_kwh": account.costs.device_j / 3.6e6,
        "pue": account.costs.place.pue,
        "I_g_per_kwh": grid.g_per_kwh,
        "I": f"{grid.said}, {grid.source}",
        "M": "excluded",
        "offsets": "none",
        "rates": rates,
    }
    return json.dumps(data, indent=1) + "\n"


def _require_joules(account: Account) -> None:
    """What was not metered is not 0."""
    if not account.parts or account.costs.total.is_unknown:
        raise ExportError(f"no energy is booked on run {account.run.run_id}, so nothing is written")


def _carbon(account: Account) -> tuple[Grid, tuple[float, float]]:
    grid, co2 = account.costs.place.grid, account.costs.co2_g
    _require_joules(account)
    if grid is None or co2 is None:
        raise ExportError(
            "CO2e needs a country: set JOULERY_COUNTRY to its three-letter ISO code, e.g. DEU"
        )
    return grid, co2
