"""The answers of a live study, a row each, and what they come to by condition. Pure.

A voter is a number, drawn by lot; nothing anybody typed is here. Seconds are told from what is
stored: the time between two answers of one person in one round; None for their first. Of several
answers that were given on a card at once, the first has the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from bot.energy.effort import AT_ONCE_S
from bot.study.conditions import CONDITIONS, condition_of, draw
from storage.consensus import krippendorff_alpha
from storage.models import Ballot, Subject, SubjectKind, Vote


@dataclass(frozen=True, slots=True)
class Given:
    """One answer of one person on one sample of a card, the last they gave.

    Attributes:
        voter: a number, from 1.
        condition: how the person saw the card.
        card: the ballot.
        sample: what it showed; the same on a card and on its repeat.
        answer: a label where it was chosen among several, else yes or no; None abstains.
        is_right: on gold cards alone, of who did not abstain.
        is_repeat: the card had been shown before.
        seconds: since the person's answer before; None for the first of a round, and for what was
            said at once with another.
    """

    voter: int
    condition: str
    card: str
    sample: str
    answer: str | None
    is_right: bool | None
    is_repeat: bool
    seconds: float | None


HEADING = ("voter", "condition", "card", "sample", "answer", "is_right", "is_repeat", "seconds")


def given(
    ballots: Sequence[Ballot], votes: Iterable[Vote], voters: Iterable[str], seed: int
) -> list[Given]:
    """The answers of these voters on sample cards, by voter and time.

    Args:
        ballots: of the run.
        votes: the current ones.
        voters: who agreed and did not withdraw; answers of others are left out.
        seed: of the roster: draws conditions and numbers.
    """
    cards = {
        (b.ballot_id, s.key): (b, s)
        for b in ballots for s in b.subjects if s.kind is SubjectKind.SAMPLE
    }  # fmt: skip
    lot = sorted(set(voters), key=lambda voter: (draw(seed + 1, voter), voter))
    number = {voter: i for i, voter in enumerate(lot, 1)}
    found, before = [], dict[tuple[str, str], Vote]()
    mine = [v for v in votes if v.voter in number and (v.ballot_id, v.subject) in cards]
    for vote in sorted(mine, key=lambda v: (number[v.voter], v.at, v.ballot_id, v.subject)):
        ballot, subject = cards[vote.ballot_id, vote.subject]
        last = before.get((vote.voter, ballot.round_id))
        before[vote.voter, ballot.round_id] = vote
        found.append(Given(
            voter=number[vote.voter], condition=condition_of(seed, vote.voter).name,
            card=ballot.ballot_id, sample=subject.target, answer=_answer(ballot, vote),
            is_right=_is_right(subject, vote), is_repeat=subject.role == "repeat",
            seconds=_seconds(vote, last),
        ))  # fmt: skip
    return found


def _seconds(vote: Vote, last: Vote | None) -> float | None:
    """Since the answer before; None where there is none, or it was the same look at the card."""
    if last is None:
        return None
    seconds = (vote.at - last.at).total_seconds()
    return None if vote.ballot_id == last.ballot_id and seconds < AT_ONCE_S else seconds


def _answer(ballot: Ballot, vote: Vote) -> str | None:
    if vote.value is None:
        return None
    names = {choice.id: choice.names for choice in ballot.choices}
    return names.get(vote.answer or "") or vote.answer


def _is_right(subject: Subject, vote: Vote) -> bool | None:
    if subject.role != "gold" or subject.truth is None or vote.value is None:
        return None
    return (vote.value > 0) == (subject.truth > 0.5)


@dataclass(frozen=True, slots=True)
class Group:
    """What the answers of one condition come to; None where it cannot be told.

    Attributes:
        name: of the condition, or `all`.
        voters: people who answered.
        answers: how many they gave.
        seconds: median time of an answer.
        gold: (right, answered) on cards whose truth is known.
        alpha: Krippendorff's, over cards that were no repeats.
        retest: (same answer again, asked again and answered both times).
    """

    name: str
    voters: int
    answers: int
    seconds: float | None
    gold: tuple[int, int]
    alpha: float | None
    retest: tuple[int, int]


def groups(found: Sequence[Given]) -> list[Group]:
    """A group per condition, and all together."""
    parts = [_group(c.name, [g for g in found if g.condition == c.name]) for c in CONDITIONS]
    return [*parts, _group("all", found)]


def _group(name: str, found: Sequence[Given]) -> Group:
    seconds = [one.seconds for one in found if one.seconds is not None]
    gold = [one.is_right for one in found if one.is_right is not None]
    first = {(g.voter, g.sample): g.answer for g in found if not g.is_repeat}
    pairs = [
        (first.get((g.voter, g.sample)), g.answer)
        for g in found if g.is_repeat and g.answer is not None
        and first.get((g.voter, g.sample)) is not None
    ]  # fmt: skip
    return Group(
        name=name, voters=len({one.voter for one in found}), answers=len(found),
        seconds=median(seconds) if seconds else None, gold=(sum(gold), len(gold)),
        alpha=_alpha([one for one in found if not one.is_repeat]),
        retest=(sum(a == b for a, b in pairs), len(pairs)),
    )  # fmt: skip


def _alpha(found: Sequence[Given]) -> float | None:
    said = [one for one in found if one.answer is not None]
    units = _places(map(_unit, said))
    people = _places(str(one.voter) for one in said)
    answers = _places(str(one.answer) for one in said)
    table = np.full((len(units), len(people)), np.nan)
    for one in said:
        table[units[_unit(one)], people[str(one.voter)]] = answers[str(one.answer)]
    return krippendorff_alpha(table) if said else None


def _places(values: Iterable[str]) -> dict[str, int]:
    return {value: i for i, value in enumerate(sorted(set(values)))}


def _unit(one: Given) -> str:
    """What people may agree on: a sample, as a card showed it."""
    return f"{one.card} {one.sample}"


def rows(found: Sequence[Group]) -> list[tuple[str, ...]]:
    """A heading, and a row per group."""
    said: list[tuple[str, ...]] = [(
        "condition", "people", "answers", "median s", "gold right", "alpha", "same answer twice",
    )]  # fmt: skip
    for one in found:
        said.append((
            one.name, str(one.voters), str(one.answers),
            "-" if one.seconds is None else f"{one.seconds:.1f}",
            _share(*one.gold), "-" if one.alpha is None else f"{one.alpha:.2f}",
            _share(*one.retest),
        ))  # fmt: skip
    return said


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else "-"
