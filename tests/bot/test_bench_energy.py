"""`joulery bench energy`: its figures can miss, and it says what it could not measure."""

import numpy as np
import pytest

from bot.bench.energy import children, gpu, metering, suite, synthetic
from bot.bench.figures import BenchError, Figure
from trainer.energy import track
from trainer.energy.clock import boot_time
from trainer.energy.fake_nvml import Board, Clock, FakeNvml, installed, steady
from trainer.energy.plausible import Moved


def test_the_square_wave_knows_its_own_integral():
    """100/300 W in turns of a second: 300 + 100 J each 2 s."""
    wave = synthetic.SquareWave(100, 300, 2)

    assert [wave.joules(s) for s in (0, 0.5, 1, 1.5, 2, 5)] == [0, 150, 300, 350, 400, 1100]
    assert [wave.watts(s) for s in (0, 0.9, 1, 1.9, 2)] == [300, 300, 100, 100, 300]


def test_integrals_are_right_and_their_errors_are_seen():
    """A counter that ticks every 100 ms is off by up to a tick at full power, and not by less."""
    counter = synthetic.integral(10, 30, np.random.default_rng(1), has_counter=True)
    polled = synthetic.integral(60, 10, np.random.default_rng(1), has_counter=False)

    assert 1 < np.abs(counter).max() <= 0.1 * synthetic.HIGH_W
    assert 0 < np.abs(polled).max() < 0.01 * synthetic.mean_j(60)


def test_a_round_beat_would_be_seen(monkeypatch):
    """Polled every 100 ms, steps of 0.25 s come out wrong by a tenth: why the beat is not round."""
    monkeypatch.setattr(synthetic.nvml, "POLL_S", 0.1)

    polled = synthetic.integral(60, 5, np.random.default_rng(1), has_counter=False)

    assert np.abs(polled).max() > 0.05 * synthetic.mean_j(60)


def test_phases_and_waits_add_up():
    assert synthetic.phases(30, np.random.default_rng(2)) < 1e-9
    assert synthetic.waiting() == (pytest.approx(1), pytest.approx(0))


def test_wraps_and_resets_bring_no_joules_nobody_drew(tmp_path):
    events = synthetic.Events(tmp_path, np.random.default_rng(3))

    events.take(3)

    assert (events.count, events.negative) == (21, 0)
    assert -1 < events.phantom < 0.02


def test_a_meter_that_took_a_reset_for_a_wrap_would_be_seen(tmp_path, monkeypatch):
    """As tools do that add a whole range whenever a counter goes back."""
    monkeypatch.setattr(
        track,
        "moved",
        lambda before, after, seconds, bounds: Moved((after - before) % synthetic.RANGE_J),
    )
    events = synthetic.Events(tmp_path, np.random.default_rng(3))
    events.take(1)

    assert events.phantom > 1


@pytest.mark.slow
def test_a_killed_sampler_is_put_in_figures(tmp_path):
    lost, damaged, booked = metering._kills(tmp_path, 1)

    assert 0 <= lost.value < 2
    assert (damaged.value, damaged.holds) == (0, True)
    assert booked.holds


@pytest.mark.slow
def test_metering_opens_no_socket(tmp_path):
    assert [figure.value for figure in metering._sockets(tmp_path)] == [0, 0]


@pytest.mark.slow
def test_the_share_of_a_core_is_measured(tmp_path):
    assert 0 < metering.cpu_share(tmp_path, 3) < 0.1


def test_a_child_that_dies_is_said():
    with children.burner() as child:
        child.tell("steps many")
        with pytest.raises(BenchError, match="died"):
            child.answer()


# --- the suite ----------------------------------------------------------------------------------


async def test_groups_follow_each_other_and_without_a_board_that_is_said(monkeypatch):
    async def some(*, quick):
        return (Figure("a", 1.0, "", "<= 1"),)

    monkeypatch.setattr(suite, "GROUPS", {"one": some, "two": some})
    with installed(FakeNvml(Clock())) as driver:
        driver.init = 9
        steps = []
        found = await suite.run(quick=True, progress=lambda *step: steps.append(step))

    assert [f.name for f in found.figures] == ["a", "a"]
    assert steps == [(0, 2), (1, 2)]
    assert found.setting["skipped"] == {"gpu": "GPU: none, no NVIDIA driver"}


def test_a_board_is_counted_and_polled_side_by_side():
    board = Board("GPU-1", power=steady(200), loaded_at=boot_time() - 50)
    with installed(FakeNvml(boot_time, [board])):
        assert gpu.missing() is None
        counted, polled = gpu.drawn(2.0)

    assert counted == pytest.approx(400, rel=0.1)
    assert polled == pytest.approx(counted, rel=0.05)


def test_a_board_without_a_counter_has_nothing_to_compare():
    with installed(FakeNvml(boot_time, [Board("GPU-1", has_counter=False)])):
        assert "polled" in gpu.missing()
