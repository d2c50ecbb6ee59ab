"""A round's one message: what was said, what it took, and later what it changed."""

import pytest

from bot import booking, digest
from bot.energy.effort import People
from bot.opinions import Tally
from storage.models import Arm, ArmState, OutboxKind, RoundState
from tests.bot.cards import report_of
from tests.storage.records import new_run, question
from trainer.kinds import KINDS
from trainer.segment import SelectionReport

KIND = KINDS["text-classification"]
TOOK = People(votes=6, voters=2, seconds=75.0, measured=6, median_s=12.0)
FOUND = SelectionReport(pool=90, kept=80, dropped=10, reweighted=0, votes=6)
SPEC = {"name": "banking", "model": "toy", "data": {"pool": "csv:p.csv"}}


def tally(**changes):
    values = {"votes": 6, "voters": 2, "yes": 4, "no": 1, "abstained": 1, "alpha": 0.5}
    values |= {"levels": 0, "words": 0}
    return Tally(**(values | changes))


def closed_round(run, n, **outcome):
    return question(run, n, state=RoundState.CLOSED, outcome=outcome)


def test_it_counts_says_what_it_took_and_thanks():
    said = digest.closed(3, tally(), "quorum", KIND, TOOK)

    assert said.startswith("Round 3 closed (quorum reached): 6 votes by 2 people: ")
    assert said.endswith("It took 2 people 1 min 15 s (measured per answer). Thank you!")


def test_where_nobody_answered_nobody_is_thanked():
    silent = tally(votes=0, voters=0, yes=0, no=0, abstained=0, alpha=None)

    said = digest.closed(1, silent, "deadline", KIND, People(0, 0, 0.0))

    assert said == "Round 1 closed (deadline passed): no votes, so nothing changes."


def test_what_votes_changed_is_added_to_the_last_round_that_people_saw(store):
    run = new_run(store)
    rounds = [
        closed_round(run, 0, said="Round 1 closed."),
        closed_round(run, 1, said="Round 2 closed."),
        closed_round(run, 2, decision={}),  # never opened: not worth asking
    ]

    key, text = digest.with_effect(rounds, FOUND, KIND)

    assert key == "closed:r1.human.q1"
    assert text.splitlines()[0] == "Round 2 closed."
    assert "10 of 90 samples set aside" in text.splitlines()[1]


def test_before_any_round_there_is_nothing_to_add_to(store):
    assert digest.with_effect([], FOUND, KIND) is None


@pytest.mark.parametrize(
    ("found", "kinds"),
    [
        (FOUND, [OutboxKind.EDIT]),
        (FOUND.model_copy(update={"undone": "accuracy fell by 3 points"}), [OutboxKind.SAY]),
        (FOUND.model_copy(update={"votes": 0}), []),
    ],
    ids=["effect", "undone", "no votes"],
)
def test_what_undoes_votes_is_a_message_of_its_own(store, found, kinds):
    run = new_run(store, spec=SPEC)
    arm = Arm(arm_id="r1.human", run_id="r1", name="human", position=0, state=ArmState.ACTIVE)
    rounds = [closed_round(run, 0, said="Round 1 closed.")]

    items = booking.selection_items({"memory": "joulery"}, run, arm, found, rounds)

    assert [item.kind for item in items] == kinds


@pytest.mark.parametrize(
    ("position", "segment", "is_said"), [(0, 0, True), (0, 1, False), (1, 0, False)]
)
def test_what_was_left_out_of_the_data_is_said_once_a_run(store, position, segment, is_said):
    run = new_run(store, spec=SPEC)
    arm = Arm(arm_id="r1.a", run_id="r1", name="a", position=position, state=ArmState.ACTIVE)
    skipped = (("pool text is empty", 3, "pool-7"), ("pool label is missing", 1, ""))
    report = report_of(skipped=skipped).model_copy(update={"segment": segment})

    items = booking.thread_items({"memory": "joulery"}, run, arm, report, [])

    said = [item.payload["text"] for item in items]
    line = "Left out: 3 x pool text is empty (e.g. “pool-7”); 1 x pool label is missing."
    assert said == ([line] if is_said else [])
