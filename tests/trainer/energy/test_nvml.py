"""Boards through the real binding: counters, power where there is none, and boards of many."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pynvml
import pytest

from trainer.energy import nvml
from trainer.energy.fake_nvml import (
    DRIVER_NOT_LOADED,
    GPU_IS_LOST,
    LIBRARY_NOT_FOUND,
    UNKNOWN,
    Board,
    Clock,
    FakeNvml,
    SquareWave,
    installed,
    steady,
)
from trainer.energy.meter import EnergyMeter
from trainer.energy.nvml import NvmlCounterSource, NvmlPowerSource
from trainer.energy.tenancy import ELSEWHERE, LOOK_AGAIN_S, MIG, SHARED
from trainer.energy.track import Slot

OURS, ANOTHER, A_HOSTS = os.getpid(), os.getppid(), 4_194_302
"""Our process, another one of this machine, and an id that means nothing here."""
RUN = Slot("r1", "human", "r1.human.0", "train")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def driver(clock) -> Iterator[FakeNvml]:
    with installed(FakeNvml(clock, [Board("GPU-1"), Board("GPU-2", power=steady(50))])) as fake:
        yield fake


class Metered:
    """All boards under a meter whose test turns the clock."""

    def __init__(self, clock, ours=frozenset()):
        self.clock, self.rows, self.ours = clock, [], ours
        self.sources, self.findings = nvml.boards(lambda: self.ours, clock)
        self.meter = EnergyMeter(
            self.sources, lambda rows, _: self.rows.extend(rows), clock=clock, boot_id="boot"
        )
        self.meter.switch(RUN)

    def run(self, seconds, every_s=0.1):
        """Poll as the meter's thread does, and cut each second."""
        for n in range(round(seconds / every_s)):
            self.clock.sleep(every_s)
            self.meter.poll()
            if (n + 1) % round(1 / every_s) == 0:
                self.meter.flush()
        return self.rows


def test_the_binding_has_the_two_private_names_the_fake_driver_goes_by():
    assert hasattr(pynvml, "nvmlLib")
    assert isinstance(pynvml._nvmlGetFunctionPointer_cache, dict)


def test_the_fake_leaves_the_binding_as_it_was():
    before = pynvml.nvmlLib
    with installed(FakeNvml(Clock())):
        pass

    assert pynvml.nvmlLib is before


# --- the counter --------------------------------------------------------------------------------


def test_millijoules_become_joules(driver, clock):
    """The counter says 5,000,000 mJ; after 10 s at 100 W it says 6,000,000."""
    source = NvmlCounterSource(nvml.Board("GPU-1"))

    assert source.read() == 5000.0
    clock.sleep(10)
    assert source.read() == 6000.0


def test_a_board_is_found_by_its_uuid_not_its_number(driver, clock):
    source = NvmlCounterSource(nvml.Board("GPU-2"))
    first = source.read()
    clock.sleep(10)

    assert source.read() - first == 500.0
    assert (source.device, source.provenance) == ("GPU-2", "M-ctr")
    assert source.bounds.limit_w == 700


def test_boards_are_metered_by_their_counters(driver, clock):
    sources, findings = nvml.boards(frozenset, clock)

    assert [(s.device, s.provenance) for s in sources] == [("GPU-1", "M-ctr"), ("GPU-2", "M-ctr")]
    assert findings[0].line == "GPU 0 NVIDIA H100 80GB HBM3: measured, energy counter"


def test_a_board_that_vanishes_is_unknown_and_found_again(driver, clock):
    source = NvmlCounterSource(nvml.Board("GPU-1"))
    driver.boards[0].fails_with = GPU_IS_LOST
    gone, reason = source.read(), source.reason
    driver.boards[0].fails_with = 0

    assert (gone, reason) == (None, "NVML says: GPU is lost")
    assert (source.read(), source.reason) == (5000.0, "")


def test_a_board_that_left_the_machine_is_unknown_too(driver, clock):
    source = NvmlCounterSource(nvml.Board("GPU-2"))
    driver.boards[1].fails_with = GPU_IS_LOST
    source.read()
    del driver.boards[1]

    assert source.read() is None
    assert source.reason


def test_a_function_the_driver_lacks_is_unknown(driver, monkeypatch):
    source = NvmlCounterSource(nvml.Board("GPU-1"))
    monkeypatch.delattr(FakeNvml, "nvmlDeviceGetTotalEnergyConsumption")

    assert source.read() is None


def test_a_limit_that_may_be_lifted_does_not_bound_what_a_board_draws(driver):
    """Capped to 200 W just now; at 700 W again, its joules must not look like a leap."""
    driver.boards[0].limit_w, driver.boards[0].limits_w = 200, (100, 700)

    assert NvmlCounterSource(nvml.Board("GPU-1")).bounds.limit_w == 700


@pytest.mark.parametrize(("limit_w", "expected"), [(350, 350), (None, nvml.LIMIT_W)])
def test_a_board_that_does_not_tell_how_far_its_limit_goes(driver, limit_w, expected):
    driver.boards[0].limit_w, driver.boards[0].limits_w = limit_w, None

    assert NvmlCounterSource(nvml.Board("GPU-1")).bounds.limit_w == expected


# --- power --------------------------------------------------------------------------------------


@pytest.mark.parametrize("instant", [True, False], ids=["field", "an old driver's power"])
def test_without_a_counter_power_is_polled_and_summed_up(driver, clock, instant):
    """120/650 W in turns of 5 s: 385 W on average; the mean error of 100 ms over 60 s is small."""
    driver.boards = [
        Board("GPU-1", has_counter=False, has_instant_power=instant, power=SquareWave(120, 650, 5))
    ]
    metered = Metered(clock)
    rows = metered.run(60)

    assert sum(r.energy_j for r in rows) == pytest.approx(60 * 385, rel=0.01)
    assert {(r.provenance, r.source) for r in rows} == {("M-pow", "nvml-power")}
    assert metered.findings[0].line == (
        "GPU 0 NVIDIA H100 80GB HBM3: measured, "
        "power, polled every 100 ms (it has no energy counter)"
    )


def test_a_driver_without_fields_is_asked_for_power(driver, clock, monkeypatch):
    monkeypatch.delattr(FakeNvml, "nvmlDeviceGetFieldValues")
    driver.boards = [Board("GPU-1", has_counter=False)]

    assert sum(r.energy_j for r in Metered(clock).run(3)) == pytest.approx(300)


def test_a_slice_whose_power_was_not_watched_is_unknown_in_whole(driver, clock):
    driver.boards = [Board("GPU-1", has_counter=False)]
    metered = Metered(clock)
    metered.run(1)
    clock.sleep(5)
    metered.run(2)

    assert [(r.energy_j, r.note) for r in metered.rows] == [
        (pytest.approx(100), ""),
        (None, "the power was not sampled for 5.1 s"),
        (pytest.approx(100), ""),
    ]
    assert metered.rows[1].duration_s == pytest.approx(6)


def test_power_that_is_not_told_for_a_moment_makes_its_slice_unknown(driver, clock):
    driver.boards = [Board("GPU-1", has_counter=False)]
    metered = Metered(clock)
    metered.run(1.5)
    driver.boards[0].fails_with = GPU_IS_LOST
    metered.run(0.2)
    driver.boards[0].fails_with = 0
    clock.sleep(0.3)
    metered.meter.flush()
    metered.run(1)

    assert [r.energy_j for r in metered.rows] == [pytest.approx(100), None, pytest.approx(100)]
    assert metered.rows[1].note == "NVML says: GPU is lost"


def test_a_board_that_tells_neither_is_said_not_to_be_metered(driver, clock):
    driver.boards = [Board("GPU-1", name="Tesla K80", has_counter=False, has_power=False)]

    sources, (finding,) = nvml.boards(frozenset, clock)

    assert sources == []
    assert finding.line.startswith(
        "GPU 0 Tesla K80: not metered, neither energy counter nor power: NVML says: "
    )


# --- the driver ---------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND])
def test_a_missing_driver_is_the_proof_of_no_gpu(driver, clock, code):
    driver.init = code

    sources, (finding,) = nvml.boards(frozenset, clock)

    assert (sources, finding.line) == ([], "GPU: none, no NVIDIA driver")


def test_any_other_error_of_the_driver_is_said(driver, clock):
    driver.init = UNKNOWN

    _, (finding,) = nvml.boards(frozenset, clock)

    assert finding.line == "GPU: not metered, NVML says: Unknown Error"
    assert finding.remedy


def test_a_board_that_is_silent_just_now_may_come_back(driver, clock):
    driver.boards[0].fails_with = GPU_IS_LOST

    sources, findings = nvml.boards(frozenset, clock)

    assert [s.device for s in sources] == ["GPU-1", "GPU-2"]
    assert "silent just now: GPU is lost" in findings[0].line


# --- boards of many -----------------------------------------------------------------------------


def owners(rows):
    return [(r.device, r.run_id, r.energy_j, r.provenance, r.note) for r in rows]


def test_a_sliced_board_is_never_a_runs_measurement(driver, clock):
    driver.boards = [Board("GPU-1", is_sliced=True, tenants={OURS: 50})]
    metered = Metered(clock, frozenset({OURS}))

    assert owners(metered.run(1)) == [("GPU-1", None, pytest.approx(100), "M-ctr", MIG)]
    assert "not metered, energy counter of the whole board alone" in metered.findings[0].line
    assert MIG in metered.findings[0].line


def test_a_board_that_knows_nothing_of_slices_is_whole(driver, clock):
    driver.boards = [Board("GPU-1", is_sliced=None)]

    assert owners(Metered(clock).run(1)) == [("GPU-1", "r1", pytest.approx(100), "M-ctr", "")]


def test_a_board_of_our_own_is_measured(driver, clock):
    driver.boards = [Board("GPU-1", tenants={OURS: 90})]

    assert owners(Metered(clock, frozenset({OURS})).run(1)) == [
        ("GPU-1", "r1", pytest.approx(100), "M-ctr", "")
    ]


@pytest.mark.parametrize(
    ("busy", "ours_j"),
    [({OURS: 60, ANOTHER: 20}, 75), ({OURS: 0, ANOTHER: 0}, 50), ({OURS: 0, ANOTHER: 30}, 0)],
    ids=["by processor time", "by heads where none is told", "all the others'"],
)
def test_on_a_shared_board_our_share_is_a_model_and_the_total_stays(driver, clock, busy, ours_j):
    driver.boards = [Board("GPU-1", tenants=busy)]
    rows = Metered(clock, frozenset({OURS})).run(1)

    assert sum(r.energy_j for r in rows) == pytest.approx(100)
    assert sum(r.energy_j for r in rows if r.run_id == "r1") == pytest.approx(ours_j)
    assert not any(r.run_id and r.provenance.startswith("M-") for r in rows)
    assert {r.note for r in rows} == {SHARED}


def test_a_board_others_alone_compute_on_is_none_of_ours(driver, clock):
    driver.boards = [Board("GPU-1", tenants={ANOTHER: 90})]

    (row,) = Metered(clock).run(1)
    assert row.run_id is None
    assert "others compute on this board" in row.note


def test_of_many_boards_only_those_we_are_on_are_ours(driver, clock):
    driver.boards[0].tenants = {OURS: 90}

    assert owners(Metered(clock, frozenset({OURS})).run(1)) == [
        ("GPU-1", "r1", pytest.approx(100), "M-ctr", ""),
        ("GPU-2", None, pytest.approx(50), "M-ctr", ELSEWHERE),
    ]


def test_in_a_container_the_one_process_on_the_board_is_our_own(driver, clock):
    """The driver tells ids of the host, which mean nothing in here."""
    driver.boards = [Board("GPU-1", tenants={A_HOSTS: 90})]

    assert owners(Metered(clock, frozenset({OURS})).run(1))[0][1] == "r1"


def test_who_is_on_a_board_is_looked_up_again(driver, clock):
    driver.boards = [Board("GPU-1", tenants={OURS: 50})]
    metered = Metered(clock, frozenset({OURS}))
    metered.run(1)
    driver.boards[0].tenants = {OURS: 50, ANOTHER: 50}
    metered.run(LOOK_AGAIN_S + 1)

    assert metered.rows[0].provenance == "M-ctr"
    assert metered.rows[-1].provenance == "A"


def test_a_board_that_does_not_tell_its_tenants_is_taken_as_ours(driver, clock, monkeypatch):
    monkeypatch.delattr(FakeNvml, "nvmlDeviceGetComputeRunningProcesses_v3")
    driver.boards = [Board("GPU-1", tenants={ANOTHER: 50})]

    assert owners(Metered(clock).run(1))[0][1] == "r1"


def test_polled_boards_are_shared_likewise(driver, clock):
    driver.boards = [Board("GPU-1", has_counter=False, tenants={OURS: 25, ANOTHER: 75})]
    metered = Metered(clock, frozenset({OURS}))

    rows = metered.run(1)

    assert isinstance(metered.sources[0], NvmlPowerSource)
    assert sorted(r.energy_j for r in rows) == [pytest.approx(25), pytest.approx(75)]
