"""Joules added up: by hand first, then as properties."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.energy import (
    RELATIVE_U,
    SHARED,
    EnergyTotal,
    Net,
    by_arm,
    co2_g,
    energy_to_target,
    is_same_mix,
    mix,
    net,
    spent_until,
    sums,
    total,
)
from storage.models import PHASES, PROVENANCE_WORDS, EnergyBaseline, EnergySum
from tests.storage.records import at, reading


def part(energy_j, provenance="M-ctr", device="GPU-1", phase="train", arm="human", **changes):
    values = {
        "arm": arm, "phase": phase, "device": device, "source": f"{device}'s", "energy_j": energy_j,
        "provenance": provenance, "duration_s": 1.0,
    }  # fmt: skip
    return EnergySum(**(values | changes))


parts = st.lists(
    st.builds(
        part,
        st.just(0.0) | st.floats(1e-6, 1e6),  # squares of less would vanish
        st.sampled_from(sorted(PROVENANCE_WORDS)),
        st.sampled_from(["GPU-1", "GPU-2", "cpu", "ram"]),
        st.sampled_from(PHASES),
        st.sampled_from(["human", "control", None]),
        unknown_s=st.floats(0, 100),
    ),
    max_size=12,
)


# --- totals -------------------------------------------------------------------------------------


def test_errors_of_one_source_add_up_and_sources_err_independently():
    """A total worked by hand.

    GPU counter, 5 %: train 400 J +- 20 J, evaluate 200 J +- 10 J; one source: 20 + 10 = 30 J.
    CPU estimate, 50 %: 80 J +- 40 J.
    Together 400 + 200 + 80 = 680 J +- sqrt(30^2 + 40^2) = 50 J; measured 600 / 680.
    """
    found = total(
        [
            part(400.0),
            part(200.0, phase="evaluate"),
            part(80.0, "E-tdp", "cpu", unknown_s=3.0),
        ]
    )

    assert (found.energy_j, found.u_j, found.unknown_s) == pytest.approx((680.0, 50.0, 3.0))
    assert found.by_phase == pytest.approx({"train": 480.0, "evaluate": 200.0})
    assert found.by_provenance == pytest.approx({"M-ctr": 600.0, "E-tdp": 80.0})
    assert found.measured_share == pytest.approx(600 / 680)


def test_two_devices_of_one_kind_err_independently():
    """5 % of 60 J and of 80 J: sqrt(3^2 + 4^2) = 5 J, not 7."""
    found = total([part(60.0, device="GPU-1"), part(80.0, device="GPU-2")])

    assert found.u_j == pytest.approx(5.0)


def test_a_sources_measured_and_filled_in_joules_err_together():
    """5 % of 100 J measured + 100 % of 10 J filled in, one source: 5 + 10 = 15 J."""
    found = total([part(100.0), part(10.0, "E-gap")])

    assert found.u_j == pytest.approx(15.0)
    assert found.measured_share == pytest.approx(100 / 110)


def test_nothing_adds_up_to_nothing():
    assert total([]) == EnergyTotal()
    assert total([]).measured_share == 0.0


def test_every_provenance_has_its_uncertainty():
    assert set(RELATIVE_U) == set(PROVENANCE_WORDS)


def test_unknown_is_not_zero():
    """5 J and 2 s that could not be read: the sum says both."""
    found = total(sums([reading(0, 5.0), reading(1, None, 2.0)]))

    assert (found.energy_j, found.unknown_s) == (5.0, 2.0)


def test_readings_are_added_up_by_arm_phase_and_source():
    found = sums(
        [
            reading(0, 1.0),
            reading(1, 2.0, 0.5),
            reading(2, 4.0, phase="score"),
            reading(3, 8.0, arm="control"),
            reading(4, 16.0, device="ram"),
            reading(5, 32.0, provenance="E-gap"),
        ]
    )

    assert sorted((s.energy_j, s.duration_s) for s in found) == [
        (3.0, 1.5),
        (4.0, 1.0),
        (8.0, 1.0),
        (16.0, 1.0),
        (32.0, 1.0),
    ]


def test_what_no_arm_owns_is_booked_as_shared():
    found = by_arm([part(1.0), part(2.0, arm="control"), part(4.0, arm=None), part(8.0)])

    assert {arm: t.energy_j for arm, t in found.items()} == {
        SHARED: 4.0, "control": 2.0, "human": 9.0,
    }  # fmt: skip
    assert list(found) == sorted(found)


@given(parts)
def test_parts_add_up(drawn):
    whole = total(drawn)
    joules = math.fsum(p.energy_j for p in drawn)

    arms = by_arm(drawn).values()
    assert whole.energy_j == pytest.approx(joules)
    assert sum(whole.by_phase.values()) == pytest.approx(joules)
    assert sum(whole.by_provenance.values()) == pytest.approx(joules)
    assert sum(t.energy_j for t in arms) == pytest.approx(joules)
    assert sum(t.unknown_s for t in arms) == pytest.approx(whole.unknown_s)


@given(parts)
def test_the_uncertainty_lies_between_the_largest_and_the_sum_of_its_parts(drawn):
    each = [RELATIVE_U[p.provenance] * p.energy_j for p in drawn]
    found = total(drawn).u_j

    assert found <= sum(each) * (1 + 1e-9)
    assert found >= max(each, default=0.0) * (1 - 1e-9)


@given(st.lists(st.none() | st.floats(0, 1e6), max_size=20))
def test_summing_readings_loses_no_known_joule_and_no_unknown_second(joules):
    found = total(sums([reading(n, j) for n, j in enumerate(joules)]))

    assert found.energy_j == pytest.approx(math.fsum(j for j in joules if j is not None))
    assert found.unknown_s == joules.count(None)


# --- joules so far ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("second", "joules"),
    [(-1, 0), (0, 0), (1, 5), (2, 10), (3, 16), (2.5, 13), (4, 22), (99, 22)],
)
def test_a_reading_that_spans_the_moment_counts_by_its_share(second, joules):
    """10 J over [0, 2) and 12 J over [2, 4): 5 J a second, then 6 J a second."""
    readings = [reading(0, 10.0, 2.0), reading(2, 12.0, 2.0)]

    assert spent_until(readings, at(second)) == pytest.approx(joules)


def test_an_unknown_reading_adds_nothing_to_what_was_spent():
    assert spent_until([reading(0, None), reading(1, 3.0)], at(9)) == 3.0


def test_a_reading_without_length_counts_whole_once_it_is_past():
    assert spent_until([reading(1, 3.0, 0.0)], at(2)) == 3.0


@given(st.lists(st.floats(0, 1e3), max_size=10), st.floats(0, 12), st.floats(0, 12))
def test_what_was_spent_never_shrinks(joules, one, other):
    readings = [reading(n, j) for n, j in enumerate(joules)]
    early, late = sorted((one, other))

    spent = [spent_until(readings, at(second)) for second in (early, late, 99)]
    assert 0 <= spent[0] <= spent[1] * (1 + 1e-9)
    assert spent[1] <= spent[2] * (1 + 1e-9)
    assert spent[2] == pytest.approx(math.fsum(joules))


# --- joules to a target -------------------------------------------------------------------------

CURVE = [(100.0, 0.5), (200.0, 0.7), (300.0, 0.6), (400.0, 0.9)]


@pytest.mark.parametrize(
    ("target", "joules"),
    [
        pytest.param(0.4, 100.0, id="before the first point"),
        pytest.param(0.5, 100.0, id="at the first point"),
        pytest.param(0.6, 150.0, id="first time, not the second"),
        pytest.param(0.7, 200.0, id="at a point"),
        pytest.param(0.8, 300.0 + 100.0 * 2 / 3, id="after a dip"),
        pytest.param(0.9, 400.0, id="at the last point"),
        pytest.param(0.91, None, id="never"),
    ],
)
def test_the_joules_to_a_target_lie_on_the_line_between_two_points(target, joules):
    """0.6 lies half way from 0.5 to 0.7: 150 J. 0.8 lies two thirds of the way from 0.6 to 0.9."""
    found = energy_to_target(CURVE, target)

    assert found == (None if joules is None else pytest.approx(joules))


def test_without_a_point_no_target_is_reached():
    assert energy_to_target([], 0.0) is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0, 1))
def test_a_target_is_reached_if_some_point_reaches_it_and_not_after_that_point(metrics, target):
    points = [(float(n), metric) for n, metric in enumerate(metrics)]
    found = energy_to_target(points, target)

    reaching = [joules for joules, metric in points if metric >= target]
    if not reaching:
        assert found is None
    else:
        assert max(0.0, reaching[0] - 1) <= found <= reaching[0]


# --- net, mixes, carbon -------------------------------------------------------------------------


def baseline(power_w, sd_w=0.0, device="GPU-1"):
    return EnergyBaseline(
        run_id="r1", source=f"{device}'s", device=device, power_w=power_w, sd_w=sd_w,
        window_s=60.0, at=at(0),
    )  # fmt: skip


def test_net_is_gross_minus_idle_power_times_time():
    """A result worked by hand.

    GPU: 600 J in 4 s, idle 50 W +- 1: net 400 J; 5 % of it = 20 J, drift 2 x 1 W x 4 s = 8 J.
    The CPU estimate follows our processes: 80 J +- 40 J stay.
    Together 480 J +- sqrt(20^2 + 8^2 + 40^2) = 45.4 J.
    """
    own = [part(600.0, duration_s=4.0), part(80.0, "E-tdp", "cpu", duration_s=4.0)]

    found = net(own, [baseline(50.0, 1.0)])

    assert (found.energy_j, found.u_j) == pytest.approx((480.0, math.sqrt(400 + 64 + 1600)))
    assert found.below == ()


def test_a_device_that_drew_less_than_idle_counts_as_zero_and_is_named():
    found = net([part(100.0, duration_s=4.0)], [baseline(50.0)])

    assert (found.energy_j, found.below) == (0.0, ("GPU-1",))


def test_seconds_that_could_not_be_read_have_no_idle_share():
    found = net([part(300.0, duration_s=4.0, unknown_s=2.0)], [baseline(50.0)])

    assert found.energy_j == pytest.approx(200.0)


def test_a_boards_net_is_not_known_without_a_baseline_and_our_own_processes_is_all_of_it():
    assert net([part(100.0)], []) is None
    assert net([part(80.0, "E-tdp", "cpu")], []) == Net(80.0, 40.0)


def test_arms_metered_by_other_sources_are_not_held_against_each_other():
    counted = mix([part(90.0), part(10.0, "E-tdp", "cpu")])
    guessed = mix([part(90.0, "E-tdp", "cpu"), part(10.0, "E-const", "ram")])
    waited = mix([part(90.0), part(10.0, "E-tdp", "cpu"), part(500.0, "E-const", phase="wait")])

    assert not is_same_mix(counted, guessed)
    assert is_same_mix(counted, waited)


def test_carbon_of_a_kilowatt_hour():
    """3.6 MJ at 381 g/kWh and a PUE of 1.2 = 457.2 g."""
    assert co2_g(3.6e6, 381.0, 1.2) == pytest.approx(457.2)


def test_coverage_counts_what_was_not_sampled():
    """10 s, of which 2 could not be read and 3 were filled in: half was sampled."""
    found = total([part(1.0, duration_s=7.0, unknown_s=2.0), part(1.0, "E-gap", duration_s=3.0)])

    assert found.coverage == pytest.approx(0.5)
    assert found.u_by_phase == pytest.approx({"train": 1.05})
