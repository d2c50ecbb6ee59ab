"""The meter: rows add up to what the counters moved, and unknown is never zero."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.energy.meters import EVALUATE, NOON, TRAIN, WAIT, Power, Shelf, meter_of
from trainer.energy import nvml
from trainer.energy.fake_nvml import (
    GPU_IS_LOST,
    Board,
    Clock,
    FakeNvml,
    SquareWave,
    installed,
    steady,
)
from trainer.energy.nvml import NvmlCounterSource
from trainer.energy.plausible import LEAP, RESET, SILENT, STILL
from trainer.energy.track import Slot


def gpu(uuid: str = "GPU-1") -> NvmlCounterSource:
    return NvmlCounterSource(nvml.Board(uuid))


# --- adding up ----------------------------------------------------------------------------------


def test_phases_add_up_to_what_the_counter_moved(driver, clock, shelf):
    """10 s and 30 s of training, 5 s of evaluation at 100 W: 4,000 J and 500 J."""
    source = gpu()
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
    meter = meter_of(clock, shelf, gpu())
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
    training, bot = Power(clock, 100, "gpu"), Power(clock, 5, "cpu", owner="bot")
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


def test_runs_at_once_share_what_the_bot_takes_and_the_last_one_pays_alone(clock, shelf):
    """r1 alone for 10 s, both for 20 s, r1 alone for 10 s at 5 W: 30 s are its, 10 s are of r2."""
    meter = meter_of(clock, shelf, Power(clock, 5, "cpu", owner="bot"))

    def seconds(count):
        for _ in range(count):
            clock.sleep(1)
            meter.flush()

    meter.charge_bot_to("r1", "human")
    seconds(10)
    meter.charge_bot_to("r2", "human")
    seconds(20)
    meter.charge_bot_to("r2", "human")  # as after a pause: counted once
    meter.release("r2")
    seconds(10)
    meter.release("r1")
    seconds(1)

    assert shelf.joules(lambda r: r.run_id) == {"r1": 150, "r2": 50, None: 5}


def test_a_run_that_ends_leaves_other_runs_what_is_theirs(clock, shelf):
    meter = meter_of(clock, shelf, Power(clock, 100, "gpu"), Power(clock, 5, "cpu", owner="bot"))
    meter.charge_bot_to("r2", "human")
    meter.switch(Slot("r2", "human", None, "wait"))
    meter.release("r1")
    clock.sleep(2)
    meter.flush()

    assert meter.slot.run_id == "r2"
    assert shelf.joules(lambda r: (r.run_id, r.phase)) == {("r2", "wait"): 200, ("r2", "bot"): 10}


@pytest.mark.parametrize(
    ("policy", "pays"), [("none", (None, "wait")), ("reserved", ("r1", "wait"))]
)
def test_what_a_board_draws_while_people_think_is_charged_as_was_set(
    driver, clock, shelf, policy, pays
):
    """What our own processes hold meanwhile is the run's in any case."""
    meter = meter_of(clock, shelf, gpu(), Power(clock, 5, "ram"), charge_idle=policy)
    meter.switch(TRAIN)
    clock.sleep(10)
    meter.switch(WAIT)
    clock.sleep(60)
    meter.flush()

    assert shelf.joules(lambda r: (r.device, r.run_id, r.phase)) == {
        ("GPU-1", "r1", "train"): 1000,
        ("GPU-1", *pays): 6000,
        ("ram", "r1", "train"): 50,
        ("ram", "r1", "wait"): 300,
    }


# --- what cannot be told ------------------------------------------------------------------------


def told(shelf: Shelf, device: str = "GPU-1") -> list[tuple[float | None, str]]:
    return [(r.energy_j, r.note) for r in shelf.rows if r.device == device]


def test_a_counter_that_was_reset_is_unknown_with_the_reason_and_never_negative(
    driver, clock, shelf
):
    meter = meter_of(clock, shelf, gpu())
    clock.sleep(10)
    meter.cut()
    driver.reload_driver()
    clock.sleep(1)
    meter.cut()
    clock.sleep(3)
    meter.flush()

    assert told(shelf) == [(1000.0, ""), (None, RESET), (300.0, "")]


def test_a_source_that_dies_is_unknown_and_the_others_are_metered_on(clock, shelf):
    broken, sound = Power(clock, 10, "gpu"), Power(clock, 10, "cpu")
    meter = meter_of(clock, shelf, broken, sound)
    broken.read = lambda: 1 / 0
    clock.sleep(2)
    meter.flush()

    assert told(shelf, "gpu") == [(None, SILENT)]
    assert told(shelf, "cpu") == [(20, "")]


def test_a_counter_that_leaps_further_than_the_board_can_draw_brings_no_joules(
    driver, clock, shelf
):
    """700 W is the limit; 5 MJ in a second are none of the board's."""
    meter = meter_of(clock, shelf, gpu())
    clock.sleep(1)
    driver.boards[0].start_mj += 5_000_000_000
    meter.cut()
    clock.sleep(1)
    meter.flush()

    assert told(shelf) == [(None, LEAP), (100.0, "")]


def test_a_driver_that_does_not_answer_is_unknown_and_the_hole_filled_once_it_does(
    driver, clock, shelf
):
    """Silent for 2 s: what the counter moved meanwhile is a gap of whoever was at work."""
    meter = meter_of(clock, shelf, gpu(), Power(clock, 5))
    meter.switch(TRAIN)
    driver.boards[0].fails_with = GPU_IS_LOST
    clock.sleep(2)
    meter.cut()
    driver.boards[0].fails_with = 0
    clock.sleep(2)
    meter.cut()
    clock.sleep(2)
    meter.flush()

    assert told(shelf) == [
        (None, "NVML says: GPU is lost"),
        (400.0, "filled from the counter after 4 s without readings"),
        (200.0, ""),
    ]
    gap = shelf.rows[2]
    assert (gap.run_id, gap.phase, gap.provenance) == ("r1", "other", "E-gap")
    assert sum(r.energy_j for r in shelf.rows if r.device == "cpu") == 30


def test_a_board_that_draws_nothing_for_ten_seconds_is_unknown_not_zero(driver, clock, shelf):
    """Then it moves again: what came is booked, as a gap."""
    driver.boards[0].power = steady(0)
    meter = meter_of(clock, shelf, gpu())
    for _ in range(12):
        clock.sleep(1)
        meter.cut()
    driver.boards[0].power, driver.boards[0].start_mj = steady(100), 4_000_000
    driver.boards[0].loaded_at = clock() - 10.5
    meter.cut()
    clock.sleep(1)
    meter.flush()

    assert told(shelf)[:9] == [(0.0, "")] * 9
    assert told(shelf)[9:12] == [(None, STILL)] * 3
    (filled, _), last = told(shelf)[12:]
    assert filled == 50
    assert last == (100.0, "")


# --- after a crash ------------------------------------------------------------------------------


def test_counters_are_handed_over_with_the_rows_that_book_them(driver, clock, shelf):
    meter = meter_of(clock, shelf, gpu(), Power(clock, 5))
    clock.sleep(3)
    meter.flush()
    clock.sleep(1)
    meter.cut()

    (counter,) = shelf.counters.values()
    assert (counter.source, counter.device, counter.boot_id) == ("nvml-counter", "GPU-1", "boot-1")
    assert (counter.value_j, counter.clock_s) == (5300.0, 1003.0)
    assert sum(r.energy_j for r in shelf.rows if r.device == "GPU-1") == 300


def test_what_a_dead_meter_missed_is_booked_from_the_counter_once(driver, clock, shelf):
    """Killed 1 s after its last row, back 20 s later: 21 s at 100 W are a gap of the run."""
    first = meter_of(clock, shelf, gpu())
    first.switch(TRAIN)
    clock.sleep(5)
    first.flush()
    clock.sleep(21)
    second = meter_of(clock, shelf, gpu())
    second.take_up([(shelf.counters["nvml-counter", "GPU-1"], TRAIN)])
    second.switch(WAIT)
    clock.sleep(2)
    second.flush()

    _, gap, _ = shelf.rows
    assert (gap.energy_j, gap.duration_s, gap.provenance) == (2100.0, 21.0, "E-gap")
    assert (gap.run_id, gap.arm, gap.segment_id, gap.phase) == (
        "r1",
        "human",
        "r1.human.0",
        "other",
    )
    assert gap.note == "filled from the counter after 21 s without readings"
    assert gap.started_at == NOON + timedelta(seconds=5)
    assert [r.energy_j for r in shelf.rows] == [500, 2100, 200]


@pytest.mark.parametrize("what", ["driver reloaded", "booted anew"])
def test_a_counter_that_began_anew_meanwhile_fills_nothing(driver, clock, shelf, what):
    first = meter_of(clock, shelf, gpu())
    first.switch(TRAIN)
    clock.sleep(5)
    first.flush()
    (counter,) = shelf.counters.values()
    driver.reload_driver()
    if what == "booted anew":
        counter = counter.model_copy(update={"boot_id": "boot-0"})
    clock.sleep(10)
    second = meter_of(clock, shelf, gpu())
    second.take_up([(counter, TRAIN)])
    clock.sleep(1)
    second.flush()

    after = [(None, RESET)] if what == "driver reloaded" else [(100.0, "")]
    assert told(shelf) == [(500.0, ""), *after]


def test_a_counter_that_is_silent_at_the_restart_fills_the_hole_later(driver, clock, shelf):
    first = meter_of(clock, shelf, gpu())
    first.switch(TRAIN)
    clock.sleep(5)
    first.flush()
    driver.boards[0].fails_with = GPU_IS_LOST
    clock.sleep(10)
    second = meter_of(clock, shelf, gpu())
    second.take_up([(shelf.counters["nvml-counter", "GPU-1"], TRAIN)])
    second.cut()
    driver.boards[0].fails_with = 0
    clock.sleep(1)
    second.flush()

    assert [(r.energy_j, r.run_id) for r in shelf.rows][1:] == [(None, None), (1100.0, "r1")]


def test_a_row_told_by_other_means_gets_a_number_of_its_own(clock, shelf):
    meter = meter_of(clock, shelf, Power(clock, 10))
    clock.sleep(1)
    meter.cut()
    meter.flush()
    meter.book(shelf.rows[0])
    meter.flush()

    assert len({r.seq for r in shelf.rows}) == 2


# --- the whole way from a counter that ticks ----------------------------------------------------

powers = st.builds(SquareWave, st.integers(1, 200), st.integers(200, 690), st.floats(0.3, 7))


@given(powers, st.lists(st.tuples(slots, st.integers(0, 9000)), min_size=1, max_size=30))
def test_whatever_phases_follow_their_sum_is_what_the_counter_moved(power, steps):
    """Switched at any moment, on a counter that ticks every 100 ms."""
    clock, shelf = Clock(), Shelf()
    with installed(FakeNvml(clock, [Board("GPU-1", power=power, tick_s=0.1)])) as driver:
        meter = meter_of(clock, shelf, gpu())
        before = driver.boards[0].counter_mj(clock()) / 1000
        for slot, milliseconds in steps:
            meter.switch(slot)
            for _ in range(milliseconds // 1000):
                clock.sleep(1)
                meter.cut()
            clock.sleep(milliseconds % 1000 / 1000)
        meter.flush()
        moved = driver.boards[0].counter_mj(clock()) / 1000 - before

    by_phase = shelf.joules(lambda r: r.phase)
    assert sum(by_phase.values()) == pytest.approx(moved, rel=1e-6, abs=1e-6)
    assert all(r.energy_j is not None and r.energy_j >= 0 for r in shelf.rows)
