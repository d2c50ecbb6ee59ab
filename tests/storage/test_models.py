"""The nouns: frozen and strict while the program runs, and the same when they come back."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError
from sqlalchemy.exc import StatementError

from storage import models, tables
from storage.models import ArmState, Run, RunState, Value, VoteEvent
from tests.storage.records import T0, ask, cast, new_run, reading

NOUNS = [
    noun
    for noun in vars(models).values()
    if isinstance(noun, type) and issubclass(noun, Value) and noun is not Value
]
ROWS = [
    row
    for row in vars(tables).values()
    if isinstance(row, type) and issubclass(row, tables.Row) and issubclass(row, Value)
]
INDIA = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.__name__)
def test_a_noun_cannot_be_changed(noun):
    field = next(iter(noun.model_fields))

    with pytest.raises(ValidationError, match="frozen"):
        setattr(noun.model_construct(), field, "something else")


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.__name__)
def test_a_noun_takes_no_field_it_does_not_know(noun):
    with pytest.raises(ValidationError) as caught:
        noun.model_validate({"invented": 1})

    assert ("extra_forbidden", ("invented",)) in [
        (e["type"], e["loc"]) for e in caught.value.errors()
    ]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.__name__)
def test_a_row_has_a_column_for_all_its_noun_knows(row):
    noun = next(base for base in row.__mro__ if base in NOUNS)

    assert set(noun.model_fields) <= set(row.__table__.columns.keys())


@pytest.mark.parametrize("value", [-1.01, 5, "five"])
def test_a_vote_beyond_the_scale_is_refused(value):
    with pytest.raises(ValidationError, match="value"):
        VoteEvent(
            ballot_id="b", voter="u", subject="1", mark="r:+1", op="cast", value=value,
            via="form", at=T0, received_at=T0,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "is_final", "is_moving"),
    [
        ("queued", False, True),
        ("training", False, True),
        ("asking", False, True),
        ("paused", False, False),
        ("finished", True, False),
        ("stopped", True, False),
        ("failed", True, False),
    ],
)
def test_a_run_knows_whether_it_moves_or_has_ended(state, is_final, is_moving):
    assert (RunState(state).is_final, RunState(state).is_moving) == (is_final, is_moving)


def test_a_store_hands_out_nouns_never_rows(store):
    run = new_run(store)

    (arm, _) = store.runs.arms(run.run_id)
    assert type(store.runs.get(run.run_id)) is Run
    assert type(arm.state) is ArmState


def test_a_time_comes_back_as_the_same_moment_in_aware_utc(store):
    """Whatever the zone it was given in, and whatever zone the database answers in."""
    moment = datetime(2026, 11, 23, 17, 30, 0, 123456, tzinfo=INDIA)
    run = new_run(store, now=moment)
    (ballot,) = ask(store, run=run)
    event = cast(ballot, "memory:ana", at=moment, received_at=moment)
    store.votes.add([event])
    store.ledger.add([reading(0, 1.0, started_at=moment)])

    stored = store.runs.get(run.run_id)
    times = [
        stored.created_at,
        store.votes.events(ballot.ballot_id)[0].at,
        store.votes.current([ballot.ballot_id])[0].at,
        store.ledger.of_run("r1")[0].started_at,
    ]
    assert [(t, t.tzinfo) for t in times] == [(moment, UTC)] * 4
    assert times[0].hour == 12


def test_a_time_without_a_zone_is_refused_not_guessed(store):
    with pytest.raises(StatementError, match="timezone"):
        new_run(store, now=datetime(2026, 11, 23, 12, 0))  # noqa: DTZ001 -- that is the point
