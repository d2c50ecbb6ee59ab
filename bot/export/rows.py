"""Votes, their events, and samples as rows that name nobody, unless names are asked for. Pure."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from storage.models import WHOLE_CARD, Ballot, Member, Subject, Vote, VoteEvent
from trainer.fates import Reason
from trainer.segment import SampleOpinion

Column = Literal["text", "number", "count", "flag"]
Rows = list[dict[str, Any]]

WORDS = ("words", "about")
"""Parts of a subject's name under which people typed what they liked."""

VOTE_COLUMNS: Mapping[str, Column] = {
    "run_id": "text", "round_id": "text", "card": "text", "subject": "text", "kind": "text",
    "ask": "text", "role": "text", "sample_id": "text", "label": "text", "voter": "text",
    "answer": "text", "value": "number", "weight": "number", "via": "text", "at": "text",
}  # fmt: skip
"""`value` in [-1, 1], empty where somebody cannot tell; `at` in UTC."""
EVENT_COLUMNS: Mapping[str, Column] = {
    **VOTE_COLUMNS, "op": "text", "received_at": "text", "source": "text", "is_late": "flag",
    "is_rest": "flag",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with their columns, under a name.

    Attributes:
        name: of its file, and of the data set's configuration.
        columns: column -> what it holds.
        rows: a cell that is missing is empty.
        pictures: the column that names pictures, if one does.
    """

    name: str
    columns: Mapping[str, Column]
    rows: Rows = field(default_factory=list)
    pictures: str | None = None


def pseudonym(key: str, person: str) -> str:
    """What a person is called outside; who does not have the key cannot tell who it is."""
    drawn = hmac.new(key.encode(), person.encode(), hashlib.sha256)
    return f"rater-{drawn.hexdigest()[:10]}"


def callers(members: Mapping[str, Member], key: str, *, with_names: bool) -> Callable[[str], str]:
    """How a member, or a person, is called in what is written."""
    names = {m.person_id: m.name for m in members.values() if m.name}

    def call(who: str) -> str:
        person = members[who].person_id if who in members else who
        return names.get(person, person) if with_names else pseudonym(key, person)

    return call


# --- votes --------------------------------------------------------------------------------------


def vote_rows(
    ballots: Sequence[Ballot],
    votes: Iterable[Vote],
    call: Callable[[str], str],
    *,
    with_words: bool,
) -> Rows:
    """A row per current vote; what people typed about labels only where names are told, too."""
    cards = {ballot.ballot_id: ballot for ballot in ballots}
    found = []
    for vote in votes:
        if with_words or not _is_typed(vote.subject):
            found.append({
                **_about(cards[vote.ballot_id], vote.subject), "voter": call(vote.person),
                "answer": _answer(cards[vote.ballot_id], vote), "value": vote.value,
                "weight": vote.weight, "via": vote.via, "at": vote.at.isoformat(),
            })  # fmt: skip
    return found


def event_rows(
    ballots: Sequence[Ballot],
    events: Iterable[VoteEvent],
    call: Callable[[str], str],
    *,
    with_words: bool,
) -> Rows:
    """A row per mark that appeared or went, in the order in which they came in."""
    cards = {ballot.ballot_id: ballot for ballot in ballots}
    found = []
    for event in events:
        if with_words or not _is_typed(event.subject):
            found.append({
                **_about(cards[event.ballot_id], event.subject), "voter": call(event.voter),
                "answer": _answer(cards[event.ballot_id], event), "value": event.value,
                "weight": event.weight, "via": event.via, "at": event.at.isoformat(),
                "op": event.op.value, "received_at": event.received_at.isoformat(),
                "source": event.source, "is_late": event.is_late, "is_rest": event.is_rest,
            })  # fmt: skip
    return found


def _is_typed(subject: str) -> bool:
    return subject.partition(".")[0] in WORDS


def _about(ballot: Ballot, subject: str) -> dict[str, Any]:
    """What a vote is about; a better label for sample 1 is `1.label`, words for X are `words.X`."""
    key = subject.partition(".")[0]
    known = next((s for s in ballot.subjects if s.key == key), None)
    return {
        "run_id": ballot.run_id, "round_id": ballot.round_id, "card": ballot.ballot_id,
        "subject": subject, "kind": _kind(known, subject), "ask": ballot.ask,
        "role": known.role if known else None, "sample_id": known.target if known else None,
        "label": known.label if known else subject.partition(".")[2],
    }  # fmt: skip


def _kind(known: Subject | None, subject: str) -> str:
    if known is None:
        return "card" if subject == WHOLE_CARD else "words"
    return "label" if subject.endswith(".label") else known.kind.value


def _answer(ballot: Ballot, vote: Vote | VoteEvent) -> str | None:
    """The choice by its id; a label by its whole name."""
    names = {choice.id: choice.names for choice in ballot.choices}
    return names.get(vote.answer or "") or vote.answer


# --- samples ------------------------------------------------------------------------------------

ABOUT_SAMPLES: Mapping[str, Column] = {
    "label": "text", "team_label": "text", "verdict": "text", "reason": "text", "weight": "number", "keep": "number",
    "votes": "count", "content_sha256": "text",
}  # fmt: skip


def sample_table(
    pool: Iterable[Mapping[str, Any]],
    fates: Mapping[str, tuple[Reason, str, float, float]],
    opinions: Iterable[SampleOpinion],
) -> Table:
    """The pool with what the run trains on in the end, and why.

    `verdict` is `kept`, `dropped`, `relabelled`, or `unseen`: never looked at, so not trained on.

    Args:
        pool: rows of `trainer.pool`.
        fates: sample -> (why, label, how sure, weight), of those that were looked at.
        opinions: of the team.
    """
    votes = Counter({said.sample_id: said.votes for said in opinions})
    rows: Rows = []
    own: dict[str, Column] = {}
    for sample in pool:
        own |= {name: "text" for name in sample if name not in ABOUT_SAMPLES}
        row = {**sample, "verdict": "unseen", "votes": votes[sample["sample_id"]]}
        found = fates.get(sample["sample_id"])
        if found is not None:
            fate, label, keep, weight = found
            is_in = "kept" if label == sample["label"] else "relabelled"
            row |= {
                "team_label": label, "verdict": is_in if weight > 0 else "dropped",
                "reason": fate.name.lower(), "keep": keep, "weight": weight,
            }  # fmt: skip
        rows.append(row)
    pictures = "image" if "image" in own else None
    return Table("samples", {**own, **ABOUT_SAMPLES}, rows, pictures)
