"""From the votes on cards to what the trainer is told. Pure.

All cards end in one posterior per sample: 'does the label fit?' says yes or no to the given label,
'which of these?' and `label: X` name one, 'which answer is better?' a side: the given label is then
the side that the data prefers. Everybody has one answer per sample.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from storage.consensus import (
    GIVEN,
    SOMETHING_ELSE,
    Answer,
    Choice,
    Consensus,
    Importance,
    Reliability,
    YesNo,
    aggregate,
    ranking,
)
from storage.models import Ballot, Subject, SubjectKind, Vote
from trainer.segment import FeatureOpinion, LabelWords, Opinions, SampleOpinion

KNOWS_WELL, ANSWERED = 0.7, 5
"""An expert's share of right answers on a label surely (by its lower bound) reaches the first, and
rests on so many answers: of few it tells what the person knows of all labels, not of this one."""
LOOKS = 0.5
"""And both a yes and a no of theirs are right at least so often: who gives one answer to everything
is always right where it happens to fit, and knows nothing."""
MAX_EXPERTS = 3


@dataclass(frozen=True, slots=True)
class Tally:
    """The votes of some ballots in numbers."""

    votes: int
    voters: int
    yes: int
    no: int
    abstained: int
    levels: int  # how much a feature matters
    words: int  # what a label means
    alpha: float | None

    @property
    def is_silent(self) -> bool:
        """True when nobody said anything."""
        return self.votes == 0

    def as_json(self) -> dict[str, Any]:
        """As a round's outcome keeps it."""
        return {
            "votes": self.votes,
            "voters": self.voters,
            "yes": self.yes,
            "no": self.no,
            "abstained": self.abstained,
            "alpha": self.alpha,
        }


@dataclass(frozen=True, slots=True)
class Heard:
    """The opinions of the team, and how they came about.

    Attributes:
        opinions: what the trainer is told.
        tally: the votes, counted.
        consensus: the posteriors, and by voter the reliability with its intervals.
        ranking: label -> its features, most important first, with their intervals.
        ignored: person whose votes count for nothing -> (right, asked) on gold cards; to be told
            in private (`messages.ignored_said`).
    """

    opinions: Opinions
    tally: Tally
    consensus: Consensus
    ranking: Mapping[str, tuple[Importance, ...]]
    ignored: Mapping[str, tuple[int, int]]

    @property
    def voters(self) -> Mapping[str, Reliability]:
        """Person -> how reliable; empty while people cannot be told apart."""
        return self.consensus.voters


def opinions(ballots: Sequence[Ballot], votes: Sequence[Vote]) -> Heard:
    """What the team thinks after its votes on some ballots.

    Gold cards only measure voters; a better label (`label: X`) also says no to the given one, the
    given one named again says yes. What the model answers by itself is no sample, and what people
    say of it is left out: see `bot.pleased`.
    """
    ballots = [ballot for ballot in ballots if ballot.ask != "happy"]
    known = {ballot.ballot_id for ballot in ballots}
    votes = [vote for vote in votes if vote.ballot_id in known]
    cards = {(b.ballot_id, s.key): _Asked(b, s) for b in ballots for s in b.subjects}
    said = _sorted(votes, cards)
    given = _settled(said.readings)
    answers = [answer for answer in given if answer is not None]
    samples = _Samples(cards.values(), answers, ballots[0].labels if ballots else ())
    yes = sum(map(samples.says_yes, answers))
    ranked = _ranked(said.levels)
    return Heard(
        opinions=Opinions(
            samples=samples.opinions(),
            features=tuple(
                FeatureOpinion(label=label, feature=one.feature, value=one.mean, votes=one.votes)
                for label, found in ranked.items()
                for one in sorted(found, key=lambda one: one.feature)
            ),
            words=tuple(LabelWords(label=k, words=tuple(v)) for k, v in sorted(said.words.items())),
        ),
        tally=Tally(
            votes=len(votes),
            voters=len({v.person for v in votes}),
            yes=yes,
            no=len(answers) - yes,
            abstained=len(given) - len(answers),
            levels=len(said.levels),
            words=sum(map(len, said.words.values())),
            alpha=samples.consensus.alpha,
        ),
        consensus=samples.consensus,
        ranking=ranked,
        ignored=samples.ignored(),
    )


def counted(ballots: Sequence[Ballot], votes: Sequence[Vote]) -> dict[str, Counter[str]]:
    """Ballot -> its answers, counted: choices, levels and `label: NAME`, not what labels mean.

    On a sheet choices are counted for each picture: `<number>:<choice>`.
    """
    found = {ballot.ballot_id: Counter[str]() for ballot in ballots}
    sheets = {ballot.ballot_id for ballot in ballots if ballot.is_sheet}
    for vote in votes:
        if not vote.subject.startswith(("words.", "about.")):
            is_name = vote.subject.endswith(".label")  # a label may be called like a choice
            answer = vote.answer or ""
            if vote.ballot_id in sheets and not is_name:
                answer = f"{vote.subject}:{answer}"
            found[vote.ballot_id][f"label: {answer}" if is_name else answer] += 1
    return found


def experts(consensus: Consensus, label: str, names: Mapping[str, str]) -> tuple[str, ...]:
    """The names of people who surely know a label well, best first, at most three.

    Args:
        consensus: what the votes say of voters.
        label: the label in question.
        names: person -> name; who has none is left out.
    """
    known = {
        person: voter.of_class[label]
        for person, voter in consensus.voters.items()
        if label in voter.of_class and person not in consensus.ignored and names.get(person)
        if min(voter.right_on_good, voter.right_on_bad) >= LOOKS
    }
    best = sorted(known, key=lambda person: (-known[person].mean, names[person]))
    return tuple(
        names[person]
        for person in best
        if known[person].low >= KNOWS_WELL and known[person].votes >= ANSWERED
    )[:MAX_EXPERTS]


# --- what a vote says ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asked:
    """A subject and the ballot it stands on."""

    ballot: Ballot
    subject: Subject

    @property
    def item(self) -> str:
        """Gold cards may show a sample under another label: another question and another item."""
        is_gold = self.subject.role == "gold"
        name = f"gold:{self.ballot.ballot_id}:{self.subject.key}"
        return name if is_gold else self.subject.target

    @property
    def options(self) -> frozenset[str]:
        """The labels to choose from; empty where only the given one was asked about."""
        return frozenset(c.names for c in self.ballot.choices if c.names is not None)

    @property
    def truth(self) -> str | bool | None:
        """What a gold card is sure of: whether its label fits, or which of those offered does."""
        if self.subject.role != "gold" or self.subject.truth is None:
            return None
        fits = self.subject.truth > 0.5
        return self.subject.label if fits and self.options and self.subject.label else fits


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one vote says of one sample.

    Attributes:
        answer: the answer; None abstains.
        rules_out: what a mere no excludes; a label named besides stands if it is not among it.
    """

    item: str
    voter: str
    at: datetime
    answer: Answer | None
    rules_out: frozenset[str] | None = None


@dataclass(slots=True)
class _Said:
    """Votes by what they speak of."""

    readings: list[_Reading] = field(default_factory=list)
    levels: list[tuple[Subject, str, float]] = field(default_factory=list)
    words: dict[str, list[str]] = field(default_factory=dict)


def _sorted(votes: Iterable[Vote], cards: Mapping[tuple[str, str], _Asked]) -> _Said:
    said = _Said()
    for vote in votes:
        verb, _, rest = vote.subject.partition(".")
        asked = cards.get((vote.ballot_id, verb))
        if verb in ("words", "about"):
            said.words.setdefault(rest, []).append(vote.answer or "")
        elif asked is not None and asked.subject.kind is SubjectKind.SAMPLE:
            said.readings.append(_read(vote, asked, is_name=rest == "label"))
        elif asked is not None and vote.value is not None:
            said.levels.append((asked.subject, vote.person, vote.value))
    return said


def _read(vote: Vote, asked: _Asked, *, is_name: bool) -> _Reading:
    item, voter, subject = asked.item, vote.person, asked.subject
    answer: Answer | None
    rules_out = None
    chosen = next((c for c in asked.ballot.choices if c.id == vote.answer), None)
    if is_name:
        is_same = vote.answer == subject.label
        answer = YesNo(item, voter, True) if is_same else Choice(item, voter, vote.answer or "")
    elif vote.value is None:
        answer = None
    elif asked.options and chosen is not None:
        answer = Choice(item, voter, chosen.names or SOMETHING_ELSE)
        rules_out = None if chosen.names else asked.options
    else:
        answer = YesNo(item, voter, vote.value > 0)
        rules_out = None if vote.value > 0 else frozenset(filter(None, [subject.label]))
    return _Reading(item, voter, vote.at, answer, rules_out)


def _settled(readings: Iterable[_Reading]) -> list[Answer | None]:
    """The one answer of each person on each item, None where they abstain.

    The last one counts; but a mere no leaves standing what the same person calls it instead.
    """
    by_person: dict[tuple[str, str], list[_Reading]] = defaultdict(list)
    for reading in readings:
        by_person[reading.item, reading.voter].append(reading)
    settled = []
    for said in by_person.values():
        # of two at one moment the one that says more comes last
        said.sort(key=lambda r: (r.at, r.answer is not None, isinstance(r.answer, Choice)))
        last = said[-1]
        named = [r.answer for r in said if _stands_beside(r.answer, last)]
        settled.append(named[-1] if named else last.answer)
    return settled


def _stands_beside(answer: Answer | None, last: _Reading) -> bool:
    """Whether an earlier answer names a label that the last one, a mere no, does not rule out."""
    if last.rules_out is None or not isinstance(answer, Choice):
        return False
    return answer.label not in (SOMETHING_ELSE, *last.rules_out)


# --- what the team thinks -----------------------------------------------------------------------


class _Samples:
    """The answers on samples, and what they come to."""

    def __init__(
        self, asked: Iterable[_Asked], answers: Sequence[Answer], labels: Sequence[str]
    ) -> None:
        self._asked = [a for a in asked if a.subject.kind is SubjectKind.SAMPLE]
        self._given = {
            a.item: a.subject.label or GIVEN
            for a in self._asked
            if a.subject.label is not None or a.ballot.ask == "fits"
        }
        self._named: dict[str, set[str]] = defaultdict(set)
        for a in self._asked:
            self._named[a.item] |= a.options
        for answer in answers:
            if isinstance(answer, Choice):
                self._named[answer.item].add(answer.label)
        believed: dict[str, bool] = {}
        for a in self._asked:
            if a.subject.believed is not None and a.truth is None:
                believed.setdefault(a.item, a.subject.believed > 0.5)  # what was thought at first
        self._answers = answers
        self._gold = {a.item: a.truth for a in self._asked if a.truth is not None}
        self.consensus = aggregate(
            answers,
            gold=self._gold,
            given=self._given,
            labels=tuple(labels),
            believed=believed,
        )

    def says_yes(self, answer: Answer) -> bool:
        """Whether an answer speaks for the given label."""
        if isinstance(answer, YesNo):
            return answer.is_yes
        return answer.label == self._given.get(answer.item)

    def ignored(self) -> dict[str, tuple[int, int]]:
        """Person whose votes count for nothing -> (right, asked) on gold cards."""
        return {person: self._score(person) for person in sorted(self.consensus.ignored)}

    def _score(self, person: str) -> tuple[int, int]:
        mine = [a for a in self._answers if a.voter == person and a.item in self._gold]
        return sum(map(self._is_right, mine)), len(mine)

    def _is_right(self, answer: Answer) -> bool:
        truth = self._gold[answer.item]
        if isinstance(truth, str) and isinstance(answer, Choice):
            return answer.label == truth
        fits = truth if isinstance(truth, bool) else truth == self._given.get(answer.item)
        return self.says_yes(answer) == fits

    def opinions(self) -> tuple[SampleOpinion, ...]:
        """What the trainer is told of every sample that was answered by somebody who counts."""
        ids = {a.item for a in self._asked if a.subject.role != "gold"}
        return tuple(
            SampleOpinion(
                sample_id=item,
                keep=self.consensus.posterior.get(item),
                votes=self.consensus.votes[item],
                relabel=self._relabel(item),
                labels=self._labels(item),
            )
            for item in sorted(ids & self.consensus.votes.keys())
            if self.consensus.votes[item]
        )

    def _labels(self, item: str) -> tuple[tuple[str, float], ...]:
        """(label, probability), likeliest first, once any label was offered or named."""
        if not self._named[item]:
            return ()
        known = self._named[item] | {self._given.get(item, GIVEN)}
        found = self.consensus.classes.get(item, {})
        shown = [(k, p) for k, p in found.items() if k in known - {GIVEN, SOMETHING_ELSE}]
        return tuple(sorted(shown, key=lambda one: (-one[1], one[0])))

    def _relabel(self, item: str) -> str | None:
        """Another label than the given one, where the team is more sure of it than of all else."""
        keep = self.consensus.posterior.get(item)
        label, probability = next(iter(self._labels(item)), ("", 0.0))
        is_sure = probability > 0.5 and (keep is None or keep < 0.5)
        return label if is_sure and label != self._given.get(item) else None


def _ranked(
    features: Sequence[tuple[Subject, str, float]],
) -> dict[str, tuple[Importance, ...]]:
    """Label -> its features, most important first; how people vote is learnt over all labels."""
    values = [(f"{s.label or ''}\0{s.target}", person, value) for s, person, value in features]
    label_of = {name: name.partition("\0")[0] for name, _, _ in values}
    by_label: dict[str, list[Importance]] = {label: [] for label in sorted(label_of.values())}
    for one in ranking(values, within=label_of):
        label, _, word = one.feature.partition("\0")
        by_label[label].append(replace(one, feature=word))
    return {label: tuple(found) for label, found in by_label.items()}
