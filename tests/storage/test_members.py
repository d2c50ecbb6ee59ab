"""Who wants to be left alone is; who is forgotten is found in no byte, and counts as before."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from storage.models import Grant, Member, OutboxKind, RunState
from tests.storage.records import ask, at, cast, item, new_run

ZOE = Member(
    member_id="memory:zoequx",
    person_id="memory:zoequx",
    name="Zoë Quixote",
    timezone="Pacific/Chatham",
)
OTHER = Member(member_id="memory:zoequxa", person_id="memory:zoequxa", name="Zoë Quixotea")


def pseudonyms():
    numbers = itertools.count(1)
    return lambda: f"gone-{next(numbers)}"


def test_opting_out_holds_for_all_accounts_of_a_person_until_they_come_back(store):
    store.votes.join("memory:ana", "slack:U1")

    store.members.opt_out("slack:U1", at(1))
    out = {m.member_id: m.opted_out_at for m in store.votes.members().values()}
    store.members.opt_in("memory:ana")

    assert out == {"memory:ana": at(1), "slack:U1": at(1)}
    assert all(m.opted_out_at is None for m in store.votes.members().values())


def test_somebody_who_never_voted_can_opt_out(store):
    store.members.opt_out("memory:new", at(1))

    assert store.votes.members()["memory:new"].opted_out_at == at(1)


def leave_traces(store):
    """A person who left traces everywhere, beside one whose id and name begin alike."""
    run = new_run(store, who=ZOE.member_id)
    store.runs.move(
        run.run_id, RunState.TRAINING, who=ZOE.member_id, why="started by memory:zoequx", now=at(0)
    )
    (ballot,) = ask(store, run=run)
    for who in (ZOE, OTHER):
        store.votes.met(who)
        store.votes.add([cast(ballot, who.member_id)])
        event = {"kind": "thread_reply", "user": who.member_id, "user_name": who.name, "text": "hi"}
        store.mail.receive("memory", f"e:{who.member_id}", event, at(1))
    once = {"kind": "command", "user": ZOE.member_id, "user_name": "Zed Earlier", "words": "stop"}
    store.mail.receive("memory", "e0", once, at(1))
    mention = {"kind": "command", "user": "memory:bo", "words": "undo memory:zoequx"}
    store.mail.receive("memory", "e3", mention, at(1))
    store.mail.enqueue(
        [
            item("blind:b:memory:zoequx", kind=OutboxKind.WHISPER, target=ZOE.member_id),
            item("once", "Zed Earlier said “stop”."),
            item("said", "Zoë Quixote said “stop” to Zoë Quixotea, memory:zoequxa."),
        ],
        at(1),
    )
    store.upkeep.audit(
        at=at(1), member_id=ZOE.member_id, words="start x", run_id=None, is_allowed=True,
        answer="Run r1 started by memory:zoequx.",
    )  # fmt: skip
    store.upkeep.grant(Grant(member_id=ZOE.member_id, role="voter", granted_by="x", at=at(1)))
    store.upkeep.grant(
        Grant(member_id="memory:bo", role="voter", granted_by=ZOE.member_id, at=at(1))
    )
    return ballot


@pytest.fixture
def traces(store):
    return leave_traces(store)


def finish(store, ballot):
    """Everything is dealt with and sent, and the round is closed."""
    for event in store.mail.unhandled():
        store.mail.handled(event.id, at(2))
    while (claimed := store.mail.claim("memory", at(2))) is not None:
        store.mail.sent(claimed, "memory:c:1", at(2))
    store.votes.begin_closing(ballot.round_id, "quorum", at(3))
    store.votes.close(ballot.round_id, {"votes": 2}, at(3), [])


def dump(store):
    """Every value of every table, as text."""
    from sqlmodel import SQLModel

    with store.runs._transactions.read() as connection:
        rows = [r for t in SQLModel.metadata.sorted_tables for r in connection.execute(t.select())]
    return "\n".join(str(tuple(row)) for row in rows)


def test_a_forgotten_person_is_in_no_table_and_others_are_as_they_were(store, traces):
    finish(store, traces)
    store.members.ask_to_leave(ZOE.member_id, at(4))
    before = dump(store)

    (person,) = store.members.leaving()
    assert store.members.forget(person, pseudonyms())

    text = dump(store)
    assert before.count("zoequx'") > 5
    assert "zoequx'" not in text
    assert "zoequx" not in text.replace("zoequxa", "")
    assert "Quixote" not in text.replace("Quixotea", "")
    assert "Zed Earlier" not in text
    assert "Chatham" not in text
    assert text.count("zoequxa") == before.count("zoequxa")
    assert "somebody said “stop” to Zoë Quixotea, memory:zoequxa." in text
    assert [g.member_id for g in store.upkeep.grants()] == ["memory:bo"]
    assert store.members.leaving() == []


def test_what_is_counted_stays_the_same_and_one_person_s_votes_one_person_s(store, traces):
    store.votes.join("memory:zoequx", "memory:second")
    store.votes.add([cast(traces, "memory:second", -1.0, second=5)])
    finish(store, traces)
    store.members.ask_to_leave(ZOE.member_id, at(6))
    before = store.votes.current([traces.ballot_id])

    store.members.forget(store.members.leaving()[0], pseudonyms())

    after = store.votes.current([traces.ballot_id])
    assert sorted(v.value for v in after) == sorted(v.value for v in before) == [-1.0, 1.0]
    people = {v.voter: v.person for v in after}
    assert len(set(people.values())) == 2
    assert sum(voter.startswith("memory:gone-") for voter in people) == 1


def test_open_cards_and_mail_under_way_are_waited_for(store, traces):
    store.members.ask_to_leave(ZOE.member_id, at(2))

    assert store.members.waits_for(ZOE.member_id)
    assert not store.members.forget(ZOE.member_id, pseudonyms())

    finish(store, traces)
    store.mail.enqueue([item("late", kind=OutboxKind.WHISPER, target=ZOE.member_id)], at(9))
    assert not store.members.waits_for(ZOE.member_id)
    assert not store.members.forget(ZOE.member_id, pseudonyms())

    store.mail.sent(store.mail.claim("memory", at(9)), None)
    assert store.members.forget(ZOE.member_id, pseudonyms())


def test_no_byte_of_the_file_tells_of_them(migrated_sqlite, tmp_path, open_store):
    """What was replaced may linger in pages nobody uses and in the log: both are written anew."""
    path = tmp_path / "joulery.db"
    path.write_bytes(Path(migrated_sqlite).read_bytes())
    store = open_store(f"sqlite:///{path}")
    finish(store, leave_traces(store))
    store.members.ask_to_leave(ZOE.member_id, at(4))
    before = held(path).replace(b"zoequxa", b"")
    assert b"zoequx" in before
    assert b"Quixote" in before

    store.members.forget(store.members.leaving()[0], pseudonyms())

    left = held(path).replace(b"zoequxa", b"").replace(b"Quixotea", b"")
    assert b"zoequx" not in left
    assert b"Quixote" not in left


def held(path):
    return b"".join(p.read_bytes() for p in path.parent.glob("joulery.db*"))


def test_a_clock_is_as_the_platform_says_until_somebody_says_otherwise(store):
    def says(timezone):
        store.votes.met(ZOE.model_copy(update={"timezone": timezone, "locale": "de"}))
        known = store.votes.members()[ZOE.member_id]
        return known.timezone, known.locale

    assert says("Europe/Berlin") == ("Europe/Berlin", "de")
    assert says("Asia/Tokyo") == ("Asia/Tokyo", "de")  # on the road
    assert says(None) == ("Asia/Tokyo", "de")

    store.members.set_clock(ZOE.member_id, at(1), timezone="UTC")
    assert says("Europe/Berlin") == ("UTC", "de")
    store.members.set_clock(ZOE.member_id, at(2))
    assert says("Europe/Berlin") == ("Europe/Berlin", "de")


def test_a_clock_holds_for_all_accounts_of_a_person(store):
    store.votes.join("memory:ana", "slack:U1")

    store.members.set_clock("slack:U1", at(1), locale="fr")

    assert store.votes.members()["memory:ana"].locale == "fr"
