"""Events to votes, and what a snapshot says that no event did."""

from hypothesis import given
from hypothesis import strategies as st

from adapters import base
from bot.votes import CONFLICT, changes, hear, is_too_late, reconcile
from storage.models import VoteOp
from tests.bot.cards import (
    REF,
    at,
    feature_ballot,
    reacted,
    replied,
    sample_ballot,
    took_back,
    which_ballot,
)

BALLOT = sample_ballot()


def heard(event, standing=(), ballot=BALLOT):
    return hear(event, ballot, standing, at(2)).events


def snapshot(reactions=None, replies=(), *, complete=True, asked=50):
    reactions = reactions or {}
    names = {"+1": "up", "-1": "down", "+1::3": "up", "eyes": None, "1": "one", "2": "two"}
    return base.Snapshot(
        reactions={raw: frozenset(users) for raw, users in reactions.items()},
        canonical={raw: names[raw] for raw in reactions},
        replies=replies,
        is_complete=complete,
        asked_at=at(asked),
    )


def test_a_thumb_is_a_vote():
    (event,) = heard(reacted("u:ana", "+1", "up"))

    assert (event.voter, event.subject, event.value, event.answer) == ("u:ana", "1", 1.0, "yes")
    assert event.mark == "r:+1"


def test_an_emoji_without_a_meaning_is_no_vote():
    assert heard(reacted("u:ana", "eyes", None)) == ()


def test_can_t_tell_abstains_and_is_kept():
    (event,) = heard(reacted("u:ana", "shrug", "unsure"))

    assert event.value is None
    assert event.answer == "unsure"


def test_taking_one_of_two_thumbs_back_withdraws_that_mark_alone():
    plain, toned = heard(reacted("u:ana", "+1", "up")), heard(reacted("u:ana", "+1::3", "up"))

    (gone,) = heard(took_back("u:ana", "+1", "up", 5), [*plain, *toned])

    assert (gone.op, gone.mark) == (VoteOp.WITHDRAWN, "r:+1")


def stands(events, ballot=BALLOT):
    """What the view says once these events came in, in this order."""
    given = []
    for event in events:
        given += hear(event, ballot, _standing(given), at(9)).events
    return {(m.voter, m.subject): m.answer for m in _standing(given)}


def _standing(events):
    """As the view folds them: by time, then by order of arrival."""
    last = {}
    for mark in sorted(enumerate(events), key=lambda pair: (pair[1].at, pair[0])):
        last[mark[1].voter, mark[1].subject, mark[1].mark] = mark[1]
    return [mark for mark in last.values() if mark.op is VoteOp.CAST]


@given(st.permutations(range(4)))
def test_the_order_in_which_news_of_thumbs_arrives_does_not_matter(order):
    events = [
        reacted("u:ana", "+1", "up", 1),
        took_back("u:ana", "+1", "up", 2),
        reacted("u:ana", "+1", "up", 3),
        reacted("u:bo", "-1", "down", 2),
    ]

    found = stands([events[i] for i in order])
    assert found == {("u:ana", "1"): "yes", ("u:bo", "1"): "no"}


def test_a_removal_that_arrives_before_its_thumb_counts():
    thumb, gone = reacted("u:ana", "+1", "up", 1), took_back("u:ana", "+1", "up", 2)

    assert stands([gone, thumb]) == {}
    assert heard(took_back("u:ana", "eyes", None, 5)) == ()


def test_a_moderator_clears_everybodys_marks_of_one_emoji():
    standing = [
        *heard(reacted("u:ana", "+1", "up")),
        *heard(reacted("u:bo", "+1", "up")),
        *heard(reacted("u:bo", "-1", "down")),
    ]
    event = base.ReactionsCleared(
        event_id="c", user="u:mod", at=at(9), ref=REF, emoji=base.Emoji(raw="+1", canonical="up")
    )

    assert [(e.voter, e.mark) for e in heard(event, standing)] == [
        ("u:ana", "r:+1"),
        ("u:bo", "r:+1"),
    ]


def test_an_edited_reply_replaces_all_it_said():
    ballot = feature_ballot("refund", "typo")
    first = heard(replied("u:ana", "refund 5, typo 1"), ballot=ballot)
    edited = base.ReplyEdited(
        event_id="e", user="u:ana", at=at(9), ref=REF, reply_id="7", text="refund 2"
    )

    events = heard(edited, first, ballot)

    assert [(e.op, e.subject, e.answer) for e in events] == [
        (VoteOp.WITHDRAWN, "B", "1"),
        (VoteOp.CAST, "A", "2"),
    ]


def test_a_deleted_reply_withdraws_all_it_said():
    ballot = feature_ballot("refund", "typo")
    first = heard(replied("u:ana", "refund 5, typo 1"), ballot=ballot)
    deleted = base.ReplyDeleted(event_id="d", user="u:ana", at=at(9), ref=REF, reply_id="7")

    events = heard(deleted, first, ballot)

    assert {(e.op, e.subject) for e in events} == {(VoteOp.WITHDRAWN, "A"), (VoteOp.WITHDRAWN, "B")}


def test_a_reply_whose_author_nobody_names_is_withdrawn_all_the_same():
    ballot = feature_ballot("refund", "typo")
    standing = heard(replied("u:ana", "refund 5"), ballot=ballot)
    deleted = base.ReplyDeleted(event_id="d", user="u:bot", at=at(9), ref=REF, reply_id="7")
    elsewhere = deleted.model_copy(update={"user": "v:bot"})

    assert [(e.op, e.voter) for e in heard(deleted, standing, ballot)] == [
        (VoteOp.WITHDRAWN, "u:ana")
    ]
    assert heard(elsewhere, standing, ballot) == ()


def test_buttons_and_forms_are_votes_of_their_own_kind():
    pressed = base.ButtonPressed(event_id="b", user="u:ana", at=at(1), ref=REF, choice="no")
    form = base.FormSubmitted(
        event_id="f", user="u:ana", at=at(1), ref=REF, values={"A": "5", "B": "0", "Z": "3"}
    )

    (button,) = heard(pressed)
    levels = heard(form, ballot=feature_ballot("refund", "typo"))

    assert (button.value, button.mark) == (-1.0, "button")
    assert [(e.subject, e.value) for e in levels] == [("A", 1.0), ("B", 0.0)]


def test_an_invented_choice_is_no_vote():
    pressed = base.ButtonPressed(event_id="b", user="u:ana", at=at(1), ref=REF, choice="9:yes")

    assert heard(pressed) == ()


def test_a_snapshot_finds_what_was_missed_and_what_went():
    standing = heard(reacted("u:ana", "-1", "down"))

    events = reconcile(snapshot({"+1": {"u:bo"}}), BALLOT, standing, at(60))

    assert [(e.op, e.voter, e.source) for e in events] == [
        (VoteOp.WITHDRAWN, "u:ana", "snapshot"),
        (VoteOp.CAST, "u:bo", "snapshot"),
    ]


def test_an_incomplete_snapshot_withdraws_nothing():
    standing = heard(reacted("u:ana", "-1", "down"))

    events = reconcile(snapshot({"+1": {"u:bo"}}, complete=False), BALLOT, standing, at(60))

    assert [(e.op, e.voter) for e in events] == [(VoteOp.CAST, "u:bo")]


def test_a_vote_newer_than_the_snapshot_is_left_alone():
    standing = hear(reacted("u:ana", "+1", "up", 55), BALLOT, (), at(55)).events

    assert reconcile(snapshot({}, asked=50), BALLOT, standing, at(60)) == ()


def test_a_snapshot_never_touches_buttons():
    pressed = base.ButtonPressed(event_id="b", user="u:ana", at=at(1), ref=REF, choice="yes")
    standing = hear(pressed, BALLOT, (), at(1)).events

    assert reconcile(snapshot({}), BALLOT, standing, at(60)) == ()


def test_both_signs_without_an_order_abstain_until_one_goes():
    both = reconcile(snapshot({"+1": {"u:ana"}, "-1": {"u:ana"}}), BALLOT, (), at(60))
    conflict = [e for e in both if e.mark == CONFLICT]

    later = reconcile(snapshot({"+1": {"u:ana"}}, asked=70), BALLOT, both, at(80))

    assert [e.value for e in conflict] == [None]
    assert {(e.op, e.mark) for e in later} == {
        (VoteOp.WITHDRAWN, CONFLICT),
        (VoteOp.WITHDRAWN, "r:-1"),
    }


def test_signs_that_we_saw_come_one_after_the_other_are_no_conflict():
    standing = [
        *heard(reacted("u:ana", "-1", "down", 1)),
        *heard(reacted("u:ana", "+1", "up", 2)),
    ]

    assert reconcile(snapshot({"+1": {"u:ana"}, "-1": {"u:ana"}}), BALLOT, standing, at(60)) == ()


def test_a_sign_that_was_missed_may_be_older_than_the_one_we_saw():
    standing = heard(reacted("u:ana", "+1", "up", 2))

    events = reconcile(snapshot({"+1": {"u:ana"}, "-1": {"u:ana"}}), BALLOT, standing, at(60))

    assert {e.mark for e in events} == {"r:-1", CONFLICT}
    again = reconcile(
        snapshot({"+1": {"u:ana"}, "-1": {"u:ana"}}, asked=70), BALLOT, [*standing, *events], at(80)
    )
    assert again == ()


def test_a_number_or_a_press_chooses_a_label():
    ballot = which_ballot()
    pressed = base.ButtonPressed(event_id="b", user="u:ana", at=at(1), ref=REF, choice="#3")

    (number,) = heard(reacted("u:ana", "1", "one"), ballot=ballot)
    (button,) = heard(pressed, ballot=ballot)

    assert (number.answer, number.value) == ("#1", 1.0)
    assert (button.answer, button.value) == ("#3", -1.0)


def test_a_thumb_says_nothing_on_which_of_these_but_that_none_fits():
    ballot = which_ballot()

    assert heard(reacted("u:ana", "+1", "up"), ballot=ballot) == ()
    assert [e.answer for e in heard(reacted("u:ana", "-1", "down"), ballot=ballot)] == ["none"]


def test_two_labels_without_an_order_abstain_though_both_speak_against_the_given_one():
    ballot = which_ballot(given="lost_card")

    both = reconcile(snapshot({"1": {"u:ana"}, "2": {"u:ana"}}), ballot, (), at(60))

    assert {e.mark for e in both} == {"r:1", "r:2", CONFLICT}


def test_an_edit_that_no_event_told_of_is_found_in_the_snapshot():
    ballot = feature_ballot("refund", "typo")
    standing = hear(replied("u:ana", "refund 5"), ballot, (), at(1)).events
    edited = base.Reply(reply_id="7", user="u:ana", text="refund 2", at=at(10))

    events = reconcile(snapshot(replies=(edited,)), ballot, standing, at(60))

    assert [(e.op, e.subject, e.answer) for e in events] == [(VoteOp.CAST, "A", "2")]


@given(
    st.dictionaries(
        st.sampled_from(["+1", "-1", "+1::3"]),
        st.sets(st.sampled_from(["u:a", "u:b", "u:c"])),
    )
)
def test_after_a_complete_snapshot_what_stands_is_what_the_platform_shows(reactions):
    before = [*heard(reacted("u:a", "+1", "up")), *heard(reacted("u:b", "-1", "down"))]

    events = reconcile(snapshot(reactions), BALLOT, before, at(60))

    standing = {(e.voter, e.mark) for e in before}
    for event in events:
        key = (event.voter, event.mark)
        if event.op is VoteOp.CAST:
            standing.add(key)
        else:
            standing.discard(key)
    shown = {(user, f"r:{raw}") for raw, users in reactions.items() for user in users}
    assert {key for key in standing if key[1] != CONFLICT} == shown
    assert reconcile(snapshot(reactions), BALLOT, [], at(60)) is not None


def test_late_news_of_what_is_known_changes_nothing():
    (thumb,) = heard(reacted("u:ana", "+1", "up"))
    (other,) = heard(reacted("u:ana", "-1", "down"))
    (gone,) = heard(took_back("u:ana", "+1", "up", 5), [thumb])

    assert not changes([thumb], [thumb])
    assert changes([other], [thumb])
    assert changes([gone], [thumb])
    assert not changes([gone], [])
    assert not changes([], [thumb])


def test_late_is_what_happened_after_the_close_or_was_seen_by_nobody():
    (thumb,) = heard(reacted("u:ana", "+1", "up", 5))
    pressed = base.ButtonPressed(event_id="b", user="u:ana", at=at(5), ref=REF, choice="yes")
    (press,) = heard(pressed)

    assert not is_too_late([thumb], [], at(6))
    assert is_too_late([thumb], [], at(4))
    assert is_too_late([press], [], at(6))
    assert not is_too_late([thumb], [thumb], at(4))
    assert is_too_late([thumb], [], None)
