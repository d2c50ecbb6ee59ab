"""Runs: numbered, moved only where they may go, and every segment's report booked once."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from storage.database import StoreError
from storage.models import ArmState, Checkpoint, Evaluation, RunState, Sample, SegmentState, Wish
from storage.store.runs import LEGAL
from storage.store.transactions import find
from storage.tables import SampleRow
from tests.storage.records import at, card, in_threads, item, new_run, question, segment

S = RunState
ALLOWED = {
    "queued": {"training", "asking", "paused", "finished", "stopped", "failed"},
    "training": {"asking", "queued", "paused", "finished", "stopped", "failed"},
    "asking": {"training", "queued", "paused", "stopped", "failed"},
    "paused": {"queued", "stopped", "failed"},
    "failed": {"queued"},
    "stopped": {"queued"},
    "finished": set(),
}
WAY = {
    "queued": [],
    "training": [S.TRAINING],
    "asking": [S.TRAINING, S.ASKING],
    "paused": [S.TRAINING, S.PAUSED],
    "failed": [S.TRAINING, S.FAILED],
    "stopped": [S.STOPPED],
    "finished": [S.TRAINING, S.FINISHED],
}
"""From each state where a run may go, and how to get a run there."""


def move(store, run, to, **changes):
    return store.runs.move(
        run.run_id, to, **({"who": "bot", "why": "because", "now": at(5)} | changes)
    )


def run_that_is(store, state):
    run = new_run(store)
    for step in WAY[state]:
        move(store, run, step)
    return run


def checkpoint(run, samples=50):
    return Checkpoint(
        arm_id=f"{run.run_id}.human", samples=samples, path=f"ck-{samples}", weights_sha256="0" * 64,
        created_at=at(1),
    )  # fmt: skip


def evaluation(run, samples, metric=0.5):
    return Evaluation(arm_id=f"{run.run_id}.human", samples=samples, metric=metric, at=at(samples))


def book(store, run, part, token="token-1", **changes):
    values = {
        "planned_samples": 100, "checkpoint": checkpoint(run), "now": at(9),
        "evaluations": [evaluation(run, 0), evaluation(run, 50)],
    }  # fmt: skip
    return store.runs.book_report(part, {"lease_token": token}, **(values | changes))


@pytest.fixture
def run(store):
    return new_run(store)


@pytest.fixture
def part(store, run):
    """A planned segment of the arm `human`."""
    part = segment(f"{run.run_id}.human")
    store.runs.plan_segment(part)
    return part


# --- runs and their states ----------------------------------------------------------------------


def test_ids_count_up_and_name_the_folder(store):
    runs = [new_run(store) for _ in range(3)]

    assert [(r.run_id, r.folder) for r in runs] == [
        ("r1", "runs/r1"),
        ("r2", "runs/r2"),
        ("r3", "runs/r3"),
    ]


def test_runs_are_listed_by_number_not_by_spelling(store):
    for _ in range(11):
        new_run(store)

    assert [run.run_id for run in store.runs.all()] == [f"r{n}" for n in range(1, 12)]


def test_eight_people_who_start_a_run_together_get_eight_runs(store):
    """Whoever came second may be told to try again; nobody gets somebody else's run."""

    def create(i):
        for _ in range(30):
            try:
                return new_run(store, name=f"run-{i}")
            except StoreError as err:
                if "try again" not in str(err):
                    raise
        raise AssertionError("never let in")

    made = in_threads(8, create)

    assert sorted(run.run_id for run in made) == [f"r{n}" for n in range(1, 9)]
    assert {store.runs.get(run.run_id).name for run in made} == {f"run-{i}" for i in range(8)}


def test_a_new_run_is_queued_with_its_arms_in_order(store):
    run = new_run(store, arms=["no_votes", "human", "control"], comparison_id="c1")

    arms = store.runs.arms(run.run_id)
    assert store.runs.get("r1") == run
    assert (run.state, run.comparison_id) == (S.QUEUED, "c1")
    assert [(arm.arm_id, arm.position, arm.state) for arm in arms] == [
        ("r1.no_votes", 0, ArmState.PENDING),
        ("r1.human", 1, ArmState.PENDING),
        ("r1.control", 2, ArmState.PENDING),
    ]


def test_a_run_nobody_made_is_none(store):
    assert store.runs.get("r7") is None


def test_every_state_has_its_rules():
    assert {str(before): set(map(str, after)) for before, after in LEGAL.items()} == ALLOWED


@pytest.mark.parametrize("before", list(ALLOWED))
def test_a_run_goes_only_where_it_may(store, before):
    """A refused move leaves the run, its history and the outbox alone."""
    for to in S:
        run = run_that_is(store, before)
        known = store.runs.transitions(run.run_id)
        waiting = store.mail.pending()

        if to in ALLOWED[before]:
            assert move(store, run, to) is True
            assert store.runs.get(run.run_id).state is to
            assert len(store.runs.transitions(run.run_id)) == len(known) + 1
        elif to == before:
            assert move(store, run, to, items=[item(f"{run.run_id}-{to}")]) is False
            assert store.runs.transitions(run.run_id) == known
            assert store.mail.pending() == waiting
        else:
            with pytest.raises(StoreError, match=f"{run.run_id} is {before}; .* become {to}"):
                move(store, run, to, items=[item(f"{run.run_id}-{to}")])
            assert store.runs.get(run.run_id).state == before
            assert store.runs.transitions(run.run_id) == known
            assert store.mail.pending() == waiting


def test_moving_a_run_that_is_not_there_says_how_to_find_one(store):
    with pytest.raises(StoreError, match="no run r9; see: joulery status"):
        store.runs.move("r9", S.TRAINING, who="bot", why="because", now=at(0))


def test_every_move_is_kept_with_who_and_why(store, run):
    move(store, run, S.TRAINING, who="bot", why="its turn", now=at(1))
    move(store, run, S.STOPPED, who="memory:ana", why="too warm", now=at(2))

    moves = store.runs.transitions(run.run_id)
    assert [(t.before, t.after, t.who, t.why, t.at) for t in moves] == [
        ("", "queued", "memory:ana", "asked for", at(0)),
        ("queued", "training", "bot", "its turn", at(1)),
        ("training", "stopped", "memory:ana", "too warm", at(2)),
    ]
    assert store.runs.get(run.run_id).reason == "too warm"


def test_the_end_has_a_time_until_the_run_is_resumed(store, run):
    move(store, run, S.STOPPED, now=at(7))
    ended = store.runs.get(run.run_id).ended_at
    move(store, run, S.QUEUED, now=at(8))

    assert ended == at(7)
    assert store.runs.get(run.run_id).ended_at is None


def test_what_is_said_of_a_move_is_queued_with_it(store, run):
    move(store, run, S.TRAINING, items=[item("news", "off it goes")])

    assert store.mail.claim("memory", at(5)).payload == {"text": "off it goes"}


def test_what_the_bot_decides_does_not_undo_what_a_person_did(store):
    run = run_that_is(store, "training")
    move(store, run, S.PAUSED, who="memory:ana")

    moved = move(store, run, S.ASKING, only_from=S.TRAINING, items=[item("news")])

    assert moved is False
    assert store.runs.get(run.run_id).state is S.PAUSED
    assert store.mail.pending() == 0


def test_what_the_bot_decides_is_done_where_it_saw_the_run(store):
    run = run_that_is(store, "training")

    assert move(store, run, S.ASKING, only_from=S.TRAINING) is True
    assert store.runs.get(run.run_id).state is S.ASKING


@pytest.mark.postgres
def test_a_person_who_moves_the_run_at_the_same_instant_wins_too(
    server, migrated_postgres, open_store
):
    """The bot has read `training` and waits to write while a person's stop is being committed."""
    database = server.create(migrated_postgres)
    store = open_store(server.url(database))
    run = run_that_is(store, "training")
    with server.connect(database) as person, ThreadPoolExecutor(1) as pool:
        person.autocommit = False
        person.execute("UPDATE run SET state = 'stopped' WHERE run_id = 'r1'")
        bot = pool.submit(move, store, run, S.ASKING, only_from=S.TRAINING)
        server.wait_until_blocked(database)
        person.commit()
        moved = bot.result(30)

    assert moved is False
    assert store.runs.get(run.run_id).state is S.STOPPED


def test_runs_that_may_still_move_are_told_from_those_that_ended(store):
    ended = {run_that_is(store, state).run_id for state in ("stopped", "failed", "finished")}
    still = {
        run_that_is(store, state).run_id for state in ("queued", "training", "asking", "paused")
    }

    assert {run.run_id for run in store.runs.all(is_open=True)} == still
    assert {run.run_id for run in store.runs.all(is_open=False)} == ended


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.sampled_from(list(S)), st.sampled_from([None, *S])), max_size=12))
def test_whatever_is_asked_for_every_move_is_legal_and_they_hang_together(store, wanted):
    """Moves at random, of people and of a bot that may have looked too early."""
    run = new_run(store)
    store.runs.set_wish(run.run_id, Wish(what="stop", who="memory:ana"), (), at(0))
    for to, seen in wanted:
        with contextlib.suppress(StoreError):
            move(store, run, to, only_from=seen)

    moves = store.runs.transitions(run.run_id)
    now = store.runs.get(run.run_id)
    assert moves[0].before == ""
    for before, after in pairwise(moves):
        assert after.before == before.after
        assert S(after.after) in LEGAL[S(after.before)]
        assert after.who
        assert after.why
    assert now.state == moves[-1].after
    assert (now.ended_at is not None) is now.state.is_final
    assert now.wish is None or not any(S(m.after).is_final for m in moves)


def test_a_wish_is_kept_until_what_was_wished_for_is_booked(store, run, part):
    wish = Wish(what="ask", who="memory:bo")
    store.runs.set_wish("r1", wish, [item("said")], at(1))
    kept = store.runs.get("r1").wish
    book(store, run, part)
    still = store.runs.get("r1").wish
    asking = segment("r1.human", 1)
    store.runs.plan_segment(asking)
    book(store, run, asking, fulfils=True)

    assert (kept, still) == (wish, wish)
    assert store.runs.get("r1").wish is None
    assert store.mail.pending() == 1


@pytest.mark.parametrize("state", ["paused", "stopped", "failed"])
def test_a_run_that_does_not_move_and_left_a_segment_behind_is_found(store, state):
    run = run_that_is(store, state)
    quiet = run_that_is(store, state)
    moving = run_that_is(store, "training")
    for one in (run, moving):
        store.runs.plan_segment(segment(f"{one.run_id}.human"))

    assert store.runs.left_behind() == [run.run_id]
    store.runs.segment_failed(f"{run.run_id}.human.0.1", "gone", at(9))
    assert store.runs.left_behind() == []
    assert quiet.run_id not in store.runs.left_behind()


@pytest.mark.parametrize(("state", "is_left"), [("stopped", True), ("paused", False)])
def test_only_of_a_run_that_has_ended_are_open_questions_left_behind(
    store, run, part, state, is_left
):
    book(store, run, part, asked=question(run))
    for step in WAY[state]:
        move(store, run, step)

    assert store.runs.left_behind() == (["r1"] if is_left else [])


def test_an_arm_is_moved_alone(store, run):
    store.runs.move_arm("r1.human", ArmState.FAILED, "the pool is empty")

    human, control = store.runs.arms(run.run_id)
    assert (human.state, human.reason) == (ArmState.FAILED, "the pool is empty")
    assert control.state is ArmState.PENDING


# --- segments and reports -----------------------------------------------------------------------


def test_a_segment_planned_twice_is_planned_once(store, part):
    store.runs.plan_segment(part.model_copy(update={"lease_token": "another"}))

    assert store.runs.segments(part.arm_id) == [part]


def test_attempts_come_in_order(store, run):
    for n, attempt in ((10, 1), (2, 2), (2, 1), (0, 1)):
        store.runs.plan_segment(segment("r1.human", n, attempt))

    found = [(s.n, s.attempt) for s in store.runs.segments("r1.human")]
    assert found == [(0, 1), (2, 1), (2, 2), (10, 1)]


def test_a_started_segment_can_be_found_again(store, part):
    store.runs.started(part.segment_id, {"pid": 7, "started": 12.5})

    (found,) = store.runs.segments(part.arm_id)
    assert (found.state, found.handle) == (SegmentState.RUNNING, {"pid": 7, "started": 12.5})


def test_a_report_brings_all_it_found(store, run, part):
    asked = question(run)
    ballots = [card(asked, n, subjects=2) for n in range(2)]
    sample = Sample(sample_id="csv:1", run_id="r1", view={"text": "¿Dónde está? 💳"})

    booked = book(
        store, run, part, asked=asked, ballots=ballots, samples=[sample], items=[item("card")]
    )

    (done,) = store.runs.segments("r1.human")
    assert booked is True
    assert (done.state, done.ended_at, done.report) == (
        SegmentState.DONE, at(9), {"lease_token": "token-1"},
    )  # fmt: skip
    assert store.runs.arms("r1")[0].planned_samples == 100
    assert store.runs.checkpoints("r1.human") == [checkpoint(run)]
    assert store.runs.evaluations("r1.human") == [evaluation(run, 0), evaluation(run, 50)]
    assert store.votes.rounds("r1") == [asked]
    assert store.votes.ballots(round_id=asked.round_id) == ballots
    with store.runs._transactions.read() as connection:
        assert find(connection, Sample, SampleRow) == [sample]
    assert store.mail.pending() == 1


def test_a_report_is_booked_once(store, run, part):
    book(store, run, part)

    again = book(store, run, part, planned_samples=7, evaluations=[evaluation(run, 99)])

    assert again is False
    assert store.runs.arms("r1")[0].planned_samples == 100
    assert [e.samples for e in store.runs.evaluations("r1.human")] == [0, 50]


def test_of_eight_that_book_a_report_together_one_does(store, run, part):
    booked = in_threads(8, lambda i: book(store, run, part, items=[item(f"card-{i}")]))

    assert sorted(booked) == [False] * 7 + [True]
    assert store.mail.pending() == 1


def test_a_report_with_another_lease_token_is_never_booked(store, run, part):
    """It was written by a process that was given up, whose work another one does again."""
    store.runs.started(part.segment_id, {"pid": 7})

    booked = book(store, run, part, token="token-0", items=[item("card")])

    (found,) = store.runs.segments("r1.human")
    assert booked is False
    assert (found.state, found.report) == (SegmentState.RUNNING, None)
    assert store.runs.checkpoints("r1.human") == []
    assert store.runs.evaluations("r1.human") == []
    assert store.mail.pending() == 0


def test_a_report_that_cannot_be_stored_leaves_no_trace(store, run, part):
    """The last thing stored, a card of a round that is not there, is refused."""
    orphan = card(question(run, 7))

    with pytest.raises(IntegrityError):
        book(store, run, part, ballots=[orphan], items=[item("card")])

    assert store.runs.segments("r1.human") == [part]
    assert store.runs.checkpoints("r1.human") == []
    assert store.runs.arms("r1")[0].planned_samples is None
    assert store.mail.pending() == 0


def test_a_point_of_the_history_is_kept_as_it_was_first_reported(store, run, part):
    """A second attempt trains over the same ground and reports it again."""
    book(store, run, part, evaluations=[evaluation(run, 50, 0.4)])
    second = segment("r1.human", 1)
    store.runs.plan_segment(second)

    book(store, run, second, evaluations=[evaluation(run, 100, 0.6), evaluation(run, 50, 0.9)])

    history = [(e.samples, e.metric) for e in store.runs.evaluations("r1.human")]
    assert history == [(50, 0.4), (100, 0.6)]


def test_a_failed_segment_says_why(store, part):
    store.runs.segment_failed(part.segment_id, "out of memory", at(3), {"samples": 12})

    (found,) = store.runs.segments(part.arm_id)
    assert (found.state, found.error, found.ended_at, found.report) == (
        SegmentState.FAILED, "out of memory", at(3), {"samples": 12},
    )  # fmt: skip


def test_a_failure_never_overwrites_a_done_segment(store, run, part):
    book(store, run, part)

    store.runs.segment_failed(part.segment_id, "the process is gone", at(10))

    (found,) = store.runs.segments("r1.human")
    assert (found.state, found.error, found.ended_at) == (SegmentState.DONE, "", at(9))
    assert found.report == {"lease_token": "token-1"}
