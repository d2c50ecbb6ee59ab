"""Slack's payloads become events, and what is nobody's becomes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.base import CardDeleted, CommandInvoked, ReplyDeleted, ReplyEdited, ThreadReply
from adapters.slack.payloads import Own, read_event, read_reply

OWN = Own("U0BOT", "B0BOT")
SAID = {"type": "message", "channel": "C1", "user": "UANA", "ts": "5.1", "event_ts": "5.1"}
REPLY = SAID | {"thread_ts": "1.0", "text": "refund 5"}
CARD = {"ts": "1.0", "user": "U0BOT", "bot_id": "B0BOT", "text": "card"}


def read(event: dict[str, Any]) -> Any:
    return read_event({"event_id": "Ev1", "event": event}, OWN)


def changed(subtype: str, **parts: Any) -> dict[str, Any]:
    return {
        "type": "message",
        "subtype": subtype,
        "channel": "C1",
        "ts": "9.0",
        "event_ts": "9.0",
        **parts,
    }


@pytest.mark.parametrize("subtype", [None, "file_share", "thread_broadcast"])
def test_what_a_person_says_in_a_thread_is_a_reply(subtype: str | None) -> None:
    event = read(REPLY | ({"subtype": subtype} if subtype else {}))

    assert isinstance(event, ThreadReply)
    assert (event.user, str(event.ref), event.reply_id) == ("slack:UANA", "slack:C1:1.0", "5.1")


@pytest.mark.parametrize(
    "event",
    [
        SAID | {"text": "good morning"},
        REPLY | {"bot_id": "B9", "subtype": "bot_message"},
        REPLY | {"bot_id": "B9"},
        REPLY | {"user": "U0BOT", "bot_id": "B0BOT"},
        SAID | {"subtype": "channel_join", "text": "joined"},
        changed("message_changed", message=CARD | {"text": "new"}, previous_message=CARD),
        changed(
            "message_changed",
            message=REPLY | {"attachments": [{"title": "a page"}]},
            previous_message=REPLY,
        ),
        changed("message_deleted", previous_message=SAID),
        changed("message_deleted", previous_message=REPLY | {"user": "U9", "bot_id": "B9"}),
        changed("message_deleted"),
        REPLY | {"parent_user_id": "UBO"},
        {
            "type": "reaction_added", "user": "UANA", "reaction": "+1", "event_ts": "1.1",
            "item": {"type": "message", "channel": "C1", "ts": "1.0"}, "item_user": "UBO",
        },
        {
            "type": "reaction_added", "user": "U0BOT", "reaction": "+1", "event_ts": "1.1",
            "item": {"type": "message", "channel": "C1", "ts": "1.0"},
        },
        {
            "type": "reaction_added", "user": "UANA", "reaction": "+1", "event_ts": "1.1",
            "item": {"type": "file", "file": "F1"},
        },
        {
            "type": "app_home_opened", "user": "UANA", "tab": "messages", "channel": "D1",
            "event_ts": "1.1",
        },
    ],
    ids=[
        "small talk", "a bot's message", "an app's message", "our own message", "joining",
        "our own edit", "a link's preview", "a deleted text outside threads",
        "a bot's deleted reply", "a deletion of nothing", "a reply to somebody else",
        "a reaction to somebody else", "our own reaction", "a file's reaction",
        "another tab",
    ],
)  # fmt: skip
def test_what_is_nobodys_business_says_nothing(event: dict[str, Any]) -> None:
    assert read(event) is None


def test_an_edit_carries_the_new_words_and_when() -> None:
    now = REPLY | {"text": "refund 2", "edited": {"user": "UANA", "ts": "9.0"}}

    event = read(changed("message_changed", message=now, previous_message=REPLY))

    assert isinstance(event, ReplyEdited)
    assert (event.reply_id, event.text, event.at.timestamp()) == ("5.1", "refund 2", 9.0)


def test_a_deleted_reply_is_withdrawn() -> None:
    event = read(changed("message_deleted", previous_message=REPLY, deleted_ts="5.1"))

    assert isinstance(event, ReplyDeleted)
    assert (event.reply_id, str(event.ref)) == ("5.1", "slack:C1:1.0")


def test_our_own_card_deleted_is_told_with_replies_or_without() -> None:
    bare = read(changed("message_deleted", previous_message=CARD, deleted_ts="1.0"))
    tombstone = CARD | {"subtype": "tombstone", "user": "USLACKBOT"}
    with_replies = read(
        changed("message_changed", message=tombstone, previous_message=CARD | {"thread_ts": "1.0"})
    )

    assert isinstance(bare, CardDeleted)
    assert isinstance(with_replies, CardDeleted)
    assert str(bare.ref) == str(with_replies.ref) == "slack:C1:1.0"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<@U0BOT> pause r3", "pause r3"),
        ("  <@U0BOT>stop", "stop"),
        ("<@U0BOT>", ""),
        ("<@U0BOT> start a&amp;b", "start a&b"),
    ],
)
def test_a_mention_gives_a_command_in_a_thread_and_outside(text: str, words: str) -> None:
    inside, outside = read(REPLY | {"text": text}), read(SAID | {"text": text})

    assert isinstance(inside, CommandInvoked)
    assert isinstance(outside, CommandInvoked)
    assert (inside.words, inside.ref.message) == (words, "1.0")
    assert (outside.words, outside.ref.message) == (words, "")


def test_a_mention_of_somebody_else_is_talk() -> None:
    assert isinstance(read(REPLY | {"text": "<@UBO> stop"}), ThreadReply)


def test_a_reply_dates_from_its_last_edit_and_commands_are_no_replies() -> None:
    edited = read_reply(REPLY | {"edited": {"ts": "7.5"}}, OWN)

    assert edited is not None
    assert edited.at.timestamp() == 7.5
    assert read_reply(REPLY | {"text": "<@U0BOT> stop"}, OWN) is None
    assert read_reply(REPLY | {"bot_id": "B1"}, OWN) is None
