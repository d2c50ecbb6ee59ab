"""Ballots, votes and events as the tests of the bot's pure modules need them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters import base
from bot.cards import which
from bot.wording import FITS
from storage.models import Ballot, Subject, SubjectKind, Vote
from trainer.kinds import KINDS
from trainer.segment import SegmentReport
from trainer.spec import RunSpec

TEXTS, PROMPTS, PAIRS = (KINDS[k] for k in ("text-classification", "causal-lm", "preference"))
T0 = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
REF = base.Ref(platform="memory", channel="c", message="1")


def at(seconds: float) -> datetime:
    """A moment, counted from the tests' noon."""
    return T0 + timedelta(seconds=seconds)


def sample_ballot(n: int = 1, ballot_id: str = "r1.human.q0.0", **changes: Any) -> Ballot:
    """'Does the label fit?' on `n` samples."""
    subjects = tuple(
        Subject(key=str(i), kind=SubjectKind.SAMPLE, target=f"pool-{i}", label="maths")
        for i in range(1, n + 1)
    )
    values: dict[str, Any] = {
        "ballot_id": ballot_id, "round_id": "r1.human.q0", "run_id": "r1", "ask": "fits",
        "subjects": subjects, "choices": FITS, "labels": ("maths", "lost_card", "card arrival"),
        "view": {"sample_id": "pool-1", "text": "sqrt: Return the root.", "label": "maths"},
    }  # fmt: skip
    return Ballot(**(values | changes))


OPTIONS = ("maths", "card arrival", "lost_card")


def which_ballot(
    options: Sequence[str] = OPTIONS, given: str = "maths", sample_id: str = "pool-1",
    ballot_id: str = "r1.human.q0.0", **changes: Any,
) -> Ballot:  # fmt: skip
    """'Which of these?' on one sample that is filed under `given`."""
    subject = Subject(key="1", kind=SubjectKind.SAMPLE, target=sample_id, label=given)
    view = {"sample_id": sample_id, "text": "sqrt: Return the root.", "label": given}
    return sample_ballot(
        ballot_id=ballot_id, ask="which", choices=which(options, given), subjects=(subject,),
        view=view | changes.pop("view", {}), **changes,
    )  # fmt: skip


def chose(ballot: Ballot, person: str, name: str, **changes: Any) -> Vote:
    """A current vote for an answer of a 'which of these?' card, by the text on its button."""
    choice = next(c for c in ballot.choices if name in (c.names, c.label))
    return vote(ballot, person, choice.value, answer=choice.id, **changes)


def feature_ballot(*names: str) -> Ballot:
    """'What matters?' on some words."""
    subjects = tuple(
        Subject(key=chr(65 + i), kind=SubjectKind.FEATURE, target=name, label="maths")
        for i, name in enumerate(names)
    )
    view = {"label": "maths", "features": names, "shares": [0.1] * len(names)}
    return sample_ballot(ballot_id="r1.human.q1.9", ask="importance").model_copy(
        update={"subjects": subjects, "choices": (), "view": view}
    )


def grid_ballot(paths: Sequence[object], sheet: object, grid: int = 4) -> Ballot:
    """'What matters?' on two cells of some pictures."""
    ballot = feature_ballot("B2", "A1")
    more = {"image_paths": [str(p) for p in paths], "grid": grid, "sheet_path": str(sheet)}
    return ballot.model_copy(update={"view": ballot.view | more})


def spec(style: str = "reactions") -> RunSpec:
    """A run that asks for votes given in `style`."""
    return RunSpec(name="t", model="minilm", data={"pool": "csv:pool.csv"}, ask={"style": style})


def vote(ballot: Ballot, person: str, value: float | None, **changes: Any) -> Vote:
    """A current vote on a ballot's first subject."""
    values: dict[str, Any] = {
        "ballot_id": ballot.ballot_id, "person": person, "voter": person,
        "subject": ballot.subjects[0].key, "value": value, "answer": None, "weight": 1.0,
        "via": "reaction", "mark": "r:up", "at": T0,
    }  # fmt: skip
    return Vote(**(values | changes))


def reacted(user: str, raw: str, canonical: str | None, second: float = 0) -> base.ReactionAdded:
    """Somebody put an emoji on the card."""
    return base.ReactionAdded(
        event_id=f"{user}-{raw}-{second}",
        user=user,
        at=at(second),
        ref=REF,
        emoji=base.Emoji(raw=raw, canonical=canonical),
    )


def took_back(user: str, raw: str, canonical: str | None, second: float) -> base.ReactionRemoved:
    """Somebody took an emoji back."""
    return base.ReactionRemoved(
        event_id=f"{user}-{raw}-{second}-gone",
        user=user,
        at=at(second),
        ref=REF,
        emoji=base.Emoji(raw=raw, canonical=canonical),
    )


def replied(user: str, text: str, reply_id: str = "7", second: float = 0) -> base.ThreadReply:
    """Somebody wrote in the card's thread."""
    return base.ThreadReply(
        event_id=f"m{reply_id}-{second}",
        user=user,
        at=at(second),
        ref=REF,
        reply_id=reply_id,
        text=text,
    )


def report_of(cards=(), **found) -> SegmentReport:
    """What a bench's arm reports of a pause: what is worth asking."""
    return SegmentReport(
        run_id="bench", arm="human", segment=0, attempt=1, lease_token="t", outcome="done",
        candidates=tuple(cards), started_at=T0, ended_at=T0, **found,
    )  # fmt: skip
