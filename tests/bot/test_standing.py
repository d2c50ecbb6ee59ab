"""What somebody's votes are worth is told to them alone, by closed cards alone."""

from __future__ import annotations

from bot.members import shown_name
from bot.opinions import opinions
from bot.standing import agreement, repeated, worth
from storage.models import Member, Round, RoundState, Subject, SubjectKind
from tests.bot.cards import at, sample_ballot, vote

ANA, BO, CY = "memory:ana", "memory:bo", "memory:cy"


def card(number, role="ask", truth=None, target=None):
    subject = Subject(
        key="1", kind=SubjectKind.SAMPLE, target=target or f"pool-{number}", label="maths",
        role=role, truth=truth,
    )  # fmt: skip
    return sample_ballot(ballot_id=f"r1.human.q0.{number}", subjects=(subject,))


def said(cards, who, values):
    pairs = zip(cards, values, strict=True)
    return [vote(c, who, v, answer={1.0: "yes", -1.0: "no"}[v]) for c, v in pairs]


def test_who_said_the_same_when_asked_again():
    """Twice asked about two samples: yes and yes, yes and no; of the third there is one answer."""
    cards = [
        card(0, target="a"), card(1, target="b"), card(2, target="c"),
        card(3, "repeat", target="a"), card(4, "repeat", target="b"),
    ]  # fmt: skip
    mine = said(cards, ANA, [1.0, 1.0, 1.0, 1.0, -1.0])

    assert repeated(cards, mine) == (1, 2)


def test_checks_and_abstentions_are_no_repeats():
    cards = [card(0, "gold", 1.0, target="a"), card(1, "repeat", target="a")]
    mine = [*said(cards[:1], ANA, [1.0]), vote(cards[1], ANA, None, answer="unsure")]

    assert repeated(cards, mine) == (0, 0)


def test_a_reliable_person_is_told_how_reliable_with_an_interval():
    cards = [card(i) for i in range(16)] + [card(20, "gold", 1.0), card(21, "gold", 0.0)]
    truth = [1.0, -1.0] * 8 + [1.0, -1.0]
    votes = [v for who in (ANA, BO, CY) for v in said(cards, who, truth)]
    mine = [v for v in votes if v.person == ANA]

    lines = worth(opinions(cards, votes), cards, mine, ANA)

    assert lines[0] == "• Checks, whose answer was known: 2 of 2 right."
    assert "A vote of yours is right with about" in lines[1]
    assert " of what fits" in lines[1]
    assert "to 9" in lines[1]  # the upper end of an interval


def test_whose_checks_go_wrong_is_told_that_their_votes_wait():
    cards = [card(i, "gold", 1.0) for i in range(12)] + [card(20 + i) for i in range(6)]
    votes = [v for who in (BO, CY) for v in said(cards, who, [1.0] * 18)]
    mine = said(cards, ANA, [-1.0] * 18)

    lines = worth(opinions(cards, [*votes, *mine]), cards, mine, ANA)

    assert "0 of 12 right" in lines[0]
    assert "kept but not counted" in lines[-1]


def test_a_single_voter_cannot_be_told():
    cards = [card(0)]
    mine = said(cards, ANA, [1.0])

    (line,) = worth(opinions(cards, mine), cards, mine, ANA)

    assert "cannot be told yet" in line


def test_a_name_on_show_is_plain_and_some_have_none():
    members = {
        ANA: Member(member_id=ANA, person_id=ANA, name="<@Ana>*"),
        BO: Member(member_id=BO, person_id=BO, name="Bo", opted_out_at=at(0)),
    }

    assert shown_name(ANA, members) == "Ana"
    assert shown_name(BO, members) == "somebody"
    assert shown_name(CY, members) == CY
    assert shown_name("memory:gone-0a1b2c3d", members) == "somebody"


def test_agreement_is_told_per_round_also_of_one_that_counts_for_nothing():
    def round_(n, outcome, state=RoundState.CLOSED):
        return Round(
            round_id=f"r1.human.q{n}", arm_id="r1.human", run_id="r1", n=n, state=state,
            opened_at=at(0), closes_at=at(60), quorum=2, outcome=outcome,
        )  # fmt: skip

    (line,) = agreement(
        [
            round_(0, {"alpha": 0.617, "votes": 9}),
            round_(1, {"alpha": 0.04, "votes": 9, "undone": "people contradict each other"}),
            round_(2, {"alpha": None, "votes": 3}),
            round_(3, {"alpha": None, "votes": 0}),
            round_(4, None, RoundState.OPEN),
        ]
    )

    assert line == (
        "Agreement α (1: always, 0: as by chance): round 1 0.62, round 2 0.04 (counts for nothing), "
        "round 3 cannot be told, round 5 is open."
    )
    assert agreement([]) == []
