"""Simulated people of a benchmark: how they answer cards, and what it costs them. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from bot.dirt import Dirt, Judgement, dirt_share
from storage.consensus import Choice, Consensus, YesNo, aggregate
from trainer.segment import Opinions, SampleOpinion, SegmentReport

OVERLAP = 0.2
"""Share of the cards that a second person answers, so that voters can be told apart."""
SECONDS_PER_VOTE = 4.2
"""Median of 15,000 batches of real labelling work (CIFAR-10N's labour file)."""
SECONDS_PER_PHRASE = 20.0
SECONDS_PER_FIX = 10.0


@dataclass(frozen=True, slots=True)
class Rater:
    """Somebody who is right with probability `accuracy`, or always says yes."""

    name: str
    accuracy: float
    is_lazy: bool = False


def _team(*accuracies: float, lazy: int = 0) -> tuple[Rater, ...]:
    people = [Rater(f"p{i}", accuracy) for i, accuracy in enumerate(accuracies)]
    return (*people, *(Rater(f"lazy{i}", 0.5, is_lazy=True) for i in range(lazy)))


TEAMS: Mapping[str, tuple[Rater, ...]] = {
    "good": _team(*[0.95] * 5),
    "fair": _team(*[0.85] * 5),
    "weak": _team(*[0.7] * 5),
    "lazy": _team(*[0.95] * 4, lazy=1),
    "adverse": _team(*[0.95] * 4, 0.05),
    "mixed": _team(*[0.95] * 3, 0.05, lazy=1),
}
"""Teams of five."""


def team_of(name: str) -> tuple[Rater, ...]:
    """The team called so: one of `TEAMS`, or as `20x0.85` says, twenty people who are right so often."""
    if name in TEAMS:
        return TEAMS[name]
    size, _, accuracy = name.partition("x")
    return _team(*[float(accuracy)] * int(size))


@dataclass(frozen=True, slots=True)
class Asked:
    """A card that was answered."""

    sample_id: str
    given: str
    shown: str
    truth: float | None  # gold only: whether what was shown fits
    is_audit: bool


class Card(Protocol):
    """A card that was answered."""

    @property
    def sample_id(self) -> str:
        """What it was about."""

    @property
    def is_audit(self) -> bool:
        """Whether it was drawn at random."""


C = TypeVar("C", bound=Card)


class Remembering(ABC, Generic[C]):
    """Whoever answers cards, and knows which."""

    cards: list[C]

    @property
    def asked(self) -> tuple[str, ...]:
        """Samples that stood on a card."""
        return tuple(card.sample_id for card in self.cards)

    @property
    def dirt(self) -> Dirt | None:
        """What the random cards so far tell; None where they are too few."""
        posterior = self.consensus().posterior
        audited = [card.sample_id for card in self.cards if card.is_audit]
        return dirt_share([[Judgement(posterior[i] > 0.5)] for i in audited if i in posterior])

    def told(self) -> Opinions:
        """What they think, as the trainer is told."""
        return Opinions(samples=self.opinions())

    @abstractmethod
    def consensus(self) -> Consensus:
        """What they think."""

    @abstractmethod
    def opinions(self) -> tuple[SampleOpinion, ...]:
        """What they think of every sample."""


class Jury(Remembering[Asked]):
    """A team at work: remembers every answer, and what the answers come to."""

    def __init__(
        self, team: Sequence[Rater], truth: Mapping[str, str], given: Mapping[str, str],
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self._team, self._truth, self._given, self._rng = team, truth, given, rng
        self._answers: list[YesNo | Choice] = []
        self._believed: dict[str, bool] = {}
        self._fixes: dict[str, str] = {}
        self.cards = []
        self._turn = 0

    @property
    def votes(self) -> int:
        """Answers so far, gold and repeats included."""
        return sum(isinstance(answer, YesNo) for answer in self._answers)

    def answer(self, report: SegmentReport, budget: int) -> None:
        """Answer cards until `budget` answers are given in all."""
        for candidate in report.candidates:
            if self.votes >= budget:
                return
            view = candidate.view
            shown = view.label or ""
            is_gold = candidate.role == "gold"
            card = Asked(
                view.sample_id, self._given[view.sample_id], shown,
                candidate.truth if is_gold else None, candidate.role == "audit",
            )  # fmt: skip
            self.cards.append(card)
            if candidate.is_telling and candidate.keep is not None:
                self._believed[_item(card)] = candidate.keep > 0.5
            people = min(2 if self._rng.random() < OVERLAP else 1, len(self._team))
            for _ in range(min(people, budget - self.votes)):
                rater = self._team[self._turn % len(self._team)]
                self._turn += 1
                fits = self._truth[view.sample_id] == shown
                is_yes = rater.is_lazy or fits == (self._rng.random() < rater.accuracy)
                self._answers.append(YesNo(_item(card), rater.name, is_yes))

    def fix(self, count: int, labels: Sequence[str]) -> int:
        """Say for up to `count` samples that were voted down which label is right; how many."""
        consensus = self.consensus()
        down = [
            c for c in self.cards
            if c.truth is None and consensus.posterior.get(_item(c), 1.0) < 0.5
            and self._truth[c.sample_id] in labels and c.sample_id not in self._fixes
        ]  # fmt: skip
        for card in down[:count]:
            rater = self._team[self._turn % len(self._team)]
            self._turn += 1
            right = self._truth[card.sample_id]
            is_right = not rater.is_lazy and self._rng.random() < rater.accuracy
            self._fixes[card.sample_id] = right if is_right else str(self._rng.choice(labels))
        return len(down[:count])

    def consensus(self) -> Consensus:
        """What the team thinks."""
        gold = {_item(c): c.truth > 0.5 for c in self.cards if c.truth is not None}
        return aggregate(self._answers, gold, believed=self._believed)

    def opinions(self) -> tuple[SampleOpinion, ...]:
        """The same, as the trainer is told."""
        consensus = self.consensus()
        votes = Counter(a.item for a in self._answers)
        return tuple(
            SampleOpinion(
                sample_id=card.sample_id,
                keep=consensus.posterior[_item(card)],
                votes=votes[_item(card)],
                relabel=self._relabel(card.sample_id),
            )
            for card in self.cards
            if card.truth is None and _item(card) in consensus.posterior
        )

    def _relabel(self, sample_id: str) -> str | None:
        better = self._fixes.get(sample_id)
        return better if better != self._given[sample_id] else None

    def right_answers(self) -> tuple[tuple[str, str], ...]:
        """(sample, label) of what people said is right: all that is known without the pool."""
        kept = [
            (o.sample_id, o.relabel or self._given[o.sample_id])
            for o in self.opinions()
            if o.relabel or (o.keep or 0.0) > 0.5
        ]
        return tuple(kept)


def _item(card: Asked) -> str:
    """Gold cards show a sample under another label: a different question, hence another item."""
    return f"gold:{card.sample_id}:{card.shown}" if card.truth is not None else card.sample_id


def phrases_for(
    label: str, texts: Mapping[str, Sequence[str]], rng: np.random.Generator
) -> tuple[str, ...]:
    """What somebody who knows a label would say of it: keywords, and a typical sentence.

    Args:
        label: which.
        texts: label -> texts of it that are in no pool: what the team knows.
        rng: picks the sentence.
    """
    mine = texts.get(label, ())
    if not mine:
        return ()
    words = Counter(w for text in mine for w in set(_words(text)))
    elsewhere = Counter(w for other in texts.values() for text in other for w in set(_words(text)))
    telling = sorted(words, key=lambda w: (-(words[w] ** 2) / (elsewhere[w] + 1), w))[:6]
    return (" ".join(telling), str(rng.choice(list(mine))))


def _words(text: str) -> list[str]:
    return [w for w in text.lower().replace("?", " ").split() if len(w) > 2]
