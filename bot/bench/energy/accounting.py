"""How long a day's summary takes to build, and whether what it shows adds up."""

from __future__ import annotations

import asyncio
import random
import re
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from adapters.base import Card
from bot.bench.figures import Figure
from bot.days import LocalDay
from bot.energy import daily
from bot.energy.costs import Place
from bot.energy.daily import DayBook, RunDay
from bot.energy.effort import People
from bot.energy.prices import Prices
from bot.energy.summaries import book_of
from bot.settings import Settings
from storage.models import PHASES, EnergyReading, EnergySum, Run, RunState
from storage.store.store import Store

DAY = LocalDay(date(2026, 11, 20), ZoneInfo("Europe/Berlin"))
SOURCES = (
    ("nvml-counter", "GPU-0", "M-ctr", 300.0), ("nvml-counter", "GPU-1", "M-ctr", 280.0),
    ("rapl", "cpu-package-0", "M-rapl", 90.0), ("ram", "ram", "E-const", 6.0),
    ("cpu-time-bot", "cpu-estimate", "E-tdp", 1.5),
)  # fmt: skip
"""(source, device, provenance, watts) of a host with two boards."""
BATCH_S = 60
BUILDS = 9
LEDGERS = 500
_AMOUNT = re.compile(r"(\d+(?:\.(\d+))?) (kWh|Wh|J) ±")


async def figures(*, quick: bool) -> tuple[Figure, ...]:
    """A day of slices, written and summed up; random ledgers, shown and added up again."""
    every_s = 10 if quick else 1
    rows, write_s, build_s, fold_rows = await asyncio.to_thread(_a_day, every_s)
    rng = random.Random(21)
    worst = max(beyond_rounding(daily.card(_random(rng), None)) for _ in range(LEDGERS))
    return (
        Figure(f"a day of {rows} ledger rows summed up, in words and as a chart, best of {BUILDS}", 1000 * build_s, "ms", "<= 100"),
        Figure("a ledger row written, its minute grown with it", 1000 * write_s / rows, "ms", "<= 1"),
        Figure("rows left when two days have passed, of those written",
               None if quick else fold_rows / rows, "", "<= 0.2"),
        Figure(
            f"what {LEDGERS} random summaries show, against their totals, beyond rounding",
            worst, "units", "<= 0",
        ),
    )  # fmt: skip


def _a_day(every_s: int) -> tuple[int, float, float, int]:
    """(rows, seconds to write them, seconds to sum the day up at best, rows when folded)."""
    with tempfile.TemporaryDirectory(prefix="joulery-bench-") as folder:
        settings = Settings(_env_file=None, data_dir=Path(folder))
        store = Store.open(settings.database)
        run = store.runs.create(
            name="bench", spec={"task": "text-classification"}, seed=0, arms=("human", "control"),
            runs_folder=Path(folder), who="web:bench", now=DAY.start,
        )  # fmt: skip
        rows, write_s = 0, 0.0
        for batch in _batches(run.run_id, every_s):
            began = time.perf_counter()
            store.ledger.add(batch)
            write_s += time.perf_counter() - began
            rows += len(batch)
        build_s = min(_build(store, settings) for _ in range(BUILDS))  # others run beside us
        _, left = store.ledger.compact(DAY.end)
    return rows, write_s, build_s, left


def _batches(run_id: str, every_s: int) -> Iterator[list[EnergyReading]]:
    """A day of readings: two arms take turns, and phases change within most minutes."""
    length_s = int((DAY.end - DAY.start).total_seconds())
    for begun in range(0, length_s, BATCH_S):
        yield [
            EnergyReading(
                run_id=run_id, arm=("human", "control")[second // 3600 % 2], segment_id=None,
                phase=PHASES[second // 40 % 6], device=device, source=source, provenance=label,
                boot_id="bench", seq=second, started_at=DAY.start + timedelta(seconds=second),
                ended_at=DAY.start + timedelta(seconds=second + every_s), duration_s=every_s,
                energy_j=watts * every_s,
            )
            for second in range(begun, begun + BATCH_S, every_s)
            for source, device, label, watts in SOURCES
        ]  # fmt: skip


def _build(store: Store, settings: Settings) -> float:
    began = time.perf_counter()
    book = book_of(store, settings, None, DAY, datetime.now(UTC))
    daily.card(book, None)
    daily.details(book)
    daily.chart(book)
    return time.perf_counter() - began


def _random(rng: random.Random) -> DayBook:
    """A day of up to a dozen arms, from microjoules to megajoules."""
    runs = []
    for number in range(rng.randint(1, 6)):
        run = Run(
            run_id=f"r{number}", name="bench", spec={"task": "text-classification"}, seed=0,
            state=RunState.FINISHED, folder="", created_by="web:bench", created_at=DAY.start,
        )  # fmt: skip
        parts = [_part(rng, rng.choice(("human", "control"))) for _ in range(rng.randint(1, 8))]
        runs.append(RunDay(run, parts))
    loose = [_part(rng, None) for _ in range(rng.randint(0, 3))]
    return DayBook(DAY, runs, People.assumed(0, 8.0), loose, Place(Prices(), 30.0))


def _part(rng: random.Random, arm: str | None) -> EnergySum:
    source, device, label, _ = rng.choice(SOURCES)
    return EnergySum(
        arm=arm, phase=rng.choice(PHASES), device=device, source=source, provenance=label,
        energy_j=10 ** rng.uniform(-6, 7), duration_s=1.0,
    )  # fmt: skip


def beyond_rounding(card: Card) -> float:
    """By how much a card's bars and its total differ more than their last digits allow; in its unit."""
    parts = [_amount(note) for _, _, note in card.bars]
    whole, half = _amount(card.title)
    off = abs(sum(value for value, _ in parts) - whole)
    return max(0.0, off - half - sum(h for _, h in parts) - 1e-9)


def _amount(text: str) -> tuple[float, float]:
    """(a number as it is shown, half of its last digit)."""
    found = _AMOUNT.search(text)
    assert found is not None, text
    return float(found[1]), 0.5 * 10 ** -len(found[2] or "")
