"""What is said of a place in the queue."""

import pytest

from bot.waiting import ordinal, said


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (22, "22nd"),
        (113, "113th"),
    ],
)
def test_places_are_counted_as_people_count_them(number, word):
    assert ordinal(number) == word


@pytest.mark.parametrize(
    ("left_s", "text"),
    [
        ([840.0], "2nd; about 14 min, maybe sooner"),
        ([20.0], "2nd; about 1 min, maybe sooner"),
        ([None], "2nd; how long is not known yet"),
        ([5400.0], "2nd; about 1 h 30 min, maybe sooner"),
    ],
)
def test_how_long_it_takes_is_what_those_in_front_still_train(left_s, text):
    assert said(2, left_s) == text


def test_what_is_not_foretold_makes_it_longer_not_shorter():
    assert said(4, [600.0, None, 240.0]) == "4th; 14 min or more"
