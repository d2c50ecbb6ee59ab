"""One bot at a time, every appointment once, every command on record."""

from datetime import timedelta

import pytest

from storage.models import Grant
from tests.storage.records import at, edit, in_threads, item

TTL = timedelta(seconds=30)


def test_a_second_bot_is_refused_while_the_lease_is_fresh(store):
    assert store.upkeep.take_lease("bot", "a", at(0), TTL)

    assert not store.upkeep.take_lease("bot", "b", at(29), TTL)


def test_a_second_bot_takes_over_when_the_lease_has_run_out(store):
    store.upkeep.take_lease("bot", "a", at(0), TTL)

    assert store.upkeep.take_lease("bot", "b", at(30), TTL)
    assert not store.upkeep.take_lease("bot", "a", at(31), TTL)


def test_a_holder_that_renews_keeps_its_lease(store):
    store.upkeep.take_lease("bot", "a", at(0), TTL)

    assert store.upkeep.take_lease("bot", "a", at(20), TTL)
    assert not store.upkeep.take_lease("bot", "b", at(49), TTL)


def test_a_lease_given_up_is_free_at_once(store):
    store.upkeep.take_lease("bot", "a", at(0), TTL)

    store.upkeep.give_up_lease("bot", "a")

    assert store.upkeep.take_lease("bot", "b", at(1), TTL)


def test_nobody_gives_up_another_ones_lease(store):
    store.upkeep.take_lease("bot", "a", at(0), TTL)

    store.upkeep.give_up_lease("bot", "b")

    assert not store.upkeep.take_lease("bot", "b", at(1), TTL)


def test_leases_of_different_names_do_not_meet(store):
    store.upkeep.take_lease("bot", "a", at(0), TTL)

    assert store.upkeep.take_lease("host", "b", at(1), TTL)


def test_of_eight_bots_that_start_together_one_gets_the_lease(store):
    taken = in_threads(8, lambda i: store.upkeep.take_lease("bot", f"bot-{i}", at(0), TTL))

    assert sorted(taken) == [False] * 7 + [True]


def test_a_scheduled_thing_is_done_once(store):
    first = store.upkeep.once("daily:2026-11-23", at(0), [item("summary-1")])
    second = store.upkeep.once("daily:2026-11-23", at(9), [item("summary-2")])

    assert (first, second) == (True, False)
    assert store.mail.pending() == 1
    assert store.mail.claim("memory", at(9)).key == "summary-1"


def test_of_eight_that_do_it_together_one_does_it(store):
    done = in_threads(8, lambda i: store.upkeep.once("daily", at(0), [item(f"summary-{i}")]))

    assert sorted(done) == [False] * 7 + [True]
    assert store.mail.pending() == 1


def test_a_scheduled_thing_whose_words_could_not_be_queued_was_not_done(store):
    """Both are one transaction: what is said goes out, or it is tried again."""
    broken = edit("card", "x").model_copy(update={"payload": {"not": {"a", "json", "value"}}})

    with pytest.raises(Exception, match="not JSON serializable"):
        store.upkeep.once("daily", at(0), [item("summary"), broken])

    assert store.mail.pending() == 0
    assert store.upkeep.once("daily", at(1))


def test_commands_are_kept_allowed_or_not_oldest_first(store):
    for words, is_allowed in (("status", True), ("stop r1", False), ("status", True)):
        store.upkeep.audit(
            at=at(0), member_id="memory:ana", words=words, run_id=None, is_allowed=is_allowed,
            answer="there",
        )  # fmt: skip

    assert store.upkeep.commands() == [
        ("memory:ana", "status", True),
        ("memory:ana", "stop r1", False),
        ("memory:ana", "status", True),
    ]


def test_a_role_given_in_chat_replaces_the_one_before_and_can_be_taken_back(store):
    for role in ("voter", "operator"):
        store.upkeep.grant(Grant(member_id="slack:U1", role=role, granted_by="web:ana", at=at(0)))

    assert [(g.member_id, g.role) for g in store.upkeep.grants()] == [("slack:U1", "operator")]
    assert store.upkeep.withdraw("slack:U1")
    assert not store.upkeep.withdraw("slack:U1")
    assert store.upkeep.grants() == []


def test_what_was_done_is_known_by_its_keys(store):
    store.upkeep.once("energy:a", at(0))

    assert store.upkeep.done({"energy:a", "energy:b"}) == ["energy:a"]
    assert store.upkeep.done(set()) == []
