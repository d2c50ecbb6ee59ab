"""Real people's recorded answers to 'which of these?': they are what a jury of a pool says. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bot.bench.learning.team import OVERLAP, Remembering
from storage.consensus import SOMETHING_ELSE, Choice, Consensus, aggregate
from trainer.segment import SampleOpinion, SegmentReport


@dataclass(frozen=True, slots=True)
class Shown:
    """A card that was answered."""

    sample_id: str
    is_audit: bool
    is_gold: bool


class RecordedJury(Remembering[Shown]):
    """Answers cards with what others than the labeller said of the same sample.

    Who they were was not recorded: first and second answers count as two people's.

    Args:
        said: sample -> what each of the others called it.
        given: sample -> its label in the pool.
        labels: to choose from; what is none of them is 'none of these'.
        rng: draws whose answer comes first, and which cards two people answer.
    """

    def __init__(
        self,
        said: Mapping[str, Sequence[str]],
        given: Mapping[str, str],
        labels: Sequence[str],
        rng: np.random.Generator,
    ) -> None:
        self._said, self._given, self._labels, self._rng = said, given, labels, rng
        self._answers: list[Choice] = []
        self.cards = []

    @property
    def votes(self) -> int:
        """Answers so far, gold and repeats included."""
        return len(self._answers)

    def answer(self, report: SegmentReport, budget: int) -> None:
        """Answer cards until `budget` answers are given in all."""
        for candidate in report.candidates:
            if self.votes >= budget:
                return
            sample_id = candidate.view.sample_id
            self.cards.append(Shown(sample_id, candidate.role == "audit", candidate.role == "gold"))
            others = list(self._rng.permutation(len(self._said[sample_id])))
            people = 2 if self._rng.random() < OVERLAP else 1
            for person in others[: min(people, budget - self.votes)]:
                label = self._said[sample_id][person]
                called = label if label in self._labels else SOMETHING_ELSE
                self._answers.append(Choice(sample_id, f"person {person}", called))

    def consensus(self) -> Consensus:
        """What they think."""
        gold = {card.sample_id: self._given[card.sample_id] for card in self.cards if card.is_gold}
        given = {card.sample_id: self._given[card.sample_id] for card in self.cards}
        return aggregate(self._answers, gold, given, self._labels)

    def opinions(self) -> tuple[SampleOpinion, ...]:
        """The same, as the trainer is told."""
        consensus = self.consensus()
        votes = Counter(answer.item for answer in self._answers)
        found = []
        for card in self.cards:
            if card.is_gold or card.sample_id not in consensus.posterior:
                continue
            classes = consensus.classes[card.sample_id]
            ranked = sorted(
                ((x, p) for x, p in classes.items() if x in self._labels),
                key=lambda one: (-one[1], one[0]),
            )
            label, sureness = ranked[0]
            keep = consensus.posterior[card.sample_id]
            is_other = sureness > 0.5 and keep < 0.5 and label != self._given[card.sample_id]
            found.append(
                SampleOpinion(
                    sample_id=card.sample_id,
                    keep=keep,
                    votes=votes[card.sample_id],
                    relabel=label if is_other else None,
                    labels=tuple(ranked),
                )
            )
        return tuple(found)

    def right_answers(self) -> tuple[tuple[str, str], ...]:
        """(sample, label) of what they said it is: all that is known without the pool.

        Gold cards included: whoever answers them says what is on the picture.
        """
        known = {
            o.sample_id: o.relabel or self._given[o.sample_id]
            for o in self.opinions()
            if o.relabel or (o.keep or 0.0) > 0.5
        }
        gold = {card.sample_id for card in self.cards if card.is_gold}
        known |= {a.item: a.label for a in self._answers if a.item in gold and a.label}
        return tuple(known.items())
