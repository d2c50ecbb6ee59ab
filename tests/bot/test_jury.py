"""Simulated colleagues: right as often as they say, lazy where they are lazy."""

import random

import pytest

from bot.jury import TEAM, Colleague, answer, levels

CARD = {"title": "Does “maths” fit?", "footer": "r1 · pool-7 · closes by 12:00"}
CAREFUL, LAZY = Colleague("Ada", 0.9), Colleague("Linus", 0.9, is_lazy=True)


@pytest.mark.parametrize(("truth", "right"), [("maths", "up"), ("text", "down")])
def test_a_careful_colleague_is_right_as_often_as_stated(truth, right):
    rng = random.Random(1)

    given = [answer(CARD, {"pool-7": truth}, CAREFUL, rng) for _ in range(2000)]

    assert given.count(right) / len(given) == pytest.approx(0.9, abs=0.03)


def test_a_lazy_colleague_says_yes_to_everything():
    assert answer(CARD, {"pool-7": "text"}, LAZY, random.Random(1)) == "up"


def test_nobody_votes_on_what_they_know_nothing_of():
    assert answer(CARD, {}, CAREFUL, random.Random(1)) is None


def test_fillers_never_matter_to_a_careful_colleague():
    menu = {"options": [("A", "the"), ("B", "socket")]}

    given = [levels(menu, CAREFUL, random.Random(i)) for i in range(50)]

    assert {g["A"] for g in given} <= {"0", "1"}
    assert {g["B"] for g in given} <= {"3", "4", "5"}


def test_the_team_is_as_the_readme_says():
    assert len(TEAM) == 3
    assert {who.accuracy for who in TEAM} == {0.9}
    assert sum(who.is_lazy for who in TEAM) == 1
