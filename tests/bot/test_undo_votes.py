"""What a command took back stays taken back, whatever stands on the card, until its person moves."""

from __future__ import annotations

from adapters import base
from bot.votes import hear, reconcile, undo
from storage.models import VoteOp
from tests.bot.cards import at, reacted, replied, sample_ballot, took_back

ANA = "memory:ana"


def snapshot(*reactions, replies=(), second=100, is_complete=True):
    return base.Snapshot(
        reactions={raw: frozenset(users) for raw, users in reactions},
        canonical={raw: raw.partition("::")[0] for raw, _ in reactions},
        replies=replies,
        is_complete=is_complete,
        asked_at=at(second),
    )


def cast(*events):
    """The marks of some events on one card, and the same once a command took them back."""
    ballot = sample_ballot()
    marks = [e for event in events for e in hear(event, ballot, [], at(1)).events]
    return ballot, marks, undo(marks, at(50))


def test_a_mark_that_still_stands_does_not_come_back():
    ballot, _, undone = cast(reacted(ANA, "up", "up"))

    assert [(e.op, e.source) for e in undone] == [(VoteOp.WITHDRAWN, "undo")]
    assert reconcile(snapshot(("up", {ANA})), ballot, [], at(101), undone) == ()


def test_without_knowing_of_the_command_it_would():
    """The check above can fail."""
    ballot, _, _ = cast(reacted(ANA, "up", "up"))

    assert len(reconcile(snapshot(("up", {ANA})), ballot, [], at(101))) == 1


def test_a_mark_that_went_is_a_mark_like_others_from_then_on():
    ballot, _, undone = cast(reacted(ANA, "up", "up"))

    (gone,) = reconcile(snapshot(), ballot, [], at(101), undone)

    assert (gone.op, gone.source, gone.mark) == (VoteOp.WITHDRAWN, "snapshot", "r:up")
    assert not gone.is_undone


def test_a_snapshot_that_lacks_people_says_nothing_of_what_went():
    ballot, _, undone = cast(reacted(ANA, "up", "up"))

    assert reconcile(snapshot(is_complete=False), ballot, [], at(101), undone) == ()


def test_taking_the_reaction_away_ends_it_at_once():
    ballot, _, undone = cast(reacted(ANA, "up", "up"))

    (gone,) = hear(took_back(ANA, "up", "up", 60), ballot, [], at(60)).events

    assert gone.op is VoteOp.WITHDRAWN
    assert gone.at > undone[0].at
    assert not gone.is_undone


def test_another_answer_counts_and_does_not_contradict_what_was_taken_back():
    ballot, _, undone = cast(reacted(ANA, "up", "up"))
    down = hear(reacted(ANA, "down", "down", 60), ballot, [], at(60)).events

    assert reconcile(snapshot(("up", {ANA}), ("down", {ANA})), ballot, down, at(101), undone) == ()
    (found,) = reconcile(snapshot(("up", {ANA}), ("down", {ANA})), ballot, [], at(101), undone)
    assert (found.mark, found.answer, found.op) == ("r:down", "no", VoteOp.CAST)


def test_an_edited_reply_counts_again_one_that_stands_does_not():
    ballot, _, undone = cast(replied(ANA, "no"))
    same = base.Reply(reply_id="7", user=ANA, text="no", at=at(0))
    edited = same.model_copy(update={"text": "yes"})

    assert reconcile(snapshot(replies=(same,)), ballot, [], at(101), undone) == ()
    (again,) = reconcile(snapshot(replies=(edited,)), ballot, [], at(101), undone)
    assert (again.answer, again.op) == ("yes", VoteOp.CAST)


def test_marks_of_others_are_as_they_were():
    ballot, _, undone = cast(reacted(ANA, "up", "up"))

    (found,) = reconcile(snapshot(("up", {ANA, "memory:bo"})), ballot, [], at(101), undone)

    assert found.voter == "memory:bo"
