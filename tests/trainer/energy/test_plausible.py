"""Counters that wrap, are reset or leap: no negative joules, none that nobody drew."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.energy.plausible import (
    HEADROOM,
    LEAP,
    RESET,
    ROUND,
    TICK_S,
    Bounds,
    Moved,
    moved,
)

BOARD = Bounds(limit_w=300)
PACKAGE = Bounds(limit_w=200, range_j=262_143)


@pytest.mark.parametrize(
    ("before", "after", "seconds", "bounds", "expected"),
    [
        pytest.param(100, 250, 1, BOARD, Moved(150), id="forward"),
        pytest.param(100, 100, 1, BOARD, Moved(0), id="not at all"),
        pytest.param(100, 90, 1, BOARD, Moved(None, RESET), id="back is a reset"),
        pytest.param(100, 641, 1, BOARD, Moved(None, LEAP), id="more than 1.5 x 300 W x 1.2 s"),
        pytest.param(100, 640, 1, BOARD, Moved(540), id="just that much"),
        pytest.param(100, 185, 0, BOARD, Moved(85), id="a tick between two readings at once"),
        pytest.param(262_100, 57, 1, PACKAGE, Moved(100), id="once around"),
        pytest.param(262_100, 900, 1, PACKAGE, Moved(None, RESET), id="too far for a wrap"),
        pytest.param(150_000, 10, 1, PACKAGE, Moved(None, RESET), id="a reset is no wrap"),
        pytest.param(0, 1000, 900, PACKAGE, Moved(None, ROUND), id="perhaps around unseen"),
        pytest.param(5, 9999, 1, None, Moved(9994), id="an estimate goes at any pace"),
        pytest.param(5, 4, 1, None, Moved(None, RESET), id="an estimate does not go back"),
    ],
)
def test_what_a_counter_moved(before, after, seconds, bounds, expected):
    assert moved(before, after, seconds, bounds) == expected


@given(
    st.floats(0, 262_142),
    st.floats(0, 262_142),
    st.floats(-10, 1000),
    st.sampled_from([BOARD, PACKAGE]),
)
def test_never_negative_and_never_more_than_the_device_can_draw(before, after, seconds, bounds):
    found = moved(before, after, seconds, bounds)

    if found.energy_j is None:
        assert found.note
    else:
        assert 0 <= found.energy_j <= HEADROOM * bounds.limit_w * (max(seconds, 0) + TICK_S)


@given(st.floats(0, 262_142), st.floats(0, 200), st.floats(0.1, 500))
def test_a_wrap_is_told_exactly_at_whatever_power(before, watts, seconds):
    joules = watts * seconds

    found = moved(before, (before + joules) % PACKAGE.range_j, seconds, PACKAGE)

    assert found.energy_j == pytest.approx(joules, abs=1e-6)
