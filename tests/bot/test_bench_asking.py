"""How a benchmark's people are asked: audits first, then what tells most."""

import pytest

from bot.bench.asking import ask
from bot.dirt import Judgement, dirt_share
from tests.bot.cards import report_of
from trainer.segment import Opinions

BOUND = 0.15


class Arm:
    """Notes what is asked of it."""

    def __init__(self):
        self.asked = []

    async def segment(self, until, opinions, questions):
        self.asked.append((questions.cards, questions.audit_share))
        return report_of()


class People:
    """Whose random cards say no as often as told, audit by audit."""

    asked = ()

    def __init__(self, *refusals):
        self.refusals, self.votes, self.audits = refusals, 0, 0

    def answer(self, report, budget):
        self.votes, self.audits = budget, self.audits + 1

    @property
    def dirt(self):
        no = sum(self.refusals[: self.audits])
        return dirt_share([[Judgement(i >= no)] for i in range(27 * self.audits)])

    def told(self):
        return Opinions()


def ballots(audits):
    return [(0.0, 30), (0.0, 60 if audits == 2 else 65), (0.0, 100)]


@pytest.mark.parametrize(
    ("refusals", "is_worth_it", "cards"),
    [
        ((2,), False, [(30, 0.9)]),
        ((14, 0), True, [(30, 0.9), (35, 0.1), (35, 0.1)]),
        ((7, 12), True, [(30, 0.9), (30, 0.9), (40, 0.1)]),
        ((7, 2), False, [(30, 0.9), (30, 0.9)]),
    ],
    ids=["clean", "dirty", "dirty at second sight", "clean at second sight"],
)
async def test_an_audit_that_settles_nothing_is_followed_by_another(refusals, is_worth_it, cards):
    arm = Arm()

    found, _ = await ask(arm, People(*refusals), ballots, BOUND)

    assert found is is_worth_it
    assert arm.asked == cards


async def test_where_all_votes_went_into_the_audit_it_decides():
    arm = Arm()

    found, _ = await ask(arm, People(7), lambda audits: [(0.0, 30)] * (audits + 1), BOUND)

    assert not found
    assert len(arm.asked) == 1
