"""Why a sample is where it is, in plain words: nobody is led, nobody is shamed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.why import Card, Story, told
from storage.models import Member, Round, RoundState, Segment, SegmentState, Subject, SubjectKind
from tests.bot.cards import PAIRS, TEXTS, at, sample_ballot, vote
from trainer.fates import Fate, Reason

MEMBERS = {
    who: Member(member_id=who, person_id=who, name=name)
    for who, name in (("memory:ana", "Ana"), ("memory:bo", "Bo"))
}
SEGMENT = Segment(
    segment_id="r1.human.2.1", arm_id="r1.human", n=2, attempt=1, state=SegmentState.DONE,
    until=0.5, lease_token="t", planned_at=at(0),
)  # fmt: skip


def round_(state=RoundState.CLOSED):
    return Round(
        round_id="r1.human.q0", arm_id="r1.human", run_id="r1", n=0, state=state,
        opened_at=at(0), closes_at=at(60), quorum=2,
    )  # fmt: skip


def card(state=RoundState.CLOSED, role="ask", **changes):
    subject = Subject(key="1", kind=SubjectKind.SAMPLE, target="pool-1", label="maths", role=role)
    ballot = sample_ballot(subjects=(subject,), **changes)
    votes = (
        vote(ballot, "memory:ana", 1.0, answer="yes"),
        vote(ballot, "memory:bo", -1.0, answer="no"),
    )
    return Card(ballot, round_(state), subject, votes)


def fate(**changes):
    values = {
        "reason": Reason.KEPT, "given": "maths", "label": "maths", "keep": 0.87, "weight": 1.21,
        "said": 0.9, "place": 14, "of": 89, "kept": 60, "copies": 1, "first": "pool-1",
    }  # fmt: skip
    return Fate(**(values | changes))


def story(*cards, **changes):
    values = {
        "sample_id": "pool-1",
        "posterior": 0.9,
        "counting": 2,
        "fate": fate(),
        "note": "",
        "segment": SEGMENT,
    }
    return Story(cards=cards, **(values | changes))


class InUtc:
    """The only thing that is asked of a house."""

    class settings:  # noqa: N801
        from zoneinfo import ZoneInfo

        zone = ZoneInfo("UTC")


def words(*cards, kind=TEXTS, members=MEMBERS, **changes):
    return told(story(*cards, **changes), kind, members, InUtc)


def test_a_closed_card_is_told_in_full():
    assert words(card()) == (
        "Sample pool-1, “sqrt: Return the root.”, filed under “maths”.\n"
        "Round 1: Ana: fits; Bo: does not fit.\n"
        "By 2 votes that count, the label fits with 90%.\n"
        "It is trained on, with weight 1.21 (1 is the average): no. 14 of 89 under “maths” by how "
        "sure we are, of which 60 are trained on.\n"
        "So it stood at the end of segment 2; votes since then count in the next."
    )


def test_while_a_card_is_open_nothing_is_told_that_leads():
    text = words(card(RoundState.OPEN))

    assert "Round 1: Ana: fits; Bo: does not fit." in text
    assert "so that nobody is led" in text
    assert "%" not in text
    assert "trained on" not in text


def test_of_an_open_blind_card_the_answers_are_only_counted():
    text = words(card(RoundState.OPEN, is_blind=True))

    assert "Round 1, blind: 2 answers so far." in text
    assert "Ana" not in text
    assert "Ana: fits" in words(card(is_blind=True))


def test_a_check_looks_like_any_other_card_until_it_is_closed_and_shames_nobody_then():
    assert "Ana: fits" in words(card(RoundState.OPEN, role="gold"))
    assert "check" not in words(card(RoundState.OPEN, role="gold"))

    text = words(card(role="gold"), posterior=None)
    assert "a check, whose answer was known" in text
    assert "Ana" not in text


def test_a_round_that_counts_for_nothing_is_said_to():
    void = replace(card(), voided="people contradict each other")

    assert "does not fit (the round counts for nothing: people contradict" in words(void)


def test_who_opted_out_or_is_forgotten_has_no_name():
    out = MEMBERS["memory:ana"].model_copy(update={"opted_out_at": at(1)})

    assert "somebody: fits; Bo" in words(card(), members={**MEMBERS, "memory:ana": out})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reason": Reason.VOTED_OUT, "weight": 0.0}, "set aside because people said no to it"),
        (
            {"reason": Reason.COPY, "first": "pool-9"},
            "because pool-9 says the same and stands for it",
        ),
        (
            {"reason": Reason.DOUBTED, "keep": 0.34, "said": None},
            "set aside: by all votes together the label fits with 34%, which is too little",
        ),
        (
            {"reason": Reason.SURPASSED, "said": None},
            "set aside for now, as others are surer: no. 14 of 89",
        ),
        (
            {"said": None},
            "The model of the votes says: by all votes together the label fits with 87%",
        ),
        ({"label": "physics"}, "It is trained on under “physics” instead, with weight 1.21"),
        ({"copies": 37}, "37 samples say the same, or nearly so."),
    ],
)
def test_each_fate_has_its_reason(changes, said):
    assert said in words(card(), fate=fate(**changes))


def test_a_sample_nobody_was_asked_about_is_told_what_the_model_thinks():
    text = words(posterior=None, counting=0, fate=fate(said=None))

    assert "Nobody was asked about it." in text
    assert "The model of the votes says" in text


def test_votes_that_do_not_spread_are_said_not_to():
    text = words(fate=fate(said=None), note="they do not generalise")

    assert "The votes count for what was voted on alone: they do not generalise." in text


def test_before_training_and_before_a_look_there_is_nothing_to_tell():
    assert "Nothing was trained on yet." in words(card(), fate=None, segment=None)
    assert "It was not looked at yet" in words(card(), fate=None)


def test_a_name_without_end_is_cut():
    assert len(words(sample_id="x" * 5_000, fate=None, segment=None)) < 200


def test_of_a_pair_it_is_the_side_that_is_asked_about():
    assert "the side that the data prefers is the better one with 90%" in words(card(), kind=PAIRS)


def test_where_label_names_decide_nobody_is_said_to_have_said_no():
    doubted = fate(reason=Reason.DOUBTED, keep=0.41, weight=0.0)

    text = words(card(), fate=doubted, unheard="by label names alone more is got right")

    assert "by what labels are called the label fits with 41%, which is too little" in text
    assert "Votes are not heard for now: by label names alone more is got right." in text
    assert "people said no" not in text
