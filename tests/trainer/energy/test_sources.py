"""Estimates: what processes of ours use, times a constant."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from trainer.energy.clock import boot_time, read_boot_id
from trainer.energy.fake_nvml import Clock
from trainer.energy.sources import (
    WATTS_PER_CORE,
    WATTS_PER_GIB,
    CpuTimeSource,
    MemorySource,
    ProcessGroup,
)

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


def test_the_count_never_falls_when_a_process_ends_right_after_it_was_first_watched():
    group = ProcessGroup()
    with burning(0.2) as child:
        child.stdout.readline()
        group.watch(child.pid, from_now=True)
        child.communicate("end\n")

    assert group.cpu_s() == pytest.approx(0, abs=0.01)


def test_a_process_watched_again_keeps_its_count():
    group = ProcessGroup()
    with burning(0.2) as child:
        child.stdout.readline()
        group.watch(child.pid)
        before = group.cpu_s()
        group.watch(child.pid)
        child.communicate("end\n")

    assert group.cpu_s() == before > 0


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


def test_memory_times_time_is_an_estimate():
    """This very process for 100 s at a constant power per GiB."""
    group, clock = ProcessGroup(), Clock()
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
