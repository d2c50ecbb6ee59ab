"""How dirty a pool is, read off random cards."""

from math import comb

import pytest

from bot.dirt import ASSUMED_ACCURACY, Dirt, Judgement, audit_answers, dirt_share, is_audit
from bot.thumbs import GO_ABOVE, THUMBS
from storage.consensus import Consensus
from storage.models import Subject, SubjectKind
from tests.bot.cards import at, sample_ballot, vote

SHARES = (0, 0.05, 0.15, 0.3, 0.45, 0.6)
P_GO = {  # (accuracy, cards) -> P(go) at these shares of dirt: design/learning.md, section 6
    (0.95, 20): (0, 0.01, 0.15, 0.68, 0.96, 1),
    (0.95, 30): (0, 0, 0.09, 0.68, 0.97, 1),
    (0.95, 50): (0, 0, 0.12, 0.84, 1, 1),
    (0.85, 20): (0, 0.02, 0.11, 0.43, 0.79, 0.96),
    (0.85, 30): (0, 0.02, 0.12, 0.53, 0.89, 0.99),
    (0.85, 50): (0, 0.01, 0.11, 0.66, 0.97, 1),
    (0.7, 20): (0.04, 0.07, 0.14, 0.31, 0.51, 0.73),
    (0.7, 30): (0.02, 0.03, 0.08, 0.24, 0.48, 0.74),
    (0.7, 50): (0.01, 0.02, 0.09, 0.32, 0.67, 0.9),
}


def said(no, cards, accuracy):
    """`cards` with one vote each, `no` of them against the label."""
    return [[Judgement(i >= no, accuracy, accuracy)] for i in range(cards)]


def p_go(accuracy, cards, dirt, above=GO_ABOVE):
    """Exact: the number of refusals is binomial, and each number is a go or is none."""
    p_no = dirt * accuracy + (1 - dirt) * (1 - accuracy)
    return sum(
        comb(cards, no) * p_no**no * (1 - p_no) ** (cards - no)
        for no in range(cards + 1)
        if dirt_share(said(no, cards, accuracy)).low > above
    )


@pytest.mark.parametrize(("accuracy", "cards"), P_GO, ids=str)
def test_a_go_is_as_likely_as_the_design_says(accuracy, cards):
    """Weak voters and 30 cards: 14 refusals lie on the threshold itself; all others are within .03."""
    slack = 0.15 if (accuracy, cards) == (0.7, 30) else 0.03

    for dirt, wanted in zip(SHARES, P_GO[accuracy, cards], strict=True):
        assert p_go(accuracy, cards, dirt) == pytest.approx(wanted, abs=slack)


def p_go_in_two(accuracy, cards, dirt):
    """Exact, (one audit, two where the first is unsettled): how good voters are is not known."""
    p_no = dirt * accuracy + (1 - dirt) * (1 - accuracy)
    p = [comb(cards, no) * p_no**no * (1 - p_no) ** (cards - no) for no in range(cards + 1)]
    alone = more = 0.0
    for no in range(cards + 1):
        verdict = dirt_share(said(no, cards, ASSUMED_ACCURACY)).verdict(GO_ABOVE, is_last=False)
        alone += p[no] * (verdict == "go")
        if verdict == "again":
            more += p[no] * sum(p[k] for k in range(cards + 1) if is_go(no + k, 2 * cards))
    return alone, alone + more


def is_go(no, cards):
    """What the last audit says of some refusals."""
    return dirt_share(said(no, cards, ASSUMED_ACCURACY)).verdict(GO_ABOVE, is_last=True) == "go"


@pytest.mark.parametrize("cards", [18, 27])
@pytest.mark.parametrize("accuracy", [0.85, 0.95])
def test_a_second_audit_saves_dirty_pools_and_lets_no_clean_one_pass(accuracy, cards):
    """45 % dirt: one audit alone would stop the asking 12 to 21 times in 100."""
    alone, in_two = p_go_in_two(accuracy, cards, 0.45)

    assert alone < 0.9
    assert in_two > 0.95
    assert p_go_in_two(accuracy, cards, 0.0)[1] < 0.02


@pytest.mark.parametrize(
    ("no", "first", "last"),
    [(2, "no-go", "no-go"), (6, "again", "no-go"), (12, "go", "go")],
    ids=["hardly any", "some", "many"],
)
def test_an_audit_that_settles_nothing_asks_for_another_and_the_last_one_decides(no, first, last):
    found = dirt_share(said(no, 25, ASSUMED_ACCURACY))

    assert found.verdict(GO_ABOVE, is_last=False) == first
    assert found.verdict(GO_ABOVE, is_last=True) == last


def test_more_is_at_stake_with_pairs_so_fewer_audits_stop_the_asking():
    """A third of them turned: hardly ever missed, and clean pools still hardly ever pass."""
    above = THUMBS["pair"].go_above

    assert p_go(0.85, 30, 0.36, above) > 0.9 > 0.75 > p_go(0.85, 30, 0.36)
    assert p_go(0.85, 30, 0.0, above) < 0.03


def test_the_share_of_noes_is_corrected_for_errors():
    """42 of 100 say no and are right in 90 %: (.42 - .1) / .8 = .4 are dirty."""
    found = dirt_share(said(42, 100, 0.9))

    assert found.mean == pytest.approx(0.4, abs=0.01)
    assert found.low < 0.35 < 0.45 < found.high


def test_who_says_yes_to_everything_says_nothing():
    lazy = [[Judgement(True, 0.98, 0.02), *card] for card in said(10, 20, 0.9)]

    assert dirt_share(lazy).mean == pytest.approx(dirt_share(said(10, 20, 0.9)).mean, abs=0.02)


def test_several_votes_on_a_card_make_the_share_surer():
    once, thrice = said(10, 20, 0.8), [card * 3 for card in said(10, 20, 0.8)]

    width = [found.high - found.low for found in map(dirt_share, (once, thrice))]

    assert width[1] < 0.8 * width[0]


def test_a_handful_of_answers_tells_nothing():
    assert dirt_share([]) is None
    assert dirt_share([*said(4, 4, 0.9), [], []]) is None
    assert isinstance(dirt_share(said(5, 5, 0.9)), Dirt)


def ballots(*roles):
    return [
        sample_ballot(ballot_id=f"r1.human.q0.{i}").model_copy(
            update={
                "subjects": (
                    Subject(
                        key="1",
                        kind=SubjectKind.SAMPLE,
                        target=f"pool-{i}",
                        label="maths",
                        role=role,
                        truth=1.0 if role == "gold" else None,
                    ),
                )
            }
        )
        for i, role in enumerate(roles)
    ]


def test_an_audit_is_a_round_of_random_cards_gold_ones_among_them():
    assert is_audit(ballots("audit", "gold"))
    assert not is_audit(ballots("audit", "gold", "ask"))
    assert not is_audit(ballots("gold"))
    assert not is_audit([])


def test_the_answers_on_random_cards_are_read_card_by_card():
    a, b, gold = ballots("audit", "audit", "gold")
    votes = [
        vote(a, "ana", 1.0),
        vote(a, "bo", -1.0),
        vote(b, "ana", 1.0),
        vote(
            b, "ana", None, subject="1.label", answer="text"
        ),  # a better label: so it does not fit
        vote(b, "bo", None),
        vote(gold, "ana", -1.0),
    ]

    answers = audit_answers([a, b, gold], votes, Consensus({}, {}, {}, None))

    assert [[j.is_yes for j in card] for card in answers] == [[True, False], [False]]


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        ({"value": -1.0}, {"value": None, "subject": "1.label", "answer": "maths"}, [[True]]),
        ({"value": None, "subject": "1.label", "answer": "text"}, {"value": 1.0}, [[True]]),
        ({"value": None, "subject": "1.label", "answer": "maths"}, {"value": None}, [[]]),
    ],
    ids=["the same label named again", "yes after all", "cannot tell after all"],
)
def test_the_last_answer_of_a_person_counts(first, then, expected):
    (a,) = ballots("audit")
    votes = [vote(a, "ana", at=at(2), **then), vote(a, "ana", at=at(1), **first)]

    answers = audit_answers([a], votes, Consensus({}, {}, {}, None))

    assert [[j.is_yes for j in card] for card in answers] == expected


def test_who_failed_the_gold_cards_is_not_heard():
    (a,) = ballots("audit")
    heard = Consensus({}, {}, {}, None, ignored=frozenset({"bo"}))

    answers = audit_answers([a], [vote(a, "ana", 1.0), vote(a, "bo", -1.0)], heard)

    assert [[j.is_yes for j in card] for card in answers] == [[True]]
