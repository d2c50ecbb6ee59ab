"""Rounds, ballots and the current vote: every mark is kept, and each person counts once."""

from __future__ import annotations

import itertools
import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.models import Member, RoundState, SegmentState, VoteEvent, VoteOp
from storage.store.transactions import NumberTaken
from tests.storage.records import (
    ask,
    at,
    card,
    cast,
    in_threads,
    item,
    new_run,
    question,
    segment,
    withdrawn,
)

ANA, BO, CY = "memory:ana", "memory:bo", "memory:cy"


@pytest.fixture
def ballot(store):
    """A card of an open round."""
    (ballot,) = ask(store)
    return ballot


def current(store, ballot):
    """(person, subject, value) of every current vote."""
    found = store.votes.current([ballot.ballot_id])
    return [(vote.person, vote.subject, vote.value) for vote in found]


# --- rounds and ballots -------------------------------------------------------------------------


def test_rounds_come_oldest_first(store):
    run = new_run(store)
    for n in (2, 0, 1):
        ask(store, n, run=run)

    assert [found.n for found in store.votes.rounds(run.run_id)] == [0, 1, 2]


def test_ballots_come_in_the_order_they_were_made_not_by_spelling(store):
    ballots = ask(store, cards=12)

    assert store.votes.ballots(round_id=ballots[0].round_id) == ballots
    assert store.votes.ballots(run_id="r1") == ballots


def test_a_ballot_comes_with_its_round(store, ballot):
    found, asked = store.votes.ballot(ballot.ballot_id)

    assert found == ballot
    assert asked == question(store.runs.get("r1"))
    assert store.votes.ballot("r1.human.q0.99") is None


def test_a_round_is_open_until_it_is_closed(store, ballot):
    id_ = ballot.round_id
    seen = [[r.state for r in store.votes.open_rounds()]]
    store.votes.begin_closing(id_, "deadline", at(5))
    seen.append([r.state for r in store.votes.open_rounds()])
    store.votes.close(id_, {}, at(9), [])

    assert seen == [[RoundState.OPEN], [RoundState.CLOSING]]
    assert store.votes.open_rounds() == []


def test_only_the_first_begins_to_close_a_round(store, ballot):
    first = store.votes.begin_closing(ballot.round_id, "quorum", at(5))
    second = store.votes.begin_closing(ballot.round_id, "deadline", at(5))

    (found,) = store.votes.open_rounds()
    assert (first, second, found.closed_by) == (True, False, "quorum")


def test_a_second_close_changes_nothing(store, ballot):
    store.votes.begin_closing(ballot.round_id, "quorum", at(5))
    first = store.votes.close(ballot.round_id, {"votes": 3}, at(9), [item("tally")])
    second = store.votes.close(ballot.round_id, {"votes": 0}, at(99), [item("tally again")])

    (found,) = store.votes.rounds("r1")
    assert (first, second) == (True, False)
    assert (found.outcome, found.closed_at, found.closed_by) == ({"votes": 3}, at(9), "quorum")
    assert store.mail.pending() == 1


# --- the current vote ---------------------------------------------------------------------------


def test_a_second_vote_becomes_the_current_one(store, ballot):
    store.votes.add([cast(ballot, ANA, 1.0, 0)])
    store.votes.add([cast(ballot, ANA, -1.0, 1)])

    assert current(store, ballot) == [(ANA, "1", -1.0)]
    assert len(store.votes.events(ballot.ballot_id)) == 2


def test_the_platforms_clock_decides_which_vote_is_the_last(store, ballot):
    """Events may arrive in another order than they happened."""
    store.votes.add([cast(ballot, ANA, -1.0, 5)])
    store.votes.add([cast(ballot, ANA, 1.0, 1)])

    assert current(store, ballot) == [(ANA, "1", -1.0)]


def test_of_two_votes_of_the_same_instant_the_one_that_came_last_counts(store, ballot):
    store.votes.add([cast(ballot, ANA, 1.0), cast(ballot, ANA, -1.0)])

    assert current(store, ballot) == [(ANA, "1", -1.0)]


def test_when_the_down_goes_the_up_counts_again(store, ballot):
    store.votes.add([cast(ballot, ANA, 1.0, 0), cast(ballot, ANA, -1.0, 1)])
    store.votes.add([withdrawn(ballot, ANA, -1.0, 2)])

    assert current(store, ballot) == [(ANA, "1", 1.0)]


def test_a_removal_older_than_the_mark_changes_nothing(store, ballot):
    """Taken back and set again; the removal was told of last."""
    store.votes.add([cast(ballot, ANA, 1.0, 2)])
    store.votes.add([withdrawn(ballot, ANA, 1.0, 1)])

    assert current(store, ballot) == [(ANA, "1", 1.0)]


def test_whoever_takes_everything_back_has_no_vote(store, ballot):
    store.votes.add([cast(ballot, ANA, 1.0, 0), withdrawn(ballot, ANA, 1.0, 1)])

    assert current(store, ballot) == []
    assert store.votes.answered(ballot.round_id) == {ballot.ballot_id: (0, 0)}


def test_a_mark_taken_back_and_set_again_counts(store, ballot):
    store.votes.add([cast(ballot, ANA, 1.0, 0), withdrawn(ballot, ANA, 1.0, 1)])
    store.votes.add([cast(ballot, ANA, 1.0, 2)])

    assert current(store, ballot) == [(ANA, "1", 1.0)]


def test_two_accounts_of_one_person_count_once(store, ballot):
    store.votes.met(Member(member_id="slack:U1", person_id="ana"))
    store.votes.met(Member(member_id="discord:7", person_id="ana"))
    store.votes.add([cast(ballot, "slack:U1", 1.0, 0), cast(ballot, "discord:7", -1.0, 1)])

    assert current(store, ballot) == [("ana", "1", -1.0)]
    assert store.votes.answered(ballot.round_id) == {ballot.ballot_id: (1, 1)}


def test_what_one_account_takes_back_leaves_the_other_ones_mark(store, ballot):
    store.votes.met(Member(member_id="slack:U1", person_id="ana"))
    store.votes.met(Member(member_id="discord:7", person_id="ana"))
    store.votes.add([cast(ballot, "slack:U1", 1.0, 0), cast(ballot, "discord:7", 1.0, 1)])
    store.votes.add([withdrawn(ballot, "discord:7", 1.0, 2)])

    (vote,) = store.votes.current([ballot.ballot_id])
    assert (vote.person, vote.voter) == ("ana", "slack:U1")


def test_a_voter_nobody_introduced_is_a_person_too(store, ballot):
    store.votes.add([cast(ballot, ANA), cast(ballot, BO, -1.0)])

    assert current(store, ballot) == [(ANA, "1", 1.0), (BO, "1", -1.0)]


def test_subjects_of_a_card_are_voted_on_apart(store):
    (ballot,) = ask(store, subjects=2)
    store.votes.add([cast(ballot, ANA, 1.0), cast(ballot, ANA, -1.0, subject="2")])
    store.votes.add([cast(ballot, BO, -1.0)])

    assert current(store, ballot) == [(ANA, "1", 1.0), (ANA, "2", -1.0), (BO, "1", -1.0)]
    # Ana alone answered the second: the card waits for it
    assert store.votes.answered(ballot.round_id) == {ballot.ballot_id: (1, 3)}


def test_who_says_what_else_a_sample_is_has_answered_it(store):
    (ballot,) = ask(store, subjects=2)
    store.votes.add([cast(ballot, ANA, 1.0), cast(ballot, ANA, None, subject="2.label")])

    assert store.votes.answered(ballot.round_id) == {ballot.ballot_id: (1, 2)}


@pytest.mark.parametrize("seconds", [(1, 2), (2, 1)])
def test_what_is_said_of_the_rest_gives_way_whenever_it_was_said(store, seconds):
    """Ana finds that the first does not fit, and that all others do."""
    (ballot,) = ask(store, subjects=2)
    one, rest = seconds
    fits = {"is_rest": True, "second": rest}
    store.votes.add([cast(ballot, ANA, 1.0, subject=key, **fits) for key in "12"])
    store.votes.add([cast(ballot, ANA, -1.0, one)])
    assert current(store, ballot) == [(ANA, "1", -1.0), (ANA, "2", 1.0)]

    store.votes.add([withdrawn(ballot, ANA, -1.0, 3)])

    assert current(store, ballot) == [(ANA, "1", 1.0), (ANA, "2", 1.0)]


def test_ballots_are_voted_on_apart(store):
    one, two, three = ask(store, cards=3)
    store.votes.add([cast(one, ANA, 1.0), cast(two, ANA, -1.0), cast(three, ANA)])

    found = store.votes.current([one.ballot_id, two.ballot_id])
    assert [(v.ballot_id, v.value) for v in found] == [(one.ballot_id, 1.0), (two.ballot_id, -1.0)]
    assert store.votes.current([]) == []


def test_an_abstention_is_an_answer_without_a_value(store, ballot):
    store.votes.add([cast(ballot, ANA, None)])

    (vote,) = store.votes.current([ballot.ballot_id])
    assert (vote.value, vote.answer) == (None, "unsure")
    assert store.votes.answered(ballot.round_id) == {ballot.ballot_id: (1, 1)}


def test_cards_without_an_answer_are_counted_as_such(store):
    one, two = ask(store, cards=2)
    store.votes.add([cast(one, ANA), cast(one, BO), cast(one, BO, -1.0, 1)])

    assert store.votes.answered(one.round_id) == {one.ballot_id: (2, 2), two.ballot_id: (0, 0)}


def test_a_vote_keeps_all_that_was_said(store, ballot):
    event = cast(
        ballot, ANA, 1.0, 3, answer="card arrival", weight=0.5, via="reply", mark="reply:17",
        inbox_id=4,
    )  # fmt: skip
    store.votes.add([event])

    (vote,) = store.votes.current([ballot.ballot_id])
    assert store.votes.events(ballot.ballot_id) == [event]
    assert vote.model_dump() == {
        "ballot_id": ballot.ballot_id, "person": ANA, "voter": ANA, "subject": "1", "value": 1.0,
        "answer": "card arrival", "weight": 0.5, "via": "reply", "mark": "reply:17", "at": at(3),
    }  # fmt: skip


# --- late and last-minute votes -----------------------------------------------------------------


def test_a_late_vote_is_kept_but_not_counted(store, ballot):
    store.votes.add([cast(ballot, ANA, 1.0)])
    store.votes.begin_closing(ballot.round_id, "deadline", at(5))
    store.votes.close(ballot.round_id, {}, at(9), [])

    store.votes.add([cast(ballot, ANA, -1.0, 20), cast(ballot, BO, -1.0, 20)])

    assert current(store, ballot) == [(ANA, "1", 1.0)]
    assert [e.is_late for e in store.votes.events(ballot.ballot_id)] == [False, True, True]


def test_a_vote_taken_back_too_late_still_counts(store, ballot):
    store.votes.add([cast(ballot, ANA, 1.0)])
    store.votes.close(ballot.round_id, {}, at(9), [])

    store.votes.add([withdrawn(ballot, ANA, 1.0, 20)])

    assert current(store, ballot) == [(ANA, "1", 1.0)]
    assert [e.mark for e in store.votes.standing(ballot.ballot_id)] == ["r:+1"]


def test_while_a_round_closes_what_was_received_before_and_what_the_last_look_finds_count(
    store, ballot
):
    """An event that was acknowledged is never late for having waited its turn in the inbox."""
    store.votes.begin_closing(ballot.round_id, "deadline", at(5))

    store.votes.add(
        [
            cast(ballot, ANA, 1.0, second=6),
            cast(ballot, BO, -1.0, second=7, source="snapshot"),
            cast(ballot, CY, 1.0, second=4),
        ]
    )

    assert current(store, ballot) == [(BO, "1", -1.0), (CY, "1", 1.0)]


def test_after_the_close_not_even_a_look_counts(store, ballot):
    store.votes.close(ballot.round_id, {}, at(9), [])

    store.votes.add([cast(ballot, BO, -1.0, source="snapshot")])

    assert current(store, ballot) == []


def test_lateness_is_told_for_each_card_of_a_mixed_batch(store):
    run = new_run(store)
    (early,), (open_,) = ask(store, 0, run=run), ask(store, 1, run=run)
    store.votes.close(early.round_id, {}, at(9), [])

    store.votes.add([cast(early, ANA), cast(open_, ANA)])

    assert (current(store, early), current(store, open_)) == ([], [(ANA, "1", 1.0)])


# --- what stands --------------------------------------------------------------------------------


def test_what_stands_is_every_mark_not_taken_back(store, ballot):
    store.votes.add(
        [cast(ballot, ANA, 1.0, 0), cast(ballot, ANA, -1.0, 1), cast(ballot, BO, 1.0, 2)]
    )
    store.votes.add([withdrawn(ballot, BO, 1.0, 3)])

    standing = store.votes.standing(ballot.ballot_id)
    assert [(e.voter, e.mark) for e in standing] == [(ANA, "r:+1"), (ANA, "r:-1")]


# --- members ------------------------------------------------------------------------------------


def test_a_name_that_became_known_is_filled_in(store):
    store.votes.met(Member(member_id=ANA, person_id="ana"))
    store.votes.met(Member(member_id=ANA, person_id=ANA, name="Ana"))
    store.votes.met(Member(member_id=ANA, person_id=ANA))

    assert store.votes.members() == {ANA: Member(member_id=ANA, person_id="ana", name="Ana")}


# --- many at once -------------------------------------------------------------------------------


def test_eight_who_vote_at_once_lose_nothing(store):
    """Each changes its mind five times, all on the same card."""
    (ballot,) = ask(store)
    minds = [1.0, -1.0, 1.0, -1.0, None]

    def vote(i):
        for second, value in enumerate(minds):
            store.votes.add([cast(ballot, f"memory:{i}", value, second)])

    in_threads(8, vote)

    events = store.votes.events(ballot.ballot_id)
    assert sorted((e.voter, e.at) for e in events) == sorted(
        (f"memory:{i}", at(second)) for i in range(8) for second in range(5)
    )
    assert current(store, ballot) == [(f"memory:{i}", "1", None) for i in range(8)]
    assert store.votes.answered(ballot.round_id) == {ballot.ballot_id: (8, 8)}


@pytest.mark.postgres
def test_no_vote_slips_in_once_a_round_has_begun_to_close(server, migrated_postgres, open_store):
    """A vote that saw the round open is held up on its way into the table.

    The round may wait for it or not; but what is counted after `begin_closing` stays the count.
    """
    database = server.create(migrated_postgres)
    store = open_store(server.url(database))
    (ballot,) = ask(store)

    def close():
        store.votes.begin_closing(ballot.round_id, "deadline", at(5))
        return current(store, ballot)

    with server.connect(database) as brake, ThreadPoolExecutor(2) as pool:
        brake.autocommit = False
        brake.execute("LOCK TABLE vote_event IN SHARE MODE")
        voting = pool.submit(store.votes.add, [cast(ballot, ANA, second=7)])
        server.wait_until_blocked(database)
        closing = pool.submit(close)
        time.sleep(0.3)  # it is done by now, or it waits for the vote
        brake.rollback()
        voting.result(30)
        counted = closing.result(30)

    assert current(store, ballot) == counted


# --- the view against a replay ------------------------------------------------------------------

_rounds = itertools.count()
PEOPLE = {"slack:1": "ana", "discord:1": "ana", "slack:2": "slack:2"}
"""Two accounts of one person, and somebody nobody introduced."""

marks = st.tuples(
    st.sampled_from(sorted(PEOPLE)),
    st.sampled_from(["1", "2"]),  # subject
    st.sampled_from([1.0, -1.0, None]),  # the mark, by its value
    st.booleans(),  # of the rest of the card
    st.sampled_from([VoteOp.CAST, VoteOp.CAST, VoteOp.WITHDRAWN]),
    st.integers(0, 4),  # few moments: ties are common
    st.sampled_from([False, False, False, True]),  # late
)


def replayed(events: list[VoteEvent]) -> dict[tuple[str, str], tuple[str, str, float | None]]:
    """Walk through the events in the order they happened, as a platform's card would change.

    (person, subject) -> (voter, mark, value) of the mark set last among those that stand; marks on
    the rest of the card count where there is no other.
    """
    card_: dict[tuple[str, str, str], VoteEvent] = {}
    for event in sorted((e for e in events if not e.is_late), key=lambda e: e.at):  # stable
        key = (event.voter, event.subject, event.mark)
        card_.pop(key, None)
        if event.op is VoteOp.CAST:
            card_[key] = event
    standing = sorted(card_.values(), key=lambda e: not e.is_rest)  # stable
    return {(PEOPLE[e.voter], e.subject): (e.voter, e.mark, e.value) for e in standing}


@settings(deadline=None, max_examples=80)
@given(st.lists(marks, max_size=14), st.randoms(use_true_random=False))
def test_the_view_shows_what_a_replay_of_the_events_ends_with(
    shared_store, drawn, rng: random.Random
):
    store = shared_store
    run = store.runs.get("r1") or new_run(store)
    for account in ("slack:1", "discord:1"):
        store.votes.met(Member(member_id=account, person_id="ana"))
    (ballot,) = ask(store, next(_rounds), run=run, subjects=2)
    events = [
        cast(
            ballot, voter, value, second, subject=subject, op=op, is_late=is_late, is_rest=is_rest,
            mark=f"{'rest' if is_rest else 'one'}:{value}",
        )
        for voter, subject, value, is_rest, op, second, is_late in drawn
    ]  # fmt: skip
    cut = rng.randint(0, len(events))  # however the events are spread over transactions
    store.votes.add(events[:cut])
    store.votes.add(events[cut:])

    found = store.votes.current([ballot.ballot_id])
    expected = replayed(events)
    assert {(v.person, v.subject): (v.voter, v.mark, v.value) for v in found} == expected
    assert len(found) == len(expected)
    assert store.votes.answered(ballot.round_id) == {
        ballot.ballot_id: (
            min(len({person for person, key in expected if key == one}) for one in "12"),
            len(expected),
        )
    }


def test_a_microsecond_decides(store, ballot):
    """Times are compared as times, whatever the database stores them as."""
    early, later = at(1), at(1) + timedelta(microseconds=1)
    store.votes.add([cast(ballot, ANA, -1.0, at=later), cast(ballot, ANA, 1.0, at=early)])

    assert current(store, ballot) == [(ANA, "1", -1.0)]


def test_what_a_command_takes_back_counts_no_more_even_of_a_closed_round(store):
    (ballot,) = ask(store)
    mark = cast(ballot, "memory:ana")
    store.votes.add([mark, cast(ballot, "memory:bo")])
    store.votes.begin_closing(ballot.round_id, "quorum", at(5))
    store.votes.close(ballot.round_id, {"votes": 2}, at(6), [])

    back = {"op": VoteOp.WITHDRAWN, "source": "undo", "at": at(9), "received_at": at(9)}
    store.votes.add([mark.model_copy(update=back)])

    assert [v.voter for v in store.votes.current([ballot.ballot_id])] == ["memory:bo"]
    assert [m.voter for m in store.votes.undone(ballot.ballot_id)] == ["memory:ana"]


def test_a_mark_that_was_put_again_is_undone_no_more(store):
    (ballot,) = ask(store)
    mark = cast(ballot, "memory:ana")
    back = {"op": VoteOp.WITHDRAWN, "source": "undo", "at": at(3), "received_at": at(3)}
    store.votes.add([mark, mark.model_copy(update=back)])

    store.votes.add([cast(ballot, "memory:ana", second=4)])

    assert store.votes.undone(ballot.ballot_id) == []
    assert len(store.votes.standing(ballot.ballot_id)) == 1


def test_a_recount_corrects_the_counts_and_keeps_what_was_decided(store):
    (ballot,) = ask(store)
    store.votes.recount(ballot.round_id, {"votes": 0}, [item("too-early")], at(1))
    store.votes.begin_closing(ballot.round_id, "quorum", at(5))
    store.votes.close(ballot.round_id, {"votes": 2, "decision": "go"}, at(6), [])

    store.votes.recount(ballot.round_id, {"votes": 1}, [item("recounted")], at(9))

    (round_,) = store.votes.rounds(ballot.run_id)
    assert round_.outcome == {"votes": 1, "decision": "go"}
    assert store.mail.pending() == 2


def test_a_command_that_is_heard_again_takes_nothing_more_back(store):
    (ballot,) = ask(store)
    first, second = cast(ballot, "memory:ana"), cast(ballot, "memory:ana", -1.0, second=1)
    store.votes.add([first, second])
    back = {"op": VoteOp.WITHDRAWN, "source": "undo", "at": at(3), "received_at": at(3)}

    is_new = store.votes.take_back([second.model_copy(update=back)], "e1", at(3))
    is_known = not store.votes.take_back([first.model_copy(update=back)], "e1", at(4))

    assert is_new
    assert is_known
    assert current(store, ballot) == [("memory:ana", "1", 1.0)]


# --- numbers of rounds --------------------------------------------------------------------------


def test_of_two_rounds_made_at_once_with_one_number_one_is_kept(store):
    """Votes are imported while a segment's report is booked."""
    run = new_run(store)
    part = segment("r1.human")
    store.runs.plan_segment(part)
    asked = question(run)
    brought = asked.model_copy(update={"round_id": "r1.human.i0", "state": RoundState.CLOSED})

    def make(i):
        try:
            if i == 0:
                store.votes.take_in(brought, (), (), ())
            else:
                store.runs.book_report(
                    part, {"lease_token": part.lease_token}, planned_samples=100, checkpoint=None,
                    evaluations=[], now=at(0), asked=asked, ballots=[card(asked)],
                )  # fmt: skip
        except NumberTaken:
            return False
        return True

    made = in_threads(2, make)

    assert sorted(made) == [False, True]
    assert len(store.votes.rounds("r1")) == 1
    is_booked = store.runs.segments("r1.human")[0].state is SegmentState.DONE
    assert is_booked == made[1] == bool(store.votes.ballots(run_id="r1"))


def test_more_ballots_are_looked_up_than_a_statement_takes(store):
    """PostgreSQL takes 65 535 parameters, SQLite 32 766 or what it is built for."""
    made = question(new_run(store), state=RoundState.CLOSED)
    first, last = cards = [card(made, 1), card(made, 69_999)]
    store.votes.take_in(made, cards, (), [cast(last, ANA, second=0), cast(first, ANA, second=1)])
    ids = [f"{made.round_id}.{i}" for i in range(70_000)]

    found = store.votes.current(ids)
    assert [vote.ballot_id for vote in found] == [first.ballot_id, last.ballot_id]
    for happened in (store.votes.marks(ids), store.votes.events_on(ids)):
        assert [event.ballot_id for event in happened] == [last.ballot_id, first.ballot_id]
    assert store.mail.postings_on(ids) == []
