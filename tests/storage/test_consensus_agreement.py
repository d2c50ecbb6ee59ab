"""How far people agree: the published tables, then the ends of the range."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.consensus import Choice, YesNo, aggregate, interval_alpha, krippendorff_alpha

NAN = math.nan


def columns(*rows):
    """(items, voters) from one row of codes per voter, `.` = no answer."""
    codes = [[NAN if c == "." else float(ord(c)) for c in row.replace(" ", "")] for row in rows]
    return np.array(codes).T


PUBLISHED = columns("123321412...", "1233224125.3", ".3332342251.", "12332441251.")


@pytest.mark.parametrize(
    ("table", "alpha"),
    [
        pytest.param(
            columns("0100000010", "1110010000"), 0.095, id="A: two answers, two observers"
        ),
        pytest.param(columns("aabbdcccedda", "babbbccceddd"), 0.692, id="B: five answers"),
        pytest.param(PUBLISHED, 0.743, id="C: four observers, answers missing"),
    ],
)
def test_alpha_is_the_published_one(table, alpha):
    """Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, examples A to C (nominal).

    A by hand: 10 items, 4 of them answered differently, 14 zeros and 6 ones among 20 answers:
    1 - 19 * 4 / (14 * 6) = 0.0952.
    """
    assert krippendorff_alpha(table) == pytest.approx(alpha, abs=5e-4)


@pytest.mark.parametrize(
    ("table", "alpha"),
    [
        pytest.param(columns("0101", "0101"), 1.0, id="all agree"),
        pytest.param(columns("01", "10"), -0.5, id="all disagree"),
        pytest.param(columns("1111", "1111"), None, id="all answers alike"),
        pytest.param(columns("01.", "..1"), None, id="nobody answered together"),
        pytest.param(columns("..", ".."), None, id="nobody answered"),
    ],
)
@pytest.mark.parametrize("kind", [krippendorff_alpha, interval_alpha])
def test_alpha_at_the_ends_of_its_range(kind, table, alpha):
    """All disagree, by hand: 4 answers, 2 zeros, 2 ones, 2 items split: 1 - 3 * 2 / (2 * 2) = -.5."""
    found = kind(table)

    assert found == (None if alpha is None else pytest.approx(alpha))


@pytest.mark.parametrize("kind", [krippendorff_alpha, interval_alpha])
def test_items_with_a_single_answer_say_nothing_about_agreement(kind):
    table = columns("0101", "0111")
    more = columns("010101", "0111..")

    assert kind(more) == pytest.approx(kind(table))


def test_interval_alpha_is_the_published_one():
    """The same source, example C with interval data: .849."""
    assert interval_alpha(PUBLISHED) == pytest.approx(0.849, abs=5e-4)


def test_interval_alpha_by_hand():
    """Two items, (0, 1) and (3, 3): answers 0, 1, 3, 3.

    Squared differences over ordered pairs: within items 2 * 1, weighed by 1 / (2 - 1), over four
    answers: 2 / 4 = .5. Over all: 2 * (1 + 9 + 9 + 4 + 4 + 0) / (4 * 3) = 4.5. 1 - .5 / 4.5 = 8/9.
    """
    assert interval_alpha(np.array([[0.0, 1.0], [3.0, 3.0]])) == pytest.approx(8 / 9)


def test_near_misses_are_forgiven_where_answers_are_graded():
    near, far = columns("12345", "23456"), columns("12345", "62345")

    assert krippendorff_alpha(near) < krippendorff_alpha(far)
    assert interval_alpha(near) > interval_alpha(far)


@given(st.lists(st.lists(st.floats(-1, 1), min_size=3, max_size=3), min_size=2, max_size=8))
def test_interval_alpha_does_not_mind_another_scale(rows):
    table = np.round(np.array(rows), 2)
    found = interval_alpha(table)

    scaled = interval_alpha(10 - 3 * table)

    assert scaled == (None if found is None else pytest.approx(found, abs=1e-6))


def test_alpha_of_choices_is_about_what_was_named():
    """Two who agree on three labels."""
    cast = [Choice(f"i{n}", who, f"c{n % 3}") for n in range(6) for who in ("ana", "bo")]

    assert aggregate(cast).alpha == 1.0


def test_where_some_only_judged_alpha_is_about_whether_the_given_label_fits():
    """Naming another label agrees with a no."""
    cast = [
        YesNo("a", "ana", False),
        Choice("a", "bo", "cat"),
        YesNo("b", "ana", True),
        Choice("b", "bo", "dog"),
    ]

    assert aggregate(cast, given={"a": "dog", "b": "dog"}).alpha == 1.0
