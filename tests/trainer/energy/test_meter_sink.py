"""The meter and its sink: what is cut arrives, by the meter's own thread too."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from storage.models import EnergyReading
from tests.trainer.energy.meters import Power, meter_of
from trainer.energy.clock import read_boot_id
from trainer.energy.fake_nvml import (
    Clock,
)
from trainer.energy.meter import EnergyMeter


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

    def slow(rows: Sequence[EnergyReading], _: object) -> None:
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
