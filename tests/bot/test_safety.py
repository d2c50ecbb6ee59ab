"""Rounds that count for nothing: contradictions, and harm that training found."""

from __future__ import annotations

from typing import Any

import pytest

from bot.opinions import opinions
from bot.safety import FEWEST_CARDS, OUTCOME, contradiction, undone
from storage.models import Ballot, Round, RoundState, Segment, SegmentState, Vote
from tests.bot.cards import at, sample_ballot, vote


def asked(n: int) -> list[Ballot]:
    return [
        sample_ballot(ballot_id=f"r1.human.q0.{i}").model_copy(
            update={
                "subjects": (
                    sample_ballot().subjects[0].model_copy(update={"target": f"pool-{i}"}),
                )
            }
        )
        for i in range(n)
    ]


def why(ballots: list[Ballot], votes: list[Vote]) -> str:
    return contradiction(ballots, votes)


def answered(ballots: list[Ballot], *people: list[float]) -> list[Vote]:
    """Each person's answers, 1 or -1, card by card."""
    return [
        vote(ballot, f"web:p{number}", value, answer="yes" if value > 0 else "no")
        for number, values in enumerate(people)
        for ballot, value in zip(ballots, values, strict=True)
    ]


def test_people_who_contradict_each_other_count_for_nothing():
    cards = asked(20)
    says, also_says = [1.0, -1.0] * 10, [1.0, 1.0, -1.0, -1.0] * 5

    said = why(cards, answered(cards, says, also_says))

    assert "contradict" in said
    assert "20 cards" in said


def test_people_who_mostly_agree_count():
    cards = asked(20)
    truth = [1.0, -1.0] * 10
    other = [-v if i in (3, 8, 15) else v for i, v in enumerate(truth)]
    assert why(cards, answered(cards, truth, other)) == ""


def test_a_nearly_clean_pool_has_a_low_alpha_for_nothing():
    """Two times no, by one person each, among forty: alpha is about 0, and people agree."""
    cards = asked(40)
    a, b = [1.0] * 40, [1.0] * 40
    a[3], b[20] = -1.0, -1.0
    votes = answered(cards, a, b)
    assert opinions(cards, votes).tally.alpha < 0.1
    assert why(cards, votes) == ""


@pytest.mark.parametrize("third", [[1.0] * 20, "turned round"], ids=["always yes", "a liar"])
def test_one_who_does_not_look_or_lies_makes_no_round_count_for_nothing(third):
    """Two people who mostly agree; more than half of what they see is wrong."""
    cards = asked(20)
    truth = [1.0, -1.0, -1.0, -1.0, 1.0] * 4
    a = [-v if i in (4, 11) else v for i, v in enumerate(truth)]
    b = [-v if i in (7, 16) else v for i, v in enumerate(truth)]
    votes = answered(cards, a, b, [-v for v in truth] if third == "turned round" else third)
    assert opinions(cards, votes).tally.alpha < 0.1
    assert why(cards, votes) == ""


def test_few_cards_that_several_people_answered_tell_nothing():
    n = FEWEST_CARDS - 1
    cards = asked(n)
    a = [1.0, -1.0] * n
    assert why(cards, answered(cards, a[:n], [-v for v in a[:n]])) == ""
    more = asked(n + 1)
    assert why(more, answered(more, a[: n + 1], [-v for v in a[: n + 1]])) != ""


def test_who_cannot_tell_contradicts_nobody():
    cards = asked(20)
    votes = answered(cards, [1.0, -1.0] * 10)
    votes += [vote(card, "web:other", None, answer="unsure") for card in cards]
    assert why(cards, votes) == ""


# --- which rounds -------------------------------------------------------------------------------


def round_(n: int, closed_s: float | None, **outcome: Any) -> Round:
    return Round(
        round_id=f"r1.human.q{n}",
        arm_id="r1.human",
        run_id="r1",
        n=n,
        state=RoundState.OPEN if closed_s is None else RoundState.CLOSED,
        opened_at=at(0),
        closes_at=at(1000),
        quorum=2,
        closed_at=None if closed_s is None else at(closed_s),
        outcome=outcome,
    )


def segment(n: int, planned_s: float, undone_why: str = "", done: bool = True) -> Segment:
    report = {"selection": {"undone": undone_why}}
    return Segment(
        segment_id=f"r1.human.{n}.1",
        arm_id="r1.human",
        n=n,
        attempt=1,
        state=SegmentState.DONE if done else SegmentState.FAILED,
        until=1.0,
        lease_token="t",
        planned_at=at(planned_s),
        report=report,
    )


def test_harm_is_the_newest_rounds_that_had_closed_by_then():
    rounds = [round_(0, 10), round_(1, 50), round_(2, 90)]
    found = undone(rounds, [segment(1, 20), segment(2, 60, "it got worse")])
    assert found == {"r1.human.q1": "it got worse"}


def test_harm_without_that_round_is_the_one_befores():
    rounds = [round_(0, 10), round_(1, 50)]
    segments = [segment(2, 60, "worse"), segment(3, 70, "still worse")]
    assert undone(rounds, segments) == {"r1.human.q1": "worse", "r1.human.q0": "still worse"}


def test_a_contradiction_stands_in_the_outcome():
    rounds = [round_(0, 10), round_(1, 50, **{OUTCOME: "they contradict each other"})]
    assert undone(rounds, []) == {"r1.human.q1": "they contradict each other"}
    both = undone(rounds, [segment(2, 60, "worse")])
    assert both["r1.human.q0"] == "worse"


@pytest.mark.parametrize(
    ("rounds", "segments"),
    [
        ([], [segment(1, 60, "worse")]),
        ([round_(0, None)], [segment(1, 60, "worse")]),
        ([round_(0, 70)], [segment(1, 60, "worse")]),
        ([round_(0, 10)], [segment(1, 60, "worse", done=False)]),
        ([round_(0, 10)], [segment(1, 60)]),
    ],
    ids=["none", "open", "closed later", "failed segment", "no harm"],
)
def test_otherwise_nothing_is_undone(rounds, segments):
    assert undone(rounds, segments) == {}
