"""Votes of another tool, or of an earlier run: rows that are read, or refused by line. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.wording import FITS, WORTH, prefer
from storage.models import Choice
from trainer.kinds import Kind

Row = Mapping[str, Any]

NAMES = ("sample_id", "external_id", "content_sha256")
"""Columns that say which sample a vote is about; the first that is filled counts."""
MAX_TEXT = 200
"""Of a voter's name."""
CLOCKS_APART = timedelta(minutes=5)
"""By which another machine's clock may be ahead of ours."""
NONE_OF_THESE = "none"
"""On a 'which of these?' card: no to the given label, too."""
MARK = "import"


@dataclass(frozen=True, slots=True)
class Incoming:
    """One vote on one sample.

    Attributes:
        line: where it stands in its file.
        sample: a row of `trainer.pool`.
        voter: a member's id, or `import:<name>`.
        choice: the answer; None where a label is named.
        label: the label that is named.
        at: aware UTC.
    """

    line: int
    sample: Row
    voter: str
    choice: Choice | None
    label: str | None
    at: datetime

    @property
    def about(self) -> tuple[str, str]:
        """Whose vote it is, on which sample."""
        return self.voter, self.sample["sample_id"]


@dataclass(slots=True)
class Reading:
    """What a file says.

    Attributes:
        votes: those that can be taken in.
        errors: a sentence for each row that cannot be read.
        others: rows that are no votes on samples, and gold cards.
    """

    votes: list[Incoming] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    others: int = 0


class _BadRow(Exception):  # noqa: N818 -- reads as what happened
    """A row that cannot be read; the text says what to do."""


class Reader:
    """Reads rows against a run's pool.

    Args:
        pool: rows of `trainer.pool`.
        kind: of the run.
        member: a voter as the file has it -> the member's id, if it is one of ours.
        now: aware UTC; nobody voted later.
    """

    def __init__(
        self,
        pool: Iterable[Row],
        kind: Kind,
        member: Callable[[str], str | None],
        now: datetime,
    ) -> None:
        self._kind, self._member, self._now = kind, member, now
        self._by_id: dict[str, Row] = {}
        self._by_hash: dict[str, list[Row]] = defaultdict(list)
        for sample in pool:
            self._by_id[sample["sample_id"]] = sample
            self._by_hash[sample["content_sha256"]].append(sample)
        self._labels = {sample["label"] for sample in self._by_id.values()}

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of the run's cards."""
        return () if self._kind.asks == "answer" else tuple(sorted(self._labels))

    def read(self, rows: Iterable[tuple[int, Row]]) -> Reading:
        """All rows; of several votes of one person on one sample the last."""
        found = Reading()
        latest: dict[tuple[str, str], Incoming] = {}
        for line, row in rows:
            kind = row["kind"] if _filled(row.get("kind")) else "sample"
            if kind not in ("sample", "label") or row.get("role") == "gold":
                found.others += 1
                continue
            try:
                vote = self._vote(line, row)
            except _BadRow as err:
                found.errors.append(f"line {line}: {err}")
                continue
            before = latest.get(vote.about)
            if before is None or before.at <= vote.at:
                latest[vote.about] = vote
        found.votes = sorted(latest.values(), key=lambda vote: vote.line)
        return found

    def _vote(self, line: int, row: Row) -> Incoming:
        sample = self._sample(row)
        choice, label = self._answer(row, sample)
        return Incoming(line, sample, self._voter(row), choice, label, self._at(row))

    def _sample(self, row: Row) -> Row:
        name = next((name for name in NAMES if _filled(row.get(name))), None)
        if name is None:
            raise _BadRow(f"no sample is named; fill one of {', '.join(NAMES)}")
        said = str(row[name]).strip()
        if name == "content_sha256":
            same = self._by_hash.get(said.lower(), [])
            if len({sample["label"] for sample in same}) > 1:
                raise _BadRow(
                    f"{len(same)} samples have the content {said[:12]}..., under several labels; "
                    "name one by its sample_id"
                )
            found = same[0] if same else None
        else:
            found = self._by_id.get(said if name == "sample_id" else f"pool-{said}")
        if found is None:
            raise _BadRow(
                f"{name} {said[:60]!r} is not in the run's pool; see: joulery export samples"
            )
        given = row.get("label")
        if _filled(given) and self._kind.asks == "label" and str(given) != found["label"]:
            raise _BadRow(
                f"it is about the label {str(given)!r}, and the pool files {found['sample_id']} "
                f"under {found['label']!r} now; take the row out"
            )
        return found

    def _answer(self, row: Row, sample: Row) -> tuple[Choice | None, str | None]:
        """A choice or a label; where one is called like the other, what the row's card asked."""
        said = str(row["answer"]).strip() if _filled(row.get("answer")) else ""
        is_label = self._kind.asks == "label"
        choices = choices_of(self._kind, sample["label"])
        word = "no" if is_label and said == NONE_OF_THESE else said.lower()
        choice = next((c for c in choices if c.id.lower() == word), None)
        names_one = is_label and said in self._labels
        if names_one and (
            choice is None or row.get("kind") == "label" or row.get("ask") == "which"
        ):
            return None, said
        if choice is None:
            known = ", ".join(c.id for c in choices)
            also = ", or one of the run's labels" if is_label else ""
            raise _BadRow(f"answer {said[:60]!r} is none; give {known}{also}")
        return choice, None

    def _voter(self, row: Row) -> str:
        said = str(row["voter"]).strip() if _filled(row.get("voter")) else ""
        if not said or len(said) > MAX_TEXT or not said.isprintable():
            raise _BadRow(f"voter {said[:60]!r} is no name; give at most {MAX_TEXT} letters")
        return self._member(said) or f"{MARK}:{said}"

    def _at(self, row: Row) -> datetime:
        said = row.get("at")
        try:
            at = said if isinstance(said, datetime) else datetime.fromisoformat(str(said))
            utc = at.astimezone(UTC)
        except (ValueError, OverflowError):
            raise _BadRow(
                f"at {str(said)[:60]!r} is no time; write it like 2026-11-23T12:00:00+00:00"
            ) from None
        if at.tzinfo is None:
            raise _BadRow(f"at {at.isoformat()} has no offset; add it, e.g. +00:00")
        if at > self._now + CLOCKS_APART:
            raise _BadRow(f"at {at.isoformat()} has not come yet; check the year and the offset")
        return utc


def _filled(value: object) -> bool:
    return value is not None and str(value).strip() != ""


def choices_of(kind: Kind, given: str | None) -> tuple[Choice, ...]:
    """The answers to what a kind asks of one sample."""
    if kind.asks == "answer":
        return WORTH
    return prefer(given) if kind.asks == "pair" else FITS
