"""The meter on made-up devices whose joules are known, on a clock turned by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from storage.models import EnergyCounter, EnergyReading
from trainer.energy import nvml
from trainer.energy.fake_nvml import Board, Clock, FakeNvml, SquareWave, installed, steady
from trainer.energy.meter import EnergyMeter
from trainer.energy.rapl import RaplSource
from trainer.energy.sources import EnergySource
from trainer.energy.track import Slot

LOW_W, HIGH_W, STEP_S = 120.0, 650.0, 0.25
"""A training step and what lies between two of them."""
TICK_S = 0.1
RANGE_J = 262_143.0
PACKAGE_W = 150.0
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PHASES = ("load", "score", "train", "evaluate", "checkpoint", "wait", "other")


class Bench:
    """A meter whose thread does not run, its clocks, and the rows it handed over."""

    def __init__(self, sources: Sequence[EnergySource], clock: Clock) -> None:
        self.rows: list[EnergyReading] = []
        self.counters: list[EnergyCounter] = []
        self.clock, self.wall = clock, NOON
        self.meter = EnergyMeter(
            sources, self._store, clock=clock, now=lambda: self.wall, boot_id="boot"
        )
        self.meter.switch(Slot("r1", "human", None, "train"))

    def run(self, seconds: float, poll_s: float = math.inf) -> None:
        """Let time pass, polled and cut as by the meter's thread."""
        end = self.clock() + seconds
        due, beat = self.clock() + 1.0, self.clock() + poll_s
        while self.clock() < end - 1e-9:
            step = max(min(end, due, beat) - self.clock(), 0.0)
            self.clock.sleep(step)
            self.wall += timedelta(seconds=step)
            if self.clock() >= beat:
                self.meter.poll()
                beat += poll_s
            if self.clock() >= due:
                self.meter.flush()
                due += 1.0
        self.meter.flush()

    def energy_j(self) -> float:
        """All that is known."""
        return sum(row.energy_j or 0.0 for row in self.rows)

    def _store(self, rows: Sequence[EnergyReading], counters: Sequence[EnergyCounter]) -> None:
        self.rows += rows
        self.counters = list(counters)


def integral(
    window_s: float, trials: int, rng: np.random.Generator, *, has_counter: bool
) -> np.ndarray:
    """J booked beyond what was drawn over a window that begins anywhere, for each trial."""
    power = SquareWave(LOW_W, HIGH_W, STEP_S)
    errors = []
    for _ in range(trials):
        clock = Clock(1000 + rng.uniform(0, 100))
        board = Board("GPU", power=power, tick_s=TICK_S, has_counter=has_counter)
        with installed(FakeNvml(clock, [board])):
            sources, _ = nvml.boards(frozenset, clock)
            bench, began = Bench(sources, clock), clock()
            bench.run(window_s + rng.uniform(0, 0.5), math.inf if has_counter else nvml.POLL_S)
        errors.append(bench.energy_j() - (power.joules(clock()) - power.joules(began)))
    return np.array(errors)


def mean_j(window_s: float) -> float:
    """J drawn over a window."""
    return window_s * (LOW_W + HIGH_W) / 2


def phases(switches: int, rng: np.random.Generator) -> float:
    """How far the sum of all phases is from what the counter moved, as a share of it."""
    power = SquareWave(LOW_W, HIGH_W, STEP_S)
    board, clock = Board("GPU", power=power, tick_s=TICK_S), Clock()
    with installed(FakeNvml(clock, [board])):
        sources, _ = nvml.boards(frozenset, clock)
        bench, before_mj = Bench(sources, clock), board.counter_mj(clock())
        for _ in range(switches):
            bench.meter.switch(Slot("r1", "human", None, str(rng.choice(PHASES))))
            bench.run(rng.exponential(2.0))
        moved_j = (board.counter_mj(clock()) - before_mj) / 1000
    return abs(bench.energy_j() - moved_j) / moved_j


def waiting() -> tuple[float, float]:
    """(J booked on an hour's wait at 40 W as a share of what was drawn, J training gained by it)."""
    clock, board = Clock(), Board("GPU", power=steady(300))
    with installed(FakeNvml(clock, [board])):
        sources, _ = nvml.boards(frozenset, clock)
        bench = Bench(sources, clock)
        bench.run(100)
        trained_j = bench.energy_j()
        board.power, board.start_mj = steady(40), board.counter_mj(clock())
        board.loaded_at = clock()
        bench.meter.switch(Slot("r1", "human", None, "wait"))
        bench.run(3600)
    booked = [sum(r.energy_j or 0 for r in bench.rows if r.phase == p) for p in ("wait", "train")]
    return booked[0] / (40 * 3600), booked[1] - trained_j


class Events:
    """What counters do to a meter: wraps, resets, reboots, and clocks that change.

    Attributes:
        count: events so far.
        negative: rows with less than no joules.
        phantom: joules booked beyond those drawn, at the worst event, as a share of what the
            device could have drawn meanwhile.
    """

    def __init__(self, folder: Path, rng: np.random.Generator) -> None:
        self.count, self.negative, self.phantom = 0, 0, -math.inf
        self._rng, self._folder = rng, folder

    def take(self, rounds: int) -> None:
        """Let each of them happen a number of times."""
        for number in range(rounds):
            zone = self._folder / f"intel-rapl:{number}"
            zone.mkdir(parents=True)
            (zone / "name").write_text("package-0")
            (zone / "max_energy_range_uj").write_text(str(round(RANGE_J * 1e6)))
            (zone / "constraint_0_power_limit_uw").write_text(str(round(PACKAGE_W * 1e6)))
            for event in ("wrap", "reset"):
                self._package(zone, event)
            for event in ("reset", "reboot", "clock back", "clock on", "away"):
                self._board(event)

    def _package(self, zone: Path, event: str) -> None:
        clock, at_j = Clock(), self._rng.uniform(1000, RANGE_J - 1000)
        if event == "wrap":
            at_j = RANGE_J - self._rng.uniform(0, 100)

        def stand(joules: float) -> None:
            (zone / "energy_uj").write_text(str(round(joules % RANGE_J * 1e6)))

        stand(at_j)
        source = RaplSource(zone)
        bench = Bench([source], clock)
        drawn = float(self._rng.uniform(0, PACKAGE_W))
        if event == "reset":
            at_j = 0.0
        stand(at_j + drawn)
        bench.run(1.0)
        stand(at_j + 2 * drawn)
        bench.run(1.0)
        self._judge(bench, 2 * drawn, source.bounds.limit_w * 2)

    def _board(self, event: str) -> None:
        clock, watts = Clock(), float(self._rng.uniform(30, 690))
        board = Board("GPU", power=steady(watts), tick_s=TICK_S)
        board.start_mj = int(self._rng.uniform(0, 1e9))
        driver = FakeNvml(clock, [board])
        with installed(driver):
            bench = Bench(nvml.boards(frozenset, clock)[0], clock)
            bench.run(5)
            if event in ("reset", "reboot"):
                driver.reload_driver()
            elif event == "clock back":
                bench.wall -= timedelta(hours=1)
            elif event == "clock on":
                bench.wall += timedelta(hours=1)
            if event in ("reboot", "away"):  # another meter takes up what this one left
                left, away_s = bench.counters, float(self._rng.uniform(1, 300))
                clock.sleep(away_s)
                rows, bench = bench.rows, Bench(nvml.boards(frozenset, clock)[0], clock)
                bench.rows = rows
                bench.meter.boot_id = "next boot" if event == "reboot" else "boot"
                bench.meter.take_up([(counter, Slot("r1", "human")) for counter in left])
            began = clock()
            bench.run(5)
        drawn_s = clock() - began + 5 + (away_s if event == "away" else 0.0)
        self._judge(bench, watts * drawn_s, 700 * drawn_s)

    def _judge(self, bench: Bench, drawn_j: float, could_j: float) -> None:
        self.count += 1
        self.negative += sum((r.energy_j or 0) < 0 or r.duration_s < 0 for r in bench.rows)
        self.phantom = max(self.phantom, (bench.energy_j() - drawn_j) / could_j)
