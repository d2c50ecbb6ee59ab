"""Prompts with their answers as rows of tables hold them: plain texts, or whole chats. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.data.samples import OFF_TOPIC, Sample, pair
from trainer.data.tables import as_text
from trainer.kinds import ANSWER, SIDES
from trainer.spec import DataSpec

Turn = tuple[str, str]
"""(role, content) of one message; roles are `system`, `user`, `assistant`, or what a chat has."""
GOOD = frozenset(("true", "1", "1.0", "yes", "good", ANSWER))
"""What `data.truth` calls an answer worth learning from, in any case."""
_SPOKEN = re.compile(r"(?:\A|\n\n)(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}


class UnusableError(ValueError):
    """There is nothing to learn from in this row; the text is a short reason."""


def answer_columns(data: DataSpec) -> dict[str, str]:
    """Key of `data` -> column, of those that a prompt and its answer are read from."""
    if data.messages:
        return {"messages": data.messages}
    return {**({"prompt": data.prompt} if data.prompt else {}), "answer": data.answer}


def pair_columns(data: DataSpec) -> dict[str, str]:
    """Key of `data` -> column, of those that two answers to one prompt are read from."""
    prompt = {"prompt": data.prompt} if data.prompt else {}
    return {**prompt, "chosen": data.chosen, "rejected": data.rejected}


def answer_in(row: Mapping[str, Any], data: DataSpec, sample_id: str) -> Sample:
    """A prompt with its answer.

    Raises:
        UnusableError: one of both is missing, or a chat does not end with an answer.
    """
    value = row[data.messages] if data.messages else row[data.answer]
    turns, answer = _parted(value, is_chat=bool(data.messages) or data.prompt is None)
    if not turns and not data.messages and data.prompt:
        turns = _asked(row[data.prompt])
    prompt = _said(turns)
    if not answer:
        raise UnusableError("answer is empty")
    return Sample(sample_id, {**prompt, "answer": answer}, ANSWER)


def pair_in(row: Mapping[str, Any], data: DataSpec, sample_id: str) -> Sample:
    """Two answers to one prompt, filed as the data files them.

    Raises:
        UnusableError: a text is missing, the answers are the same, or are to different prompts.
    """
    is_chat = data.prompt is None
    turns, chosen = _parted(row[data.chosen], is_chat=is_chat)
    others, rejected = _parted(row[data.rejected], is_chat=is_chat)
    if turns != others:
        raise UnusableError("answers of the pair are to different prompts")
    prompt = _said(turns or (_asked(row[data.prompt]) if data.prompt else ()))
    if not chosen or not rejected:
        raise UnusableError("answer is empty")
    if chosen.split() == rejected.split():
        raise UnusableError("answers of the pair are the same")
    return pair(sample_id, prompt, chosen, rejected)


def answer_truth(value: object) -> str | None:
    """What `data.truth` says of an answer: ANSWER or OFF_TOPIC, None where it is empty."""
    said = as_text(value).casefold()
    return (ANSWER if said in GOOD else OFF_TOPIC) if said else None


def pair_truth(value: object, label: str) -> str | None:
    """The better side of a pair: that of `label` where the value is `chosen`.

    The other one where it is `rejected`; None where it is empty, and OFF_TOPIC else.
    """
    said = as_text(value).casefold()
    other = SIDES[1 - SIDES.index(label)]
    return {"chosen": label, "rejected": other}.get(said, OFF_TOPIC) if said else None


def _parted(value: object, *, is_chat: bool) -> tuple[tuple[Turn, ...], str]:
    """(earlier messages, the answer); no messages where the value is but the answer."""
    if isinstance(value, str) and not is_chat:
        return (), as_text(value)
    if isinstance(value, (list, tuple)) or is_chat:
        turns = _spoken(value) if isinstance(value, str) else _messages(value)
        if not turns or turns[-1][0] != "assistant":
            raise UnusableError("chat does not end with the assistant's answer")
        return turns[:-1], turns[-1][1]
    return (), _text(value, "answer")


def _asked(value: object) -> tuple[Turn, ...]:
    if isinstance(value, (list, tuple)):
        return _messages(value)
    return (("user", _text(value, "prompt")),)


def _said(turns: tuple[Turn, ...]) -> dict[str, Any]:
    """The fields of a prompt."""
    if not turns or not turns[-1][1]:
        raise UnusableError("prompt is empty")
    if len(turns) == 1 and turns[0][0] == "user":
        return {"prompt": turns[0][1]}
    return {"prompt": "\n\n".join(": ".join(turn) for turn in turns), "messages": turns}


def _spoken(text: str) -> tuple[Turn, ...]:
    """A chat written out: as JSON, as csv files hold it, or as `Human: ... Assistant: ...`."""
    if text.lstrip().startswith("["):
        try:
            return _messages(json.loads(text))
        except json.JSONDecodeError:
            pass
    _, *parts = _SPOKEN.split(text)
    roles, contents = parts[::2], parts[1::2]
    return tuple((_ROLES[r], as_text(c)) for r, c in zip(roles, contents, strict=True))


def _messages(value: object) -> tuple[Turn, ...]:
    if not isinstance(value, Sequence) or not all(
        isinstance(m, Mapping) and "role" in m and "content" in m for m in value
    ):
        raise UnusableError("chat is no list of messages with role and content")
    return tuple((as_text(m["role"]), _text(m["content"], "message")) for m in value)


def _text(value: object, what: str) -> str:
    if value is not None and not isinstance(value, (str, bool, int, float)):
        raise UnusableError(f"{what} is no text")
    return as_text(value)
