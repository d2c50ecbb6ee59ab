"""What the meter costs, how right it is, and what it keeps when it is killed."""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

from bot.bench.energy import children, sampler, synthetic
from bot.bench.figures import BenchError, Figure
from bot.energy import metering
from storage.models import EnergyReading
from storage.store.store import Store
from trainer.energy import nvml
from trainer.energy.clock import boot_time
from trainer.energy.fake_nvml import Board, FakeNvml, installed
from trainer.energy.meter import EnergyMeter
from trainer.energy.probe import probe
from trainer.energy.track import Slot

STEPS = 300
"""A block of training steps: longer than a second, so that rows are cut and written meanwhile."""
TELLING = 0.01
"""An error of the ratio beyond which nothing can be said of one percent."""


async def figures(*, quick: bool) -> tuple[Figure, ...]:
    """All figures of the meter; a minute or two, or five.

    Raises:
        BenchError: a child process failed.
    """
    with tempfile.TemporaryDirectory(prefix="joulery-bench-") as folder:
        return await asyncio.to_thread(_figures, Path(folder), quick)


def _figures(folder: Path, quick: bool) -> tuple[Figure, ...]:
    return (
        Figure("meter: share of a core", cpu_share(folder, 10 if quick else 30), "", "<= 0.01"),
        *_steps(folder, 6 if quick else 30),
        *_integrals(100 if quick else 400),
        *_events(folder / "zones", 20 if quick else 100),
        *_sockets(folder),
        *_kills(folder, 2 if quick else 6),
    )


# --- what it costs ------------------------------------------------------------------------------


def cpu_share(folder: Path, seconds: float) -> float:
    """CPU time of a process that only meters: a counter, a board polled, a package, a database."""
    zone = folder / "rapl" / "intel-rapl:0"
    zone.mkdir(parents=True)
    for name, value in (("name", "package-0"), ("energy_uj", "5"), ("max_energy_range_uj", "9e9")):
        (zone / name).write_text(value)
    url = f"sqlite:///{folder / 'cost.db'}"
    with children.sampler(url, str(boot_time() - 50), str(zone.parent)) as process:
        watched, began = psutil.Process(process.pid), time.monotonic()
        before = watched.cpu_times()
        time.sleep(seconds)
        after, lasted = watched.cpu_times(), time.monotonic() - began
    return (after.user + after.system - before.user - before.system) / lasted


def _steps(folder: Path, rounds: int) -> tuple[Figure, ...]:
    """Blocks of training steps in turns: without a meter, with one, with one, without."""
    store = Store.open(f"sqlite:///{folder / 'steps.db'}")
    fake = FakeNvml(boot_time, [Board("GPU-1"), Board("GPU-2", has_counter=False)])
    with children.burner() as child, installed(fake):

        def block(is_metered: bool) -> np.ndarray:
            found = probe()
            found.training.watch(child.pid, from_now=True)
            meter = EnergyMeter(found.sources if is_metered else [], store.ledger.add)
            if is_metered:
                meter.start()
            took = child.do(f"steps {STEPS}")
            meter.close()
            return np.array(took)

        block(False)
        turns = [
            [block(is_metered) for is_metered in (False, True, True, False)] for _ in range(rounds)
        ]
    ratios = np.array([(b + c) / (a + d) for a, b, c, d in turns])  # (rounds, [time, CPU time])
    return tuple(
        _ratio(f"{what} of a training step with a meter, of that without", ratios[:, n])
        for n, what in enumerate(("time", "CPU time"))
    )


def _ratio(name: str, ratios: np.ndarray) -> Figure:
    """The median; where its error hides one percent, that is said instead: neither held nor missed."""
    ratio = statistics.median(ratios)
    error = 1.96 * 1.25 * statistics.stdev(ratios) / len(ratios) ** 0.5  # of a median, 95 %
    name += f" (±{error:.1%})"
    if error > TELLING:
        name += f": {ratio:.3f}, but the machine is too busy to tell one percent"
        return Figure(name, None, "", "<= 1.01")
    return Figure(name, ratio, "", "<= 1.01")


# --- how right it is ----------------------------------------------------------------------------


def _integrals(trials: int) -> tuple[Figure, ...]:
    rng = np.random.default_rng(5)
    counter = synthetic.integral(10, trials, rng, has_counter=True)
    polled = synthetic.integral(60, max(trials // 5, 20), rng, has_counter=False)
    tick_j = synthetic.TICK_S * synthetic.HIGH_W
    waited, gained_j = synthetic.waiting()
    rms = [
        float(np.sqrt(np.mean(errors**2))) / synthetic.mean_j(window_s)
        for errors, window_s in ((counter, 10), (polled, 60))
    ]
    return (
        Figure("integral over 10 s, counter: rms error", rms[0], "", "<= 0.01"),
        Figure("... at worst, of 0.1 s at full power", float(np.abs(counter).max()) / tick_j, "", "<= 1"),
        Figure("integral over 60 s, polled at 100 ms: rms error", rms[1], "", "<= 0.01"),
        Figure("sum of phases beside the counter", synthetic.phases(trials, rng), "", "<= 0.001"),
        Figure("an hour's wait: error of its joules", abs(waited - 1), "", "<= 0.01"),
        Figure("... gained by training meanwhile", abs(gained_j), "J", "<= 0"),
    )  # fmt: skip


def _events(folder: Path, rounds: int) -> tuple[Figure, ...]:
    events = synthetic.Events(folder, np.random.default_rng(7))
    events.take(rounds)
    what = f"{events.count} wraps, resets, reboots, clock changes and restarts"
    return (
        Figure(f"{what}: negative rows", events.negative, "", "<= 0"),
        Figure(
            "... phantom joules at worst, of what could be drawn", events.phantom, "", "<= 0.02"
        ),
    )


# --- what it does not do ------------------------------------------------------------------------


def _sockets(folder: Path) -> tuple[Figure, ...]:
    words = [sys.executable, "-m", "bot.bench.energy.sockets", f"sqlite:///{folder / 'sockets.db'}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise BenchError(f"the process that counts sockets failed: {done.stderr.strip()[-300:]}")
    metering_, asking = map(int, done.stdout.split())
    return (
        Figure("sockets opened by metering", metering_, "", "<= 0"),
        Figure("connections and look-ups, asking the table of grids", asking, "", "<= 0"),
    )


# --- killed -------------------------------------------------------------------------------------


def _kills(folder: Path, kills: int) -> tuple[Figure, ...]:
    """Kill a sampler, come back some seconds later, and add up: the board's counter is known."""
    lost, missed, damaged = [], [], 0
    for number in range(kills):
        path, loaded_at = folder / f"killed-{number}.db", boot_time() - 50
        with children.sampler(f"sqlite:///{path}", str(loaded_at)) as process:
            time.sleep(2.2 + number / kills)
            process.kill()
            killed_at = boot_time()
        with sqlite3.connect(path) as connection:
            (said,) = connection.execute("pragma integrity_check").fetchone()
        damaged += said != "ok"
        store = Store.open(f"sqlite:///{path}")
        last = _of_board(store.ledger.of_run("r1"))[-1]
        lost.append(killed_at - last.seq / 1e6)  # a row's number counts microseconds since boot
        time.sleep(1.0)
        missed.append(_come_back(store, last.boot_id, loaded_at))
    return (
        Figure(f"{kills} kills: seconds not in the ledger, at worst", max(lost), "s", "<= 1.2"),
        Figure("... databases damaged", damaged, "", "<= 0"),
        Figure("... back again: booked beside the counter", max(missed), "", "<= 0.001"),
    )


def _come_back(store: Store, boot_id: str, loaded_at: float) -> float:
    """How far all rows are from what the counter moved since the first, as a share of it."""
    with installed(FakeNvml(boot_time, [sampler.board(loaded_at)])):
        sources, _ = nvml.boards(frozenset, boot_time)
        meter = EnergyMeter(sources, store.ledger.add)
        meter.take_up(metering.left_off(store.ledger, boot_id))
        meter.switch(Slot())
        time.sleep(0.6)
        meter.close()
    (counter,) = [c for c in store.ledger.counters(boot_id) if c.device == sampler.UUID]
    rows = _of_board(store.ledger.of_run("r1"))
    nobodys = _of_board(
        store.ledger.between(rows[0].started_at, rows[-1].ended_at.replace(year=9999))
    )
    booked_j = sum(row.energy_j or 0.0 for row in nobodys)
    first = rows[0]
    began_s = first.seq / 1e6 - first.duration_s
    moved_j = counter.value_j - sampler.board(loaded_at).counter_mj(began_s) / 1000
    return max(0.0, abs(booked_j - moved_j) - sampler.WATTS * synthetic.TICK_S) / moved_j


def _of_board(rows: Sequence[EnergyReading]) -> list[EnergyReading]:
    return [row for row in rows if row.device == sampler.UUID]
