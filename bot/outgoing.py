"""What may be queued to be said: cards, edits, texts, whispers, each under its key. Pure.

A key says what a message is, so that saying it again after a crash changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.base import Card, Picture, Ref, ReplyCtx
from storage.models import OutboxItem, OutboxKind


def head_key(run_id: str, platform: str) -> str:
    """The key of a run's head message on a platform."""
    return f"head:{run_id}:{platform}"


def card_key(ballot_id: str, platform: str) -> str:
    """The key of a ballot's card on a platform."""
    return f"card:{ballot_id}:{platform}"


def post(key: str, platform: str, channel: str, card: Card, **about: str | None) -> OutboxItem:
    """A card in a channel."""
    return OutboxItem(
        key=key, platform=platform, channel=channel, kind=OutboxKind.POST,
        payload=card.model_dump(mode="json"), **about,
    )  # fmt: skip


def edit(target: str, platform: str, channel: str, card: Card) -> OutboxItem:
    """The new appearance of the card posted under `target`; only the newest one is sent."""
    return OutboxItem(
        key=f"edit:{platform}:{target}", platform=platform, channel=channel,
        kind=OutboxKind.EDIT, target=target, payload=card.model_dump(mode="json"),
    )  # fmt: skip


def say(
    key: str, platform: str, channel: str, text: str, *, thread: str | None = None,
    pictures: tuple[Picture, ...] = (), run_id: str | None = None,
) -> OutboxItem:  # fmt: skip
    """A text in a channel, or in the thread of the message posted under `thread`."""
    payload = {"text": text, "pictures": [p.model_dump(mode="json") for p in pictures]}
    return OutboxItem(
        key=key, platform=platform, channel=channel, kind=OutboxKind.SAY, target=thread,
        payload=payload, run_id=run_id,
    )  # fmt: skip


def reword(target: str, platform: str, channel: str, text: str) -> OutboxItem:
    """The new wording of what was said under `target`; only the newest one is sent."""
    return OutboxItem(
        key=f"edit:{platform}:{target}", platform=platform, channel=channel,
        kind=OutboxKind.EDIT, target=target, payload={"said": text},
    )  # fmt: skip


def whisper(
    key: str, user: str, where: Ref, text: str, ctx: ReplyCtx | None = None,
    otherwise: OutboxItem | None = None, is_at_most_once: bool = False,
) -> OutboxItem:  # fmt: skip
    """A text only one person sees.

    Args:
        key: what it is.
        user: who sees it.
        where: near which message, or in which channel.
        text: what is said.
        ctx: what it answers.
        otherwise: what is said where they cannot be reached.
        is_at_most_once: no platform tells whether it was shown, so after a doubt it is rather lost.
    """
    payload: dict[str, Any] = {
        "text": text, "where": where.model_dump(mode="json"),
        "ctx": ctx.model_dump(mode="json") if ctx else None,
    }  # fmt: skip
    if is_at_most_once:
        payload["is_at_most_once"] = True
    if otherwise is not None:
        payload["otherwise"] = otherwise.model_dump(mode="json")
    return OutboxItem(
        key=key, platform=where.platform, channel=where.channel, kind=OutboxKind.WHISPER,
        target=user, payload=payload,
    )  # fmt: skip


def reworded(channels: Mapping[str, str], key: str, text: str) -> list[OutboxItem]:
    """The new wording of what `in_thread` said under the same key."""
    return [
        reword(f"{key}:{platform}", platform, channel, text)
        for platform, channel in channels.items()
    ]


def in_thread(
    channels: Mapping[str, str], run_id: str, key: str, text: str,
    pictures: tuple[Picture, ...] = (),
) -> list[OutboxItem]:  # fmt: skip
    """A text in a run's thread, on every platform the bot talks on."""
    return [
        say(
            f"{key}:{platform}", platform, channel, text,
            thread=head_key(run_id, platform), pictures=pictures, run_id=run_id,
        )
        for platform, channel in channels.items()
    ]  # fmt: skip
