"""Meter and ledger together: holes filled once, and what devices draw with nothing on them."""

import signal
import sqlite3
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.bench.energy import sampler
from bot.energy import metering
from storage.models import EnergyReading
from storage.store.store import Store
from tests.storage.records import at, new_run, reading
from trainer.energy import nvml
from trainer.energy.clock import boot_time
from trainer.energy.fake_nvml import Board, Clock, FakeNvml, installed
from trainer.energy.meter import EnergyMeter
from trainer.energy.sources import TRAINING_CPU, CpuTimeSource, MemorySource, ProcessGroup
from trainer.energy.track import Slot
from trainer.segment import PhaseCost, SegmentReport

SEGMENT = Slot("r1", "human", "r1.human.0.1")


# --- killed -------------------------------------------------------------------------------------


def killed_after(seconds, url, loaded_at):
    """Seconds since boot at which a sampler was killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bot.bench.energy.sampler", url, str(loaded_at)],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "metering\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        return boot_time()


def of_board(rows):
    return [r for r in rows if r.device == sampler.UUID]


def joules(rows):
    return sum(r.energy_j for r in rows)


def test_a_killed_sampler_loses_a_second_at_most_and_the_hole_is_booked_once(tmp_path):
    """100 W on a counter both processes can read: what the rows come to is known to the joule."""
    path, loaded_at = tmp_path / "joulery.db", boot_time() - 50
    store = Store.open(f"sqlite:///{path}")
    killed_at = killed_after(3.3, f"sqlite:///{path}", loaded_at)
    with sqlite3.connect(path) as connection:
        (integrity,) = connection.execute("pragma integrity_check").fetchone()
    booked = of_board(store.ledger.of_run("r1"))
    boot_id = booked[0].boot_id
    with installed(FakeNvml(boot_time, [sampler.board(loaded_at)])) as driver:
        for _ in range(2):  # killed and back, then back once more
            sources, _ = nvml.boards(frozenset, boot_time)
            meter = EnergyMeter(sources, store.ledger.add)
            meter.take_up(metering.left_off(store.ledger, boot_id))
            meter.switch(Slot())
            time.sleep(0.6)
            meter.close()
        (counter,) = store.ledger.counters(boot_id)
        ends_at = driver.boards[0].counter_mj(boot_time()) / 1000

    lost_s = killed_at - boot_time_of(booked[-1])
    slowest_s = max(row.duration_s for row in booked)  # a second, and what a busy machine adds
    assert integrity == "ok"
    assert lost_s <= slowest_s + 0.2
    (gap,) = [r for r in of_board(store.ledger.of_run("r1")) if r.provenance == "E-gap"]
    assert (gap.arm, gap.segment_id, gap.phase) == ("human", "r1.human.0.1", "other")
    assert gap.energy_j >= sampler.WATTS * (lost_s - 0.2)
    everything = joules(of_board(store.ledger.between(booked[0].started_at, at(10**9))))
    began_at = 5000 + sampler.WATTS * (boot_time_of(booked[0]) - booked[0].duration_s - loaded_at)
    assert everything == pytest.approx(counter.value_j - began_at, abs=sampler.WATTS * 0.2)
    assert counter.value_j == pytest.approx(ends_at, abs=sampler.WATTS * 1.0)


def boot_time_of(row: EnergyReading) -> float:
    """When a row ended, in seconds since boot: its number counts microseconds."""
    return row.seq / 1e6


def test_a_bot_that_left_in_order_fills_no_hole(store):
    store.ledger.add([reading(0, 5.0, boot_id="boot")], [])
    with installed(FakeNvml(clock := Clock(), [sampler.board(900)])):
        for _ in range(2):
            sources, _ = nvml.boards(frozenset, clock)
            meter = EnergyMeter(sources, store.ledger.add, clock=clock, boot_id="boot")
            meter.take_up(metering.left_off(store.ledger, "boot"))
            meter.switch(SEGMENT)
            clock.sleep(10)
            meter.close()
            store.ledger.forget_counters("boot")
            clock.sleep(3600)

    assert not [r for r in store.ledger.of_run("r1") if r.provenance == "E-gap"]


def test_where_no_row_tells_for_whom_a_counter_ran_its_hole_is_nobodys(store):
    with installed(FakeNvml(clock := Clock(), [sampler.board(900)])):
        sources, _ = nvml.boards(frozenset, clock)
        meter = EnergyMeter(sources, store.ledger.add, clock=clock, boot_id="boot")
        clock.sleep(1)
        meter.flush()

    ((counter, slot),) = metering.left_off(store.ledger, "boot")
    assert counter.value_j == 5000 + 101 * 100
    assert slot == Slot()
    assert metering.left_off(store.ledger, "another boot") == []


# --- without a counter --------------------------------------------------------------------------


def report(cpu_s, start=0, end=100):
    """What a child left that worked in [start, end)."""
    return SegmentReport(
        run_id="r1", arm="human", segment=0, attempt=1, lease_token="t", outcome="done",
        costs=(PhaseCost(phase="load", wall_s=1, cpu_s=1), PhaseCost(phase="train", wall_s=99, cpu_s=cpu_s - 1)),
        started_at=at(start), ended_at=at(end),
    )  # fmt: skip


def cpu(second, energy_j, seconds=1.0):
    return reading(
        second, energy_j, seconds, segment_id="r1.human.0.1", source=TRAINING_CPU, device="cpu",
        provenance="E-tdp",
    )  # fmt: skip


@pytest.fixture
def meter(store):
    return EnergyMeter([], store.ledger.add, boot_id="boot")


def test_what_a_child_computed_unseen_is_booked_from_its_report_once(store, meter):
    """80 CPU seconds at 4 W are 320 J; 100 J are booked, so 220 J came in the hole of 60 s."""
    store.ledger.add([cpu(n, 4.0) for n in range(20)] + [cpu(80 + n, 1.0) for n in range(20)])

    for _ in range(2):
        metering.fill_from_report(meter, store.ledger, 4.0, SEGMENT, report(80))

    (gap,) = [r for r in store.ledger.of_run("r1") if r.provenance == "E-gap"]
    assert (gap.energy_j, gap.phase, gap.arm, gap.segment_id) == (
        220,
        "other",
        "human",
        "r1.human.0.1",
    )
    assert (gap.started_at, gap.ended_at) == (at(20), at(80))
    assert gap.note == "filled from the child's own CPU time after 60 s without readings"


@pytest.mark.parametrize(
    ("watts", "cpu_s"), [(None, 80), (4.0, 20.05)], ids=["the CPU has a counter", "all is booked"]
)
def test_nothing_is_filled_where_nothing_is_missing(store, meter, watts, cpu_s):
    store.ledger.add([cpu(n, 4.0) for n in range(20)])

    metering.fill_from_report(meter, store.ledger, watts, SEGMENT, report(cpu_s))

    assert joules(store.ledger.of_run("r1")) == 80


def test_what_memory_drew_in_a_hole_is_unknown_and_said_to_be_once(store, meter):
    """Of what a counter runs on for, and of the CPU, the hole is filled; of the bot it is nobody's."""
    ram = {"source": "ram", "device": "ram", "provenance": "E-const", "segment_id": "r1.human.0.1"}
    board = {"source": "nvml-counter", "segment_id": "r1.human.0.1"}
    seen = [n for n in range(100) if not 20 <= n < 80]
    store.ledger.add([reading(n, 1.0, **kind) for n in seen for kind in (ram, board)])
    store.ledger.add([cpu(n, 4.0) for n in seen])
    with installed(FakeNvml(clock := Clock(), [Board("GPU-1")])):
        boards, _ = nvml.boards(frozenset, clock)
        group = ProcessGroup()
        sources = [
            *boards,
            CpuTimeSource(group, 4.0, TRAINING_CPU),
            MemorySource(group, clock, "ram"),
        ]

        for _ in range(2):
            metering.mark_unmetered(meter, store.ledger, sources, SEGMENT, report(400))

    (hole,) = [r for r in store.ledger.of_run("r1") if r.energy_j is None]
    assert (hole.source, hole.started_at, hole.duration_s) == ("ram", at(20), 60)
    assert (hole.arm, hole.phase, hole.note) == ("human", "other", metering.UNMETERED)


@given(st.lists(st.tuples(st.integers(-20, 120), st.integers(0, 40)), max_size=8))
def test_the_widest_gap_holds_no_reading_and_none_is_wider(spans):
    rows = [reading(n, 1.0, started_at=at(b), ended_at=at(b + s)) for n, (b, s) in enumerate(spans)]

    start, end = metering.widest_gap(rows, at(0), at(100))

    free = [s for s in range(100) if not any(b <= s < b + length for b, length in spans if length)]
    runs, best = 0, 0
    for s in range(100):
        runs = runs + 1 if s in free else 0
        # a slice without length divides nothing worth dividing
        best = max(best, runs)
    assert end - start <= timedelta(seconds=best)
    assert at(0) <= start <= end <= at(100)


# --- idle ---------------------------------------------------------------------------------------


def idle(n, watts, **changes):
    values = {"run_id": None, "arm": None, "phase": "other", "source": "nvml-counter"} | changes
    return reading(n, watts, **values)


BOARD, PACKAGE = ("nvml-counter", "GPU-1"), ("rapl", "cpu-package-0")


def test_the_idle_power_is_the_median_of_what_was_sampled():
    (found,) = metering.baselines(
        "r1", {BOARD}, [idle(n, w) for n, w in enumerate([30, 31, 29, 90, 30])], at(5)
    )

    assert (found.power_w, found.window_s, found.run_id) == (30, 5, "r1")
    assert found.sd_w == pytest.approx(26.8, abs=0.1)


def test_slices_in_which_something_of_ours_worked_do_not_count():
    """While torch is loaded for all, boards are idle and the CPU is not."""
    package = {"source": "rapl", "device": "cpu-package-0"}
    rows = [
        *[idle(n, 30) for n in range(5)],
        *[idle(n, 300, segment_id="r0.human.0.1", phase="train") for n in range(10, 30)],
        *[idle(n, 32, phase="load") for n in range(30, 36)],
        *[idle(n, 10, **package) for n in range(5)],
        *[idle(n, 80, phase="load", **package) for n in range(30, 36)],
        *[idle(n, None) for n in range(40, 50)],
        *[idle(n, 7, seconds=0.1) for n in range(50, 60)],
        *[idle(n, 4, source="cpu-time-bot", device="cpu") for n in range(60)],
    ]

    found = metering.baselines("r1", {BOARD, PACKAGE}, rows, at(60))

    assert {b.device: (b.power_w, b.window_s) for b in found} == {
        "GPU-1": (32, 11),
        "cpu-package-0": (10, 5),
    }


def test_a_few_slices_tell_nothing():
    assert metering.baselines("r1", {BOARD}, [idle(n, 30) for n in range(4)], at(5)) == []


def test_the_idle_power_is_kept_once_for_each_run(store):
    run = new_run(store)
    with installed(FakeNvml(clock := Clock(), [sampler.board(900)])):
        sources, _ = nvml.boards(frozenset, clock)
        meter = EnergyMeter(
            sources, store.ledger.add, clock=clock, now=lambda: at(clock() - 1000), boot_id="boot"
        )
        for _ in range(2):
            for _ in range(10):
                clock.sleep(1)
                meter.cut()
            metering.keep_baselines(meter, store.ledger, sources, run.run_id, at(clock() - 1000))

    (kept,) = store.ledger.baselines(run.run_id)
    assert (kept.source, kept.device) == ("nvml-counter", sampler.UUID)
    assert kept.power_w == pytest.approx(100)
    assert kept.window_s == 10


def test_a_host_without_devices_has_no_idle_power(store, meter):
    run = new_run(store)

    metering.keep_baselines(meter, store.ledger, [], run.run_id, at(0))

    assert store.ledger.baselines(run.run_id) == []
