"""Joules, read from outside: rows add up to what the counters moved, and unknown is never zero."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pynvml
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.models import EnergyReading
from tests.fake_nvml import (
    DRIVER_NOT_LOADED,
    GPU_IS_LOST,
    LIBRARY_NOT_FOUND,
    UNKNOWN,
    Board,
    Clock,
    FakeNvml,
    install,
)
from trainer.energy.meter import EnergyMeter, Slot, boot_time, read_boot_id
from trainer.energy.nvml import NvmlCounterSource
from trainer.energy.probe import probe
from trainer.energy.sources import (
    WATTS_PER_CORE,
    WATTS_PER_GIB,
    CpuTimeSource,
    MemorySource,
    ProcessGroup,
)

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TRAIN = Slot("r1", "human", "r1.human.0", "train")
EVALUATE = Slot("r1", "human", "r1.human.0", "evaluate")
WAIT = Slot("r1", "human", None, "wait")


class Power:
    """A source of constant power on the tests' clock."""

    provenance = "E-const"

    def __init__(
        self, clock: Clock, watts: float, device: str = "cpu", phase: str | None = None
    ) -> None:
        self.name, self.device, self.phase = f"power-{device}", device, phase
        self._clock, self.watts, self._at, self._joules = clock, watts, clock(), 0.0
        self.answers = True

    def read(self) -> float | None:
        self._joules += self.watts * (self._clock() - self._at)
        self._at = self._clock()
        return self._joules if self.answers else None


class Shelf:
    """A sink that may be closed for a while."""

    def __init__(self) -> None:
        self.rows: list[EnergyReading] = []
        self.is_open = True

    def __call__(self, rows: Sequence[EnergyReading]) -> None:
        if not self.is_open:
            raise OSError("database is locked")
        self.rows += rows

    def joules(self, key: Callable[[EnergyReading], object]) -> dict[object, float]:
        """Known joules by key."""
        total: dict[object, float] = defaultdict(float)
        for row in self.rows:
            total[key(row)] += row.energy_j or 0.0
        return {k: v for k, v in total.items() if v}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def driver(clock, monkeypatch) -> FakeNvml:
    return install(FakeNvml(clock, [Board("GPU-1"), Board("GPU-2", power_w=50)]), monkeypatch)


def meter_of(clock: Clock, sink: Shelf, *sources) -> EnergyMeter:
    """A meter whose thread isn't running: the test cuts."""

    def now() -> datetime:
        return NOON + timedelta(seconds=clock() - 1000)

    return EnergyMeter(sources, sink, clock=clock, now=now, boot_id="boot-1")


# --- the binding --------------------------------------------------------------------------------


def test_the_binding_has_the_two_private_names_the_fake_driver_goes_by():
    assert hasattr(pynvml, "nvmlLib")
    assert isinstance(pynvml._nvmlGetFunctionPointer_cache, dict)


def test_millijoules_become_joules(driver, clock):
    """The counter says 5,000,000 mJ; after 10 s at 100 W it says 6,000,000."""
    source = NvmlCounterSource("GPU-1")

    assert source.read() == 5000.0
    clock.sleep(10)
    assert source.read() == 6000.0


def test_a_board_is_found_by_its_uuid_not_its_number(driver, clock):
    source = NvmlCounterSource("GPU-2")
    first = source.read()
    clock.sleep(10)

    assert source.read() - first == 500.0
    assert source.device == "GPU-2"
    assert source.provenance == "M-ctr"


def test_boards_of_this_host_are_metered_by_their_counters(driver):
    found = probe()

    assert [s.device for s in found.sources] == ["GPU-1", "GPU-2", "cpu", "ram", "cpu"]
    assert "GPU 0 NVIDIA H100 80GB HBM3: measured, energy counter" in found.lines


def test_a_board_without_a_counter_is_said_not_to_be_metered(driver):
    driver.boards[0].has_counter = False

    found = probe()

    assert [s.device for s in found.sources] == ["GPU-2", "cpu", "ram", "cpu"]
    assert any("GPU 0" in x and "no energy counter" in x for x in found.lines)


@pytest.mark.parametrize("code", [DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND])
def test_a_missing_driver_is_the_proof_of_no_gpu(driver, code):
    driver.init = code

    found = probe()

    assert [s.device for s in found.sources] == ["cpu", "ram", "cpu"]
    assert found.lines[0] == "GPU: none (no NVIDIA driver)"


def test_any_other_error_of_the_driver_is_shown(driver):
    driver.init = UNKNOWN

    assert probe().lines[0] == "GPU: not metered, NVML says Unknown Error"


def test_this_host_is_probed_without_a_fake():
    found = probe(watts_per_core=7.5)

    assert found.lines
    assert any("CPU time x 7.5 W per core (set)" in x for x in found.lines)
    assert all(source.read() is not None for source in found.sources)
    assert any("x 4 W per core (assumed)" in x for x in probe().lines)


# --- adding up ----------------------------------------------------------------------------------


def test_phases_add_up_to_what_the_counter_moved(driver, clock, shelf):
    """10 s and 30 s of training, 5 s of evaluation at 100 W: 4,000 J and 500 J."""
    source = NvmlCounterSource("GPU-1")
    before = source.read()
    meter = meter_of(clock, shelf, source)
    for slot, seconds in ((TRAIN, 10), (EVALUATE, 5), (TRAIN, 30), (WAIT, 0)):
        meter.switch(slot)
        clock.sleep(seconds)
    meter.flush()

    assert shelf.joules(lambda r: r.phase) == {"train": 4000.0, "evaluate": 500.0}
    assert sum(r.energy_j for r in shelf.rows) == source.read() - before


slots = st.sampled_from([TRAIN, EVALUATE, WAIT, Slot(), Slot("r2", "control", "r2.c.1", "load")])


@given(st.lists(st.tuples(slots, st.integers(0, 5000), st.integers(0, 300)), max_size=20))
def test_whatever_happens_the_rows_add_up_to_the_counters(steps):
    """Switches, cuts and flushes at any moment, at changing power; every joule on its own slot."""
    clock, shelf = Clock(), Shelf()
    sources = [Power(clock, 0, "gpu"), Power(clock, 0, "cpu")]
    meter = meter_of(clock, shelf, *sources)
    expected: dict[object, float] = defaultdict(float)
    for slot, milliseconds, watts in steps:
        seconds = milliseconds / 1000
        meter.switch(slot)
        sources[0].watts, sources[1].watts = watts, watts / 2
        clock.sleep(seconds / 2)
        meter.cut() if watts % 2 else meter.flush()
        clock.sleep(seconds / 2)
        expected[slot] += 1.5 * watts * seconds
        meter.cut()
    meter.close()

    got = shelf.joules(lambda r: Slot(r.run_id, r.arm, r.segment_id, r.phase))
    assert got == pytest.approx({k: v for k, v in expected.items() if v})
    assert sum(r.energy_j for r in shelf.rows) == pytest.approx(sum(s.read() for s in sources))


def test_the_time_of_the_rows_adds_up_too(clock, shelf):
    meter = meter_of(clock, shelf, Power(clock, 10))
    for slot in (TRAIN, WAIT, TRAIN):
        meter.switch(slot)
        clock.sleep(2.5)
    meter.flush()

    assert sum(r.duration_s for r in shelf.rows) == 7.5
    starts = [(r.started_at - NOON).total_seconds() for r in shelf.rows]
    ends = [(r.ended_at - NOON).total_seconds() for r in shelf.rows]
    assert starts == [0, 2.5, 5]
    assert ends == [2.5, 5, 7.5]


def test_an_idle_source_is_measured_as_nothing_and_has_its_row(clock, shelf):
    meter = meter_of(clock, shelf, Power(clock, 0))
    clock.sleep(1)
    meter.flush()

    assert [(r.energy_j, r.duration_s, r.note) for r in shelf.rows] == [(0.0, 1.0, "")]


def test_a_pause_is_a_phase_and_no_hole(clock, shelf):
    """An hour of waiting at 30 W: 108,000 J, and training is not charged for it."""
    source = Power(clock, 300)
    meter = meter_of(clock, shelf, source)
    meter.switch(TRAIN)
    clock.sleep(100)
    meter.switch(WAIT)
    source.watts = 30
    for _ in range(3600):
        clock.sleep(1)
        meter.cut()
    meter.flush()

    assert shelf.joules(lambda r: r.phase) == {"train": 30_000, "wait": 108_000}


def test_rows_say_where_they_come_from(driver, clock, shelf):
    meter = meter_of(clock, shelf, NvmlCounterSource("GPU-1"))
    meter.switch(TRAIN)
    clock.sleep(3)
    meter.flush()

    (row,) = shelf.rows
    assert (row.device, row.source, row.provenance) == ("GPU-1", "nvml-counter", "M-ctr")
    assert (row.run_id, row.arm, row.segment_id, row.phase) == (
        "r1", "human", "r1.human.0", "train",
    )  # fmt: skip
    assert row.boot_id == "boot-1"


def test_no_two_rows_have_the_same_key(clock, shelf):
    """Even where the clock stands still, and after the meter was started anew."""
    sources = [Power(clock, 10, "gpu"), Power(clock, 10, "cpu")]
    for _ in range(2):
        meter = meter_of(clock, shelf, *sources)
        for _ in range(5):
            sources[0]._joules += 1
            meter.cut()
        clock.sleep(2)
        meter.close()
        clock.sleep(0.001)

    keys = [(r.boot_id, r.source, r.device, r.seq) for r in shelf.rows]
    assert len(keys) >= 12
    assert len(set(keys)) == len(keys)


def test_a_clock_that_goes_back_makes_no_negative_time(clock, shelf):
    meter = meter_of(clock, shelf, source := Power(clock, 10))
    clock.sleep(-5)
    source._at, source._joules = clock(), source._joules + 1
    meter.flush()

    assert all(r.duration_s >= 0 for r in shelf.rows)


# --- who pays -----------------------------------------------------------------------------------


def test_joules_are_booked_on_who_the_machine_worked_for(clock, shelf):
    meter = meter_of(clock, shelf, Power(clock, 100))
    for slot, seconds in ((TRAIN, 1), (Slot("r2", "control", "r2.control.0", "train"), 2)):
        meter.switch(slot)
        clock.sleep(seconds)
    meter.switch(Slot())
    clock.sleep(4)
    meter.flush()

    assert shelf.joules(lambda r: (r.run_id, r.arm)) == {
        ("r1", "human"): 100, ("r2", "control"): 200, (None, None): 400,
    }  # fmt: skip
    assert meter.slot == Slot()


def test_the_bots_own_joules_are_charged_to_the_run_it_serves(clock, shelf):
    training, bot = Power(clock, 100, "gpu"), Power(clock, 5, "cpu", phase="bot")
    meter = meter_of(clock, shelf, training, bot)
    clock.sleep(1)
    meter.charge_bot_to("r1", "human")
    meter.switch(TRAIN)
    clock.sleep(2)
    meter.release("r1")
    clock.sleep(4)
    meter.flush()

    assert shelf.joules(lambda r: (r.device, r.run_id, r.phase)) == {
        ("gpu", None, "other"): 500, ("gpu", "r1", "train"): 200,
        ("cpu", None, "bot"): 25, ("cpu", "r1", "bot"): 10,
    }  # fmt: skip


def test_a_run_that_ends_leaves_other_runs_what_is_theirs(clock, shelf):
    meter = meter_of(clock, shelf, Power(clock, 100, "gpu"), Power(clock, 5, "cpu", phase="bot"))
    meter.charge_bot_to("r2", "human")
    meter.switch(Slot("r2", "human", None, "wait"))
    meter.release("r1")
    clock.sleep(2)
    meter.flush()

    assert meter.slot.run_id == "r2"
    assert shelf.joules(lambda r: (r.run_id, r.phase)) == {("r2", "wait"): 200, ("r2", "bot"): 10}


# --- what cannot be told ------------------------------------------------------------------------


def test_a_counter_that_was_reset_is_unknown_with_the_reason_and_never_negative(
    driver, clock, shelf
):
    meter = meter_of(clock, shelf, NvmlCounterSource("GPU-1"))
    clock.sleep(10)
    meter.cut()
    driver.reload_driver()
    clock.sleep(1)
    meter.cut()
    clock.sleep(3)
    meter.flush()

    assert [(r.energy_j, r.note) for r in shelf.rows] == [
        (1000.0, ""), (None, "the counter was reset"), (300.0, ""),
    ]  # fmt: skip


def test_a_driver_that_does_not_answer_is_unknown_and_no_zero(driver, clock, shelf):
    meter = meter_of(clock, shelf, NvmlCounterSource("GPU-1"), Power(clock, 5))
    driver.boards[0].fails_with = GPU_IS_LOST
    clock.sleep(2)
    meter.cut()
    driver.boards[0].fails_with = 0
    clock.sleep(2)
    meter.cut()
    clock.sleep(2)
    meter.flush()

    board = [(r.energy_j, r.note) for r in shelf.rows if r.device == "GPU-1"]
    assert board == [
        (None, "the source did not answer"), (None, "the source did not answer"), (200.0, ""),
    ]  # fmt: skip
    assert sum(r.energy_j for r in shelf.rows if r.device == "cpu") == 30


def test_a_function_the_driver_lacks_is_unknown_too(driver, clock, shelf, monkeypatch):
    source = NvmlCounterSource("GPU-1")
    monkeypatch.delattr(FakeNvml, "nvmlDeviceGetTotalEnergyConsumption")
    pynvml._nvmlGetFunctionPointer_cache.clear()

    assert source.read() is None


# --- the sink -----------------------------------------------------------------------------------


def test_rows_are_kept_while_the_sink_fails_and_delivered_in_order_later(clock, shelf):
    meter = meter_of(clock, shelf, Power(clock, 10))
    shelf.is_open = False
    for _ in range(3):
        clock.sleep(1)
        meter.flush()
    assert shelf.rows == []

    shelf.is_open = True
    clock.sleep(1)
    meter.flush()

    assert [r.energy_j for r in shelf.rows] == [10, 10, 10, 10]
    assert [r.seq for r in shelf.rows] == sorted(r.seq for r in shelf.rows)


def test_closing_hands_over_what_is_left(clock, shelf):
    meter = meter_of(clock, shelf, Power(clock, 10))
    meter.start()
    clock.sleep(3)
    meter.close()

    assert sum(r.energy_j for r in shelf.rows) == 30


def test_the_meters_own_thread_cuts_and_delivers(shelf):
    """On the real clock: rows come by themselves, and close ends the thread."""
    meter = EnergyMeter([Power(Clock(), 0)], shelf)
    meter.start()
    deadline = time.monotonic() + 10
    while not shelf.rows and time.monotonic() < deadline:
        time.sleep(0.02)
    meter.close()

    assert shelf.rows
    assert "energy-meter" not in {t.name for t in threading.enumerate()}
    assert shelf.rows[0].boot_id == read_boot_id()


def test_after_a_flush_everything_is_in_the_sink_even_what_another_thread_is_delivering(clock):
    """The meter's thread has taken rows and waits for the database while somebody flushes."""
    taken, go, stored = threading.Event(), threading.Event(), []

    def slow(rows: Sequence[EnergyReading]) -> None:
        if not taken.is_set():
            taken.set()
            go.wait(10)
        stored.extend(rows)

    meter = meter_of(clock, slow, Power(clock, 10))
    clock.sleep(1)
    meter.start()
    meter.cut()
    assert taken.wait(10)
    clock.sleep(1)
    flushing = threading.Thread(target=meter.flush)
    threading.Timer(0.2, go.set).start()
    flushing.start()
    flushing.join(10)
    seen = sum(r.energy_j for r in stored)
    meter.close()

    assert seen == 20


# --- processes ----------------------------------------------------------------------------------

BURN = "import time\nwhile time.process_time() < {}: pass\n"
BURN_AND_WAIT = BURN + "print('burnt', flush=True)\ninput()\n"


def burning(seconds: float, then_wait: bool = True) -> subprocess.Popen[str]:
    code = (BURN_AND_WAIT if then_wait else BURN).format(seconds)
    return subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_the_cpu_time_of_ended_processes_is_kept():
    group = ProcessGroup()
    before_any = group.cpu_s()
    with burning(0.3) as child:
        group.watch(child.pid)
        assert child.stdout.readline() == "burnt\n"
        alive = group.cpu_s()
        child.communicate("end\n")
    ended = group.cpu_s()

    assert before_any == 0
    assert alive >= 0.25  # the kernel counts in hundredths
    assert ended == pytest.approx(alive, abs=0.1)
    assert ended >= alive
    assert group.cpu_s() == ended
    assert group.memory_gib() == 0


def test_what_a_process_says_of_itself_counts_when_it_ended_unread():
    group = ProcessGroup()
    with burning(0.0) as child:
        child.stdout.readline()
        group.watch(child.pid)
        group.note(child.pid, 12.5)
        child.communicate("end\n")

    assert group.cpu_s() == pytest.approx(12.5)


def test_a_process_watched_from_now_brings_no_past_along():
    group = ProcessGroup()
    with burning(0.3) as child:
        child.stdout.readline()
        group.watch(child.pid, from_now=True)
        now = group.cpu_s()
        child.communicate("end\n")

    assert now == pytest.approx(0, abs=0.05)
    assert group.cpu_s() == pytest.approx(0, abs=0.1)


def test_a_process_that_is_gone_already_is_no_error():
    group = ProcessGroup()
    with burning(0, then_wait=False) as child:
        child.communicate()
    group.watch(child.pid)
    group.note(child.pid, 5)

    assert (group.cpu_s(), group.memory_gib()) == (0, 0)


def test_cpu_time_times_watts_is_an_estimate():
    group = ProcessGroup()
    source = CpuTimeSource(group, watts_per_core=6.5, name="cpu-time-training")
    with burning(0.2) as child:
        group.watch(child.pid)
        child.stdout.readline()
        joules, seconds = source.read(), group.cpu_s()
        child.communicate("end\n")

    assert joules == pytest.approx(6.5 * seconds, abs=0.5)
    assert joules >= 6.5 * 0.15
    assert source.provenance == "E-tdp"
    assert WATTS_PER_CORE == 4.0


def test_memory_times_time_is_an_estimate(clock):
    """This very process for 100 s at a constant power per GiB."""
    group = ProcessGroup()
    group.watch(os.getpid())
    source = MemorySource(group, clock, "ram-training")
    clock.sleep(100)

    joules = source.read()

    assert joules == pytest.approx(group.memory_gib() * WATTS_PER_GIB * 100, rel=0.1)
    assert joules > 0
    assert source.provenance == "E-const"
    assert source.read() == joules


def test_the_clock_runs_on_and_the_boot_has_a_name():
    first = boot_time()

    assert boot_time() >= first > 0
    assert read_boot_id() == read_boot_id() != ""
