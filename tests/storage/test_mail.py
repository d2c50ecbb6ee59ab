"""The inbox keeps every event once; the outbox says everything once, in order, even after a crash."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from storage.models import OutboxKind, Posting
from storage.store.mail import LEASE, PATIENCE
from tests.storage.records import T0, at, edit, in_threads, item

LEASE_S = LEASE.total_seconds()


def claim(store, second=0.0):
    return store.mail.claim("memory", at(second))


def text_of(claimed):
    return None if claimed is None else claimed.payload["text"]


def put(store, *items):
    store.mail.enqueue(items, T0)


# --- in -----------------------------------------------------------------------------------------


def test_an_event_that_comes_twice_is_kept_once(store):
    first = store.mail.receive("slack", "Ev1", {"text": "ja 👍"}, at(0))
    again = store.mail.receive("slack", "Ev1", {"text": "something else"}, at(1))

    (kept,) = store.mail.unhandled()
    assert (first, again) == (True, False)
    assert (kept.payload, kept.received_at) == ({"text": "ja 👍"}, at(0))


def test_equal_event_ids_of_two_platforms_are_two_events(store):
    assert store.mail.receive("slack", "1", {}, at(0))
    assert store.mail.receive("discord", "1", {}, at(0))


def test_an_event_delivered_eight_times_at_once_is_new_once(store):
    new = in_threads(8, lambda _: store.mail.receive("slack", "Ev1", {}, at(0)))

    assert sorted(new) == [False] * 7 + [True]
    assert len(store.mail.unhandled()) == 1


def test_events_wait_in_the_order_they_came_until_they_are_handled(store):
    for name in ("b", "c", "a"):
        store.mail.receive("slack", name, {}, at(0))
    first = store.mail.unhandled()[0]

    store.mail.handled(first.id, at(1))

    assert first.event_id == "b"
    assert [event.event_id for event in store.mail.unhandled()] == ["c", "a"]
    assert [event.event_id for event in store.mail.unhandled(limit=1)] == ["c"]


def test_an_event_without_effect_is_handled_too(store):
    store.mail.receive("slack", "a", {}, at(0))

    store.mail.handled(store.mail.unhandled()[0].id, at(1), error="nobody knows this card")

    assert store.mail.unhandled() == []
    assert not store.mail.receive("slack", "a", {}, at(2))


# --- out: once ----------------------------------------------------------------------------------


def test_a_claimed_item_is_what_was_queued(store):
    queued = item("k", "Grüße 🎉", run_id="r1", ballot_id="b1")
    put(store, queued)

    claimed = claim(store)

    assert {name: getattr(claimed, name) for name in type(queued).model_fields} == dict(queued)
    assert (claimed.attempts, claimed.target_ref) == (1, None)


def test_a_key_queued_twice_is_said_once(store):
    put(store, item("k", "first"))
    put(store, item("k", "second"))

    first = claim(store)
    store.mail.sent(first, "memory:c:1")

    assert text_of(first) == "first"
    assert claim(store) is None
    assert store.mail.pending() == 0


def test_a_claimed_item_is_not_claimed_again_while_its_lease_lasts(store):
    put(store, item("k"))
    claim(store)

    assert claim(store, LEASE_S - 1) is None
    assert store.mail.pending() == 1


def test_an_item_whose_sender_crashed_is_claimed_again_as_a_second_attempt(url, open_store):
    """So the next sender looks on the platform before it posts."""
    store = open_store(url)
    put(store, item("k"))
    claim(store)

    again = open_store(url).mail.claim("memory", at(LEASE_S + 1))

    assert (again.key, again.attempts) == ("k", 2)


def test_a_sender_that_was_slow_and_its_successor_leave_one_posting(store):
    put(store, item("k", ballot_id="b1"))
    slow, successor = claim(store), claim(store, LEASE_S + 1)

    store.mail.sent(slow, "memory:c:1")
    store.mail.sent(successor, "memory:c:1")

    assert [p.ref for p in store.mail.postings("b1")] == ["memory:c:1"]
    assert claim(store, 2 * LEASE_S + 5) is None


def test_another_platforms_items_are_left_to_its_sender(store):
    put(store, item("a", platform="slack"), item("b"))

    assert claim(store).key == "b"
    assert claim(store) is None
    assert (store.mail.pending("slack"), store.mail.pending()) == (1, 2)


def test_two_senders_never_get_the_same_item(store):
    put(store, *(item(f"{channel}{n}", channel=channel) for n in range(10) for channel in "abcd"))

    def send(_):
        mine = []
        while store.mail.pending():
            claimed = claim(store)
            if claimed is not None:
                mine.append(claimed.key)
                store.mail.sent(claimed, f"memory:{claimed.channel}:{claimed.key}")
        return mine

    sent = Counter(key for keys in in_threads(4, send) for key in keys)

    assert sent == {f"{channel}{n}": 1 for n in range(10) for channel in "abcd"}


# --- out: in order ------------------------------------------------------------------------------


def test_items_go_out_in_the_order_they_were_queued(store):
    put(store, item("b"), item("a"))
    put(store, item("c"))
    keys = []
    while (claimed := claim(store)) is not None:
        store.mail.sent(claimed, f"memory:c:{claimed.key}")
        keys.append(claimed.key)

    assert keys == ["b", "a", "c"]


def test_a_later_item_of_a_channel_waits_for_the_one_under_way(store):
    """Its sender may have been stopped in the middle: the first has to go out first."""
    put(store, item("first"), item("second"), item("elsewhere", channel="d"))
    claim(store)

    keys = [found.key for found in (claim(store, 1), claim(store, 1)) if found]

    assert keys == ["elsewhere"]


def test_a_later_item_of_a_channel_waits_while_an_earlier_one_is_put_off(store):
    put(store, item("first"), item("second"), item("elsewhere", channel="d"))
    store.mail.retry(claim(store), at(10), "rate limited", counts=False)

    assert claim(store, 1).key == "elsewhere"
    assert claim(store, 1) is None
    assert claim(store, 10).key == "first"


def test_a_refused_item_does_not_hold_up_its_channel(store):
    put(store, item("first"), item("second"))
    store.mail.refused(claim(store), "too long")

    assert claim(store).key == "second"
    assert claim(store, LEASE_S + 1).key == "second"


# --- out: again ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "attempts"), [(True, 2), (False, 1)], ids=["failed", "asked to wait"]
)
def test_only_an_attempt_that_failed_is_counted(store, counts, attempts):
    put(store, item("k"))
    store.mail.retry(claim(store), at(5), "later", counts=counts)

    assert claim(store, 4) is None
    assert claim(store, 5).attempts == attempts


# --- out: edits ---------------------------------------------------------------------------------


@pytest.fixture
def posted(store):
    """A card that stands in the channel."""
    put(store, item("card", "old", ballot_id="b1"))
    store.mail.sent(claim(store), "memory:c:1")


def test_an_edit_waits_for_its_post_and_then_knows_where_it_stands(store):
    put(store, item("card"), edit("card", "new"))
    post = claim(store)
    before = claim(store, 1)
    store.mail.sent(post, "memory:c:1")

    after = claim(store, 1)
    assert before is None
    assert (after.kind, after.target_ref) == (OutboxKind.EDIT, "memory:c:1")


def test_a_thread_message_waits_for_its_post_and_then_knows_where_it_stands(store):
    put(store, item("card"), item("reply", kind=OutboxKind.SAY, target="card"))
    post = claim(store)
    before = claim(store, 1)
    store.mail.sent(post, "memory:c:1")

    assert before is None
    assert claim(store, 1).target_ref == "memory:c:1"


def test_a_whisper_waits_for_nobody(store):
    put(store, item("hint", kind=OutboxKind.WHISPER, target="memory:ana"))

    claimed = claim(store)
    assert (claimed.target, claimed.target_ref) == ("memory:ana", None)


@pytest.mark.usefixtures("posted")
def test_of_several_edits_only_the_newest_is_sent(store):
    for text in ("1 vote", "2 votes", "3 votes"):
        put(store, edit("card", text))

    assert store.mail.pending() == 1
    assert text_of(claim(store)) == "3 votes"


@pytest.mark.usefixtures("posted")
def test_an_edit_replaced_under_way_is_sent_again(store):
    put(store, edit("card", "1 vote"))
    under_way = claim(store)
    put(store, edit("card", "2 votes"))
    meanwhile = claim(store, 1)
    store.mail.sent(under_way, None)

    again = claim(store, 1)
    store.mail.sent(again, None)
    assert meanwhile is None
    assert text_of(again) == "2 votes"
    assert store.mail.pending() == 0


@pytest.mark.usefixtures("posted")
def test_an_edit_replaced_under_way_is_sent_even_if_the_old_one_was_refused(store):
    """What the platform refused is not what is to be shown now."""
    put(store, edit("card", "much too long"))
    under_way = claim(store)
    put(store, edit("card", "short"))
    store.mail.refused(under_way, "too long")

    assert text_of(claim(store, 1)) == "short"


@pytest.mark.usefixtures("posted")
def test_a_card_can_be_edited_after_its_last_edit_is_done(store):
    put(store, edit("card", "1 vote"))
    store.mail.sent(claim(store), None)

    put(store, edit("card", "2 votes"))

    claimed = claim(store)
    assert (text_of(claimed), claimed.attempts) == ("2 votes", 1)


def test_an_edit_of_what_was_never_queued_fails_and_holds_nothing_up(store):
    put(store, edit("nothing", "new"), item("next"))

    assert claim(store).key == "next"
    assert store.mail.pending() == 1  # the one under way


def test_an_edit_of_a_post_that_was_refused_fails(store):
    put(store, item("card"), edit("card", "new"))
    store.mail.refused(claim(store), "no such channel")

    assert claim(store) is None
    assert store.mail.pending() == 0


# --- where things stand -------------------------------------------------------------------------


@pytest.mark.usefixtures("posted")
def test_what_was_posted_can_be_found_by_its_place_and_by_its_ballot(store):
    posting = Posting(key="card", platform="memory", channel="c", ref="memory:c:1", ballot_id="b1")

    assert store.mail.posting_at("memory:c:1") == posting
    assert store.mail.postings("b1") == [posting]
    assert store.mail.posting_at("memory:c:2") is None


@pytest.mark.usefixtures("posted")
def test_an_edit_leaves_the_posting_alone(store):
    put(store, edit("card", "new"))
    store.mail.sent(claim(store), "memory:c:99")

    assert store.mail.posting_at("memory:c:99") is None
    assert [p.ref for p in store.mail.postings("b1")] == ["memory:c:1"]


def test_a_lease_is_longer_than_any_time_out_of_the_network():
    assert timedelta(seconds=20) < LEASE


# --- answers ------------------------------------------------------------------------------------


def test_an_answer_goes_before_what_was_queued_earlier(store):
    store.mail.enqueue([item("card:1"), item("card:2"), item("answer:1")], at(0))

    assert [claim(store).key for _ in range(1)] == ["answer:1"]


def test_an_answer_that_has_to_wait_holds_nobody_up(store):
    """It belongs into the thread of a message that is still to be posted."""
    answer = item("answer:1", kind=OutboxKind.SAY, target="head")
    store.mail.enqueue([item("head"), item("card:1"), answer], at(0))

    keys = []
    for n in range(3):
        taken = claim(store)
        keys.append(taken.key)
        store.mail.sent(taken, f"memory:c:{n}")

    assert keys == ["head", "answer:1", "card:1"]


# --- who said what ------------------------------------------------------------------------------


def note(key="heard:1", text="Ana said: status", **changes):
    return item(key, kind=OutboxKind.SAY, payload={"text": text, "pictures": []}, **changes)


def reworded(text, key="heard:1"):
    return item(f"edit:{key}", kind=OutboxKind.EDIT, target=key, payload={"said": text})


def test_who_said_what_goes_after_all_else_and_in_order(store):
    put(store, note(), note("denied:1"), item("card"), item("answer:1"))

    keys = []
    while (claimed := claim(store)) is not None:
        store.mail.sent(claimed, f"memory:c:{claimed.key}")
        keys.append(claimed.key)

    assert keys == ["answer:1", "card", "heard:1", "denied:1"]


def test_who_said_what_holds_nobody_up(store):
    put(store, note(), item("card"))
    store.mail.sent(claim(store), "memory:c:1")
    store.mail.retry(claim(store), at(10), "rate limited", counts=False)
    put(store, item("next"), edit("card", "new"))

    keys = [claim(store, 1).key]
    store.mail.sent(claim(store, LEASE_S + 2), "memory:c:2")
    keys.append(claim(store, LEASE_S + 2).key)

    assert keys == ["next", "edit:card"]


def test_a_line_that_grows_all_the_time_does_not_keep_a_card_from_its_new_count(store):
    """Its edit has the earlier row, however often it is queued."""
    put(store, note(), item("card"))
    for n in range(2):
        store.mail.sent(claim(store), f"memory:c:{n}")
    put(store, reworded("Ana said: status (2 times)"))
    put(store, edit("card", "1 vote"))

    assert claim(store).key == "edit:card"


def test_who_said_what_waits_for_a_quiet_moment_but_not_for_ever(store):
    put(store, note())
    patience_s = PATIENCE.total_seconds()

    assert store.mail.claim("memory", at(patience_s - 1), is_busy=True) is None
    assert store.mail.claim("memory", at(patience_s), is_busy=True).key == "heard:1"


def test_while_it_waits_for_a_quiet_moment_the_rest_goes_out(store):
    put(store, note(), item("card"))

    card = store.mail.claim("memory", at(0), is_busy=True)
    store.mail.sent(card, "memory:c:1")

    assert card.key == "card"
    assert claim(store).key == "heard:1"


def test_a_text_that_nobody_has_begun_to_send_takes_its_new_wording(store):
    put(store, note())
    for n in (2, 3):
        put(store, reworded(f"Ana said: status ({n} times)"))

    claimed = claim(store)
    assert store.mail.pending() == 1
    assert claimed.payload == {"text": "Ana said: status (3 times)", "pictures": []}


@pytest.mark.parametrize("is_put_off", [False, True], ids=["died", "was asked to wait"])
def test_a_text_whose_sender_died_or_waits_is_said_as_it_was_and_then_changed(store, is_put_off):
    """It may stand already: what the second attempt finds has the old wording."""
    put(store, note())
    under_way = claim(store)
    put(store, reworded("Ana said: status (2 times)"))
    if is_put_off:
        store.mail.retry(under_way, at(1), "rate limited", counts=False)
    put(store, reworded("Ana said: status (3 times)"))

    again = claim(store, LEASE_S + 1)
    store.mail.sent(again, "memory:c:1")
    change = claim(store, LEASE_S + 1)

    assert text_of(again) == "Ana said: status"
    assert change.payload == {"said": "Ana said: status (3 times)"}
    assert change.target_ref == "memory:c:1"
