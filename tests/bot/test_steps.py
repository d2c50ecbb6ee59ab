"""What an arm does next, from what is stored alone."""

from datetime import timedelta

import pytest

from bot.steps import (
    CUT_SHORT,
    Attend,
    Finish,
    GiveUp,
    Listen,
    Train,
    cards_ahead,
    next_step,
    pauses,
    shown,
    wanted,
)
from storage.models import (
    Arm,
    ArmState,
    Ballot,
    Round,
    RoundState,
    Segment,
    SegmentState,
    Subject,
    SubjectKind,
)
from tests.bot.cards import T0, at
from trainer.spec import AskSpec

ASK = AskSpec(at=(0.0, 0.5), audit=0)
AUDITED = AskSpec(at=(0.0, 0.5), audit=20, cards=40, feature_cards=3)
HUMAN = Arm(arm_id="r1.human", run_id="r1", name="human", position=0, state=ArmState.ACTIVE)
CONTROL = HUMAN.model_copy(update={"arm_id": "r1.control", "name": "control"})


def segment(n, state, attempt=1, outcome="done", planned=1, until=0.0):
    return Segment(
        segment_id=f"r1.human.{n}.{attempt}",
        arm_id="r1.human",
        n=n,
        attempt=attempt,
        state=state,
        until=until,
        lease_token="t",
        planned_at=at(planned),
        error="killed" if state is SegmentState.FAILED else "",
        report={"outcome": outcome} if state is SegmentState.DONE else None,
    )


def done(n, outcome="done", until=0.0):
    return segment(n, SegmentState.DONE, outcome=outcome, until=until)


def failed(n, attempt):
    return segment(n, SegmentState.FAILED, attempt)


def step(segments=(), rounds=(), arm=HUMAN, ask=ASK):
    return next_step(arm, ask, segments, rounds, since=T0)


def a_round(state, **outcome):
    return Round(
        round_id="r1.human.q0", arm_id="r1.human", run_id="r1", n=0, state=state,
        opened_at=T0, closes_at=T0 + timedelta(minutes=1), quorum=1, outcome=outcome,
    )  # fmt: skip


def decided(go, kind="audit", **more):
    return a_round(RoundState.CLOSED, decision={"kind": kind, "go": go, "why": "", **more})


def test_only_people_are_worth_a_pause():
    assert pauses("human", ASK) == (0.0, 0.5, 1.0)
    assert pauses("control", ASK) == (1.0,)
    assert pauses("human", AskSpec(cards=0, feature_cards=0)) == (1.0,)
    assert pauses("human", AskSpec(at=())) == (1.0,)


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (AUDITED, (0.0, 0.0, 0.5, 1.0)),
        (AskSpec(at=(0.0, 0.5), audit=20, cards=20), (0.0, 0.5, 1.0)),
        (AskSpec(at=(0.5,), audit=20), (0.0, 0.5, 1.0)),
        (AskSpec(at=(0.0, 0.5), cards=0, feature_cards=3), (0.0, 0.5, 1.0)),
    ],
    ids=["the rest is asked next", "it was all of them", "none planned at 0", "no sample cards"],
)
def test_the_audit_comes_before_anything_is_trained(ask, expected):
    assert pauses("human", ask) == expected
    assert pauses("control", ask) == (1.0,)


def test_an_audit_asks_random_and_gold_cards_alone_and_takes_them_from_the_first_round():
    """40 cards a round: 20 random, 20 telling, then 40: 80 in all, as without an audit."""
    steps = [step(segments, ask=AUDITED) for segments in ([], [done(0)], [done(0), done(1)])]
    shown = [
        Subject(key="1", kind=SubjectKind.SAMPLE, target="pool-1", label="rail"),
        Subject(key="A", kind=SubjectKind.FEATURE, target="train", label="rail"),
    ]
    audit, rest, later = (wanted(one, AUDITED, shown) for one in steps)

    assert [one.is_audit for one in steps] == [True, False, False]
    assert (audit.cards, rest.cards, later.cards) == (20, 20, 40)
    assert (audit.audit_share, audit.gold_share, audit.feature_cards) == (1.0, 0.1, 0)
    assert (rest.audit_share, rest.asked) == (0.15, ("pool-1",))
    assert rest.asked_features == (("rail", "train"),)
    assert cards_ahead(AUDITED) == 20 + 43


UNSETTLED = decided(True, is_again=True)


def test_an_audit_that_settled_nothing_is_asked_again_out_of_the_first_round_s_cards():
    """40 cards a round: 20 random, 20 more, and no round of the rest, as none is left."""
    again = step([done(0)], [UNSETTLED], ask=AUDITED)
    later = step([done(0), done(1)], [UNSETTLED, decided(True)], ask=AUDITED)
    last = step([done(0), done(1), done(2, until=0.5)], [UNSETTLED, decided(True)], ask=AUDITED)

    assert again == Train(1, 1, until=0.0, asks=True, is_audit=True)
    assert wanted(again, AUDITED, [], [UNSETTLED]).cards == 20
    assert wanted(again, AUDITED, [], [UNSETTLED]).audit_share == 1.0
    assert later == Train(2, 1, until=0.5, asks=True)
    assert last == Train(3, 1, until=1.0, asks=False)
    assert cards_ahead(AUDITED, 2) == 43


def test_what_a_second_audit_leaves_of_the_first_round_is_asked_next():
    ask = AUDITED.model_copy(update={"cards": 50})
    rounds = [UNSETTLED, decided(True)]
    rest = step([done(0), done(1)], rounds, ask=ask)

    assert rest == Train(2, 1, until=0.0, asks=True)
    assert wanted(rest, ask, [], rounds).cards == 10


def test_a_second_audit_may_say_no():
    assert step([done(0), done(1)], [UNSETTLED, decided(False)], ask=AUDITED) == Train(
        2, 1, until=1.0, asks=False
    )


def test_the_last_segment_wants_no_questions():
    assert wanted(step([done(0), done(1)]), ASK, []) is None


def test_after_a_go_asking_goes_on_as_planned():
    assert step([done(0)], [decided(True)], ask=AUDITED) == Train(1, 1, until=0.0, asks=True)


def test_after_a_no_go_the_arm_trains_to_its_end_and_asks_nothing():
    assert step([done(0)], [decided(False)], ask=AUDITED) == Train(1, 1, until=1.0, asks=False)
    assert step([done(0), done(1, until=1.0)], [decided(False)], ask=AUDITED) == Finish()


def test_a_round_that_was_not_worth_asking_is_the_last():
    rounds = [decided(True), decided(False, "ballot")]

    assert step([done(0), done(1)], rounds, ask=AUDITED) == Train(2, 1, until=1.0, asks=False)


def test_a_segment_after_a_no_go_that_was_stopped_goes_on_to_the_end():
    stopped = done(1, outcome="stopped", until=1.0)

    assert step([done(0), stopped], [decided(False)], ask=AUDITED) == Train(
        2, 1, until=1.0, asks=False
    )


def test_the_first_thing_people_get_is_questions_before_any_step():
    assert step() == Train(n=0, attempt=1, until=0.0, asks=True)


def test_the_control_trains_in_one_go_and_asks_nobody():
    assert step(arm=CONTROL) == Train(n=0, attempt=1, until=1.0, asks=False)


@pytest.mark.parametrize("state", [RoundState.OPEN, RoundState.CLOSING])
def test_while_questions_are_open_the_arm_listens(state):
    round_ = a_round(state)

    assert step([done(0)], [round_]) == Listen(round_)


def test_after_the_answers_training_goes_on_to_the_next_pause():
    assert step([done(0)], [a_round(RoundState.CLOSED)]) == Train(1, 1, until=0.5, asks=True)


def test_the_last_segment_asks_nothing():
    assert step([done(0), done(1)]) == Train(2, 1, until=1.0, asks=False)


def test_after_the_last_segment_the_arm_is_done():
    assert step([done(0), done(1), done(2)]) == Finish()


@pytest.mark.parametrize("state", [SegmentState.PLANNED, SegmentState.RUNNING])
def test_a_segment_under_way_is_attended_to_after_a_restart(state):
    running = segment(1, state)

    assert step([done(0), running]) == Attend(running)


def test_a_segment_that_died_is_tried_again():
    assert step([done(0), failed(1, 1)]) == Train(1, 2, until=0.5, asks=True)


def test_after_the_third_death_the_arm_gives_up_and_says_why():
    deaths = [failed(0, 1), failed(0, 2), failed(0, 3)]

    assert step(deaths) == GiveUp("killed; tried 3 times, say resume to try again")


def test_deaths_before_a_person_resumed_the_run_do_not_count():
    deaths = [failed(0, i) for i in (1, 2, 3)]

    again = next_step(HUMAN, ASK, deaths, [], since=at(10))

    assert again == Train(0, 4, until=0.0, asks=True)


def test_refused_input_is_not_tried_again():
    refused = failed(0, 1).model_copy(update={"report": {"outcome": "refused"}, "error": "empty"})

    assert step([refused]) == GiveUp("empty")


def test_a_segment_stopped_early_goes_on_to_the_same_pause():
    assert step([done(0), done(1, outcome="stopped")]) == Train(2, 1, until=0.5, asks=True)


def test_asked_now_the_next_segment_only_asks_and_the_planned_pauses_stay():
    cut = done(0, outcome="stopped", until=0.5)
    ask = AskSpec(at=(0.5,), audit=0)
    now = next_step(HUMAN, ask, [cut], [], T0, asked_at=0.2)
    assert now == Train(1, 1, until=0.2, asks=True)

    asked = [cut, done(1, until=0.2)]
    assert step(asked, ask=ask) == Train(2, 1, until=0.5, asks=True)
    assert step([*asked, done(2, until=0.5)], ask=ask) == Train(3, 1, until=1.0, asks=False)


def test_asked_now_at_a_planned_pause_the_planned_round_is_the_one():
    cut = done(0, outcome="stopped", until=0.5)
    ask = AskSpec(at=(0.5,), audit=0)

    assert next_step(HUMAN, ask, [cut], [], T0, asked_at=0.5) == Train(1, 1, until=0.5, asks=True)


def test_what_is_undone_has_a_number_but_was_not_reached():
    ask = AskSpec(at=(0.5,), audit=0)
    gone = segment(1, SegmentState.UNDONE, until=1.0)

    assert step([done(0, until=0.5), gone], ask=ask) == Train(2, 1, until=1.0, asks=False)


def test_cards_that_nobody_answered_before_the_run_ended_may_be_asked_again():
    def on_card(number, round_id):
        subject = Subject(key="1", kind=SubjectKind.SAMPLE, target=f"s{number}")
        return Ballot(
            ballot_id=f"{round_id}.{number}", round_id=round_id, run_id="r1", ask="fits",
            subjects=(subject,), choices=(), view={},
        )  # fmt: skip

    cut = a_round(RoundState.CLOSED).model_copy(update={"closed_by": f"{CUT_SHORT}stopped"})
    other = cut.model_copy(update={"round_id": "r1.human.q1", "closed_by": "deadline"})
    ballots = [on_card(0, cut.round_id), on_card(1, cut.round_id), on_card(2, other.round_id)]

    found = shown(ballots, [cut, other], {f"{cut.round_id}.1"})

    assert [s.target for s in found] == ["s1", "s2"]
