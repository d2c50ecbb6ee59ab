"""Savings over pairs, and what is not called one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.pairs import interval, saving, saving_said


@pytest.mark.parametrize(
    ("ratios", "said"),
    [
        ([0.5], "\N{MINUS SIGN}50 % energy (one pair, no interval)."),
        ([0.5, 0.6], "2 pairs, no interval"),
        ([0.5, 0.7, 0.8], "votes saved energy"),
        (
            [0.5, 0.8, 1.3, 1.2],
            "the interval covers zero, so no saving is claimed: votes did not pay",
        ),
        ([1.5, 1.8, 1.3], "votes did not pay: they cost energy"),
    ],
    ids=["one pair", "two pairs", "saves", "covers zero", "costs"],
)
def test_a_saving_is_claimed_only_where_its_interval_allows_it(ratios, said):
    assert said in saving_said(saving(ratios), "energy")


def test_three_pairs_span_from_the_smallest_to_the_largest():
    """Of 27 ways to draw three of three, one in 27 is all the smallest: more than 2.5 %."""
    found = saving([0.5, 0.8, 0.7])

    assert (found.low, found.high) == pytest.approx((0.2, 0.5))
    assert found.mean == pytest.approx(1 - (0.5 * 0.8 * 0.7) ** (1 / 3))


def test_pairs_that_are_all_alike_are_their_own_interval():
    found = interval([0.3, 0.3, 0.3])

    assert (found.low, found.mean, found.high) == (0.3, 0.3, 0.3)


@given(st.lists(st.floats(0.05, 20), min_size=3, max_size=8))
def test_the_mean_lies_in_its_interval_and_the_interval_among_the_pairs(ratios):
    found = saving(ratios)

    close = 1e-9
    assert found.low - close <= found.mean <= found.high + close
    assert 1 - max(ratios) - close <= found.low
    assert found.high <= 1 - min(ratios) + close
    assert not math.isnan(found.low)
