"""Slack's payloads as plain inbound events. Pure.

Own and other bots' doings are nobody's: they come out as None. Message events of every subtype
come through one door (bolt runs `message` for all of them), so they are told apart here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.base import (
    ButtonPressed,
    CardDeleted,
    CommandInvoked,
    FormSubmitted,
    HomeOpened,
    Inbound,
    ReactionAdded,
    ReactionRemoved,
    Ref,
    Reply,
    ReplyCtx,
    ReplyDeleted,
    ReplyEdited,
    ThreadReply,
)
from adapters.slack import blocks, emoji
from adapters.slack.text import escaped, plain

Payload = Mapping[str, Any]

SPOKEN = frozenset({None, "file_share", "thread_broadcast"})
"""Subtypes of messages that people wrote."""
_MENTION = re.compile(r"<(?:@([UW]\w+)|!subteam\^(S\w+))(?:\|[^>]*)?>")
ANSWER_LIFE = timedelta(minutes=30)
"""How long a response_url can be used (docs, "Handling user interaction")."""


@dataclass(frozen=True, slots=True)
class Own:
    """The bot's own ids: what it did itself never counts."""

    user: str
    bot: str

    def wrote(self, message: Payload) -> bool:
        """Whether the bot wrote a message."""
        return self.user == message.get("user") or self.bot == message.get("bot_id")


def moment(ts: str) -> datetime:
    """A Slack time stamp as aware UTC."""
    return datetime.fromtimestamp(float(ts), UTC)


def ref_to(channel: str, ts: str, thread_ts: str | None = None) -> Ref:
    """The house's id of a message."""
    in_thread = thread_ts if thread_ts != ts else None
    return Ref(platform="slack", channel=channel, message=ts, thread=in_thread)


def read_event(body: Payload, own: Own) -> Inbound | None:
    """What an Events API payload says; None when it is nobody's business."""
    event = body["event"]
    about = {"event_id": body["event_id"], "at": moment(event.get("event_ts") or event["ts"])}
    match event["type"]:
        case "reaction_added" | "reaction_removed" as kind:
            item = event["item"]
            is_ours = event.get("item_user", own.user) == own.user
            if event["user"] == own.user or item.get("type") != "message" or not is_ours:
                return None
            make = ReactionAdded if kind == "reaction_added" else ReactionRemoved
            return make(
                **about,
                user=_user(event["user"]),
                ref=ref_to(item["channel"], item["ts"]),
                emoji=emoji.read(event["reaction"]),
            )
        case "app_home_opened":
            nowhere = ref_to(event["channel"], "")
            is_home = event.get("tab", "home") == "home"
            return HomeOpened(**about, user=_user(event["user"]), ref=nowhere) if is_home else None
        case "message":
            return _message(event, about, own)
        case _:
            return None


def _message(event: Payload, about: dict[str, Any], own: Own) -> Inbound | None:
    channel = event["channel"]
    match event.get("subtype"):
        case "message_deleted":
            return _deleted(channel, event.get("previous_message") or {}, about, own)
        case "message_changed":
            now, before = event["message"], event.get("previous_message") or {}
            if now.get("subtype") == "tombstone":  # deleted, but it has replies
                return _deleted(channel, before, about, own)
            return _edited(channel, now, before, about)
        case subtype if subtype in SPOKEN:
            return _spoken(channel, event, about, own)
        case _:
            return None


def _spoken(channel: str, said: Payload, about: dict[str, Any], own: Own) -> Inbound | None:
    if _is_a_bots(said):
        return None
    text, root = said.get("text", ""), _root(said)
    about = about | {"user": _user(said["user"]), "ref": ref_to(channel, root or "")}
    if words := mentioned(text, own):
        return CommandInvoked(**about, words=words[0], is_bare=True, ctx=ReplyCtx(channel=channel))
    if root is None or said.get("parent_user_id", own.user) != own.user:
        return None  # small talk
    return ThreadReply(**about, reply_id=said["ts"], text=plain(text))


def _edited(
    channel: str, now: Payload, before: Payload, about: dict[str, Any]
) -> ReplyEdited | None:
    """A person's words changed; previews of links and our own edits are no change."""
    root = _root(now)
    if _is_a_bots(now) or root is None or now.get("text") == before.get("text"):
        return None
    return ReplyEdited(
        **about,
        user=_user(now["user"]),
        ref=ref_to(channel, root),
        reply_id=now["ts"],
        text=plain(now.get("text", "")),
    )


def _deleted(channel: str, gone: Payload, about: dict[str, Any], own: Own) -> Inbound | None:
    if not gone.get("ts"):
        return None
    root = _root(gone)
    if own.wrote(gone):  # nobody says who did it
        ref = ref_to(channel, gone["ts"], gone.get("thread_ts"))
        return CardDeleted(**about, user=_user(own.user), ref=ref)
    if _is_a_bots(gone) or root is None:
        return None
    return ReplyDeleted(
        **about, user=_user(gone["user"]), ref=ref_to(channel, root), reply_id=gone["ts"]
    )


def mentioned(text: str, own: Own) -> tuple[str] | None:
    """The words after a leading `@Joulery`; Slack has no slash commands in threads."""
    mark = f"<@{own.user}>"
    stripped = text.strip()
    return (typed(stripped[len(mark) :]).strip(),) if stripped.startswith(mark) else None


def typed(words: str) -> str:
    """The words of a command; mentions of people and groups become the house's ids."""
    return plain(_MENTION.sub(lambda m: f"slack:{m[1] or m[2]}", words))


def read_press(payload: Payload) -> ButtonPressed:
    """A pressed button."""
    [action] = payload["actions"]
    box = payload["container"]
    user = payload["user"]["id"]
    at = moment(action["action_ts"])
    channel = box.get("channel_id") or payload["channel"]["id"]
    return ButtonPressed(
        event_id=f"{user}:{action['action_ts']}:{action['action_id']}",
        user=_user(user),
        at=at,
        ref=ref_to(channel, box["message_ts"], box.get("thread_ts")),
        choice=action["value"],
        ctx=_ctx(channel, payload, at),
    )


def receipt(payload: Payload) -> str:
    """What tells somebody that their press on a blind card counts; empty where the card shows it."""
    [action] = payload["actions"]
    is_blind = action.get("block_id", "").startswith(blocks.BLIND)
    return f"Recorded: {escaped(action['text']['text'], 100)}" if is_blind else ""


def read_submission(payload: Payload, now: datetime) -> FormSubmitted:
    """A form that was sent; Slack does not say when, so `now`.

    Raises:
        ValueError: it was not opened by this house.
    """
    view, user = payload["view"], payload["user"]["id"]
    return FormSubmitted(
        event_id=f"{view['id']}:{view['hash']}:{user}",
        user=_user(user),
        at=now,
        is_platform_time=False,
        ref=Ref.parse(view["private_metadata"]),
        values=blocks.read_form(view),
    )


def read_command(payload: Payload, now: datetime) -> CommandInvoked:
    """A slash command; Slack does not say when, so `now`."""
    channel = payload["channel_id"]
    return CommandInvoked(
        event_id=payload["trigger_id"],
        user=_user(payload["user_id"]),
        at=now,
        is_platform_time=False,
        ref=ref_to(channel, ""),
        words=typed(payload.get("text") or ""),
        ctx=_ctx(channel, payload, now),
    )


def read_form_command(payload: Payload, channel: str, words: str, now: datetime) -> CommandInvoked:
    """A command whose form was filled in; Slack gives no way to answer it in place."""
    view, user = payload["view"], payload["user"]["id"]
    return CommandInvoked(
        event_id=f"{view['id']}:{view['hash']}:{user}",
        user=_user(user),
        at=now,
        is_platform_time=False,
        ref=ref_to(channel, ""),
        words=words,
        ctx=ReplyCtx(channel=channel),
    )


def read_reply(message: Payload, own: Own) -> Reply | None:
    """A text that stands in a thread; None for bots' and commands."""
    if message.get("subtype") not in SPOKEN or _is_a_bots(message):
        return None
    if mentioned(message.get("text", ""), own):
        return None
    changed = message.get("edited", {}).get("ts") or message["ts"]
    return Reply(
        reply_id=message["ts"],
        user=_user(message["user"]),
        text=plain(message.get("text", "")),
        at=moment(changed),
    )


def _ctx(channel: str, payload: Payload, at: datetime) -> ReplyCtx:
    url = payload.get("response_url") or ""
    return ReplyCtx(channel=channel, token=url, expires_at=at + ANSWER_LIFE)


def _root(message: Payload) -> str | None:
    """The thread a message replies to; None for one that stands in the channel itself."""
    thread = message.get("thread_ts")
    return thread if thread and thread != message["ts"] else None


def _is_a_bots(message: Payload) -> bool:
    return bool(message.get("bot_id")) or not message.get("user")


def _user(user_id: str) -> str:
    return f"slack:{user_id}"
