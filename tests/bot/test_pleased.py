"""How many of the model's answers the team finds good, and when that is a reason to stop."""

from datetime import timedelta

import pytest

from bot.messages import pleased_said
from bot.pleased import OUTCOME, Pleased, before, pleased
from bot.wording import HAPPY
from storage.models import Round, RoundState, Subject, SubjectKind
from tests.bot.cards import T0, sample_ballot, vote


def own(number):
    subject = Subject(key="1", kind=SubjectKind.GENERATION, target=f"dev-{number}")
    return sample_ballot(
        ballot_id=f"q.{number}", ask="happy", subjects=(subject,), choices=HAPPY, labels=()
    )


ANSWERS = [own(1), own(2), own(3)]


def said(*answers):
    """Votes on the model's answers: for each a string of y, n and ? (can't tell)."""
    value = {"y": 1.0, "n": -1.0, "?": None}
    return [
        vote(ballot, f"p{i}", value[sign])
        for ballot, signs in zip(ANSWERS, answers, strict=False)
        for i, sign in enumerate(signs)
    ]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (("yy", "yy", "yyn"), Pleased(3, 3, True)),
        (("yy", "yy", "yn"), Pleased(2, 3, False)),
        (("yy", "yy", "y"), Pleased(3, 3, False)),  # one vote is no quorum
        (("yy", "yy", ""), Pleased(2, 2, False)),
        (("yy", "yy", "??"), Pleased(2, 2, False)),
        (("nn", "n", "nny"), Pleased(0, 3, False)),
        (("", "?", ""), None),
    ],
)
def test_only_a_clear_majority_on_every_answer_is_a_reason(answers, expected):
    assert pleased([sample_ballot(), *ANSWERS], said(*answers), frozenset(), 2) == expected


def test_votes_on_samples_and_of_people_who_are_not_counted_count_for_nothing():
    votes = [*said("yn"), vote(sample_ballot(), "p0", -1.0)]

    assert pleased([sample_ballot(), *ANSWERS], votes, {"p1"}, 1) == Pleased(1, 1, False)


def round_(n, outcome):
    return Round(
        round_id=f"r1.human.q{n}", arm_id="r1.human", run_id="r1", n=n, state=RoundState.CLOSED,
        opened_at=T0, closes_at=T0 + timedelta(minutes=1), quorum=2, outcome=outcome,
    )  # fmt: skip


def test_the_last_round_that_tells_is_compared_with():
    told = [Pleased(1, 3, False), Pleased(2, 3, False)]
    rounds = [round_(n, {OUTCOME: one.as_json()}) for n, one in enumerate(told)]
    rounds += [round_(2, {"votes": 3}), round_(3, None)]

    assert before(rounds, 4) == told[1]
    assert before(rounds, 1) == told[0]
    assert before(rounds, 0) is None


def test_stopping_is_suggested_and_left_to_people():
    first = pleased_said(Pleased(1, 3, False), None)
    then = pleased_said(Pleased(3, 3, True), Pleased(1, 3, False))

    assert first == "The model's own answers: the team finds 1 of 3 good."
    assert "3 of 3 good; in the round before it was 1 of 3." in then
    assert "say `stop` to end here, or let it go on" in then
