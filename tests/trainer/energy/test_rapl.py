"""RAPL from a folder: packages only, wraps and resets told apart, and no rights is said."""

import contextlib
import os
import tempfile
from pathlib import Path

import pytest

from tests.trainer.energy.zones import RANGE_UJ, stand_at, zone
from trainer.energy.fake_nvml import Clock
from trainer.energy.meter import EnergyMeter
from trainer.energy.plausible import RESET
from trainer.energy.rapl import LIMIT_W, BotShare, RaplSource, packages
from trainer.energy.track import Slot

RUN = Slot("r1", "human", None, "train")


def nobody():
    return 0.0


def found_in(folder):
    return packages(lambda: nobody, folder)


class Metered:
    """A package under a meter, on a clock that is turned by hand."""

    def __init__(self, path, bot_share=nobody):
        self.path, self.clock, self.rows = path, Clock(), []
        self.meter = EnergyMeter(
            [RaplSource(path, bot_share)],
            lambda rows, _: self.rows.extend(rows),
            clock=self.clock,
            boot_id="boot",
        )
        self.meter.switch(RUN)

    def after(self, seconds, energy_uj):
        """The rows once the counter stands there."""
        self.clock.sleep(seconds)
        stand_at(self.path, energy_uj)
        self.meter.flush()
        return [(r.energy_j, r.note) for r in self.rows]


def test_packages_count_and_what_is_inside_or_around_them_does_not(tmp_path):
    zone(tmp_path, "0", "package-0", 10_000_000)
    zone(tmp_path, "0:0", "core", 4_000_000)
    zone(tmp_path, "0:1", "dram", 3_000_000)
    zone(tmp_path, "1", "package-1", 90_000_000)
    zone(tmp_path, "2", "psys", 200_000_000)

    sources, finding = found_in(tmp_path)

    assert [(s.device, s.read()) for s in sources] == [("cpu-package-0", 10), ("cpu-package-1", 90)]
    assert finding.line.startswith("CPU: measured, RAPL counter, 2 packages")


def test_dies_that_mirror_their_package_count_once(tmp_path):
    zone(tmp_path, "0", "package-0-die-0", 50_000_000)
    zone(tmp_path, "1", "package-0-die-1", 50_100_000)
    zone(tmp_path, "2", "package-1-die-0", 50_000_000)
    zone(tmp_path, "3", "package-1-die-1", 80_000_000)

    sources, _ = found_in(tmp_path)

    assert [s.device for s in sources] == [
        "cpu-package-0-die-0", "cpu-package-1-die-0", "cpu-package-1-die-1",
    ]  # fmt: skip


def test_no_zones_is_no_counter(tmp_path):
    sources, finding = found_in(tmp_path / "nothing")

    assert (sources, finding.state) == ([], "none")


@contextlib.contextmanager
def as_somebody_else():
    """Without the rights of root, for whom no file is closed."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


def test_a_counter_for_root_alone_is_said_with_its_remedy():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        paths = [zone(folder, str(n), f"package-{n}", 1) for n in (0, 1)]
        paths[1].joinpath("energy_uj").chmod(0)

        with as_somebody_else():
            sources, finding = found_in(folder)

    assert sources == []
    assert finding.line == (
        "CPU counter: not metered, RAPL is there, but its counter may be read by root only"
    )
    assert f"chmod a+r {paths[0]}/energy_uj {paths[1]}/energy_uj (" in finding.remedy


def test_a_counter_that_is_no_number_is_said(tmp_path):
    path = zone(tmp_path, "0", "package-0", 1)
    (path / "energy_uj").write_text("nonsense")

    sources, finding = found_in(tmp_path)

    assert sources == []
    assert finding.state == "not metered"
    assert "nonsense" in finding.how


@pytest.mark.parametrize(
    ("limit_w", "expected"), [(125, 125), (None, LIMIT_W), (0, LIMIT_W), (4_000_000, LIMIT_W)]
)
def test_the_limit_is_the_packages_own_where_it_makes_sense(tmp_path, limit_w, expected):
    assert RaplSource(zone(tmp_path, "0", "package-0", 1, limit_w)).bounds.limit_w == expected


def test_a_wrap_brings_what_was_drawn(tmp_path):
    metered = Metered(zone(tmp_path, "0", "package-0", RANGE_UJ - 40_000_000))

    assert metered.after(1, 60_000_000) == [(pytest.approx(100), "")]


def test_a_reset_brings_nothing(tmp_path):
    metered = Metered(zone(tmp_path, "0", "package-0", 150_000_000_000))

    assert metered.after(1, 10_000_000) == [(None, RESET)]
    assert metered.after(1, 60_000_000)[1:] == [(50, "")]


def test_a_counter_that_goes_is_unknown_with_the_reason(tmp_path):
    path = zone(tmp_path, "0", "package-0", 1_000_000)
    metered = Metered(path)
    (path / "energy_uj").unlink()
    metered.clock.sleep(1)
    metered.meter.flush()

    ((row,)) = metered.rows
    assert row.energy_j is None
    assert "No such file" in row.note


def test_the_bots_share_is_taken_out_and_the_total_stays(tmp_path):
    """A quarter of 100 J are the bot's: 75 J measured, 25 J attributed."""
    metered = Metered(zone(tmp_path, "0", "package-0", 0), lambda: 0.25)
    metered.after(1, 100_000_000)

    assert [(r.source, r.energy_j, r.provenance, r.phase, r.run_id) for r in metered.rows] == [
        ("rapl", 75, "M-rapl", "train", "r1"),
        ("rapl-bot", 25, "A", "bot", None),
    ]
    assert {r.note for r in metered.rows} == {""}, "nothing is amiss, every second of the day"


def test_the_bots_share_is_of_all_the_cpu_time_there_was():
    """0.5 s on one of four cores in a second: an eighth; and never more than all."""
    clock, used = Clock(), [0.0]
    share = BotShare(lambda: used[0], clock, cores=4)
    clock.sleep(1)
    used[0] = 0.5
    first = share()
    clock.sleep(1)
    used[0] = 100

    assert (first, share(), share()) == (0.125, 1.0, 0.0)
