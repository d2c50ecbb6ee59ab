"""What simulated people say of the features they are shown. Pure; randomness is an argument."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from storage.consensus import ranking
from storage.models import FeatureView
from trainer.segment import FeatureOpinion

MISLEADS, IDLE, SOMEWHAT, MATTERS = -1.0, 0.0, 0.5, 1.0
"""Levels of an importance vote."""
TEXTS_READ = 5
"""Texts with the word in them that somebody has in mind when judging it."""
MOSTLY, SELDOM = 0.5, 0.2
"""Shares of those texts in which people marked the word: above, it matters; below, it misleads."""

Level = tuple[str, str, str, float]
"""(label, feature, voter, value in [-1, 1])."""


def against(cards: Sequence[FeatureView], planted: str, voters: int) -> list[Level]:
    """One vote of each of some people, all on what strikes them on the cards.

    That is the planted feature wherever they see it. Else it is what the model leans on most, of
    which they know nothing but that it somewhat matters.
    """
    shown = [
        (card.label, feature, share)
        for card in cards
        for feature, share in zip(card.features, card.shares, strict=True)
    ]
    odd = [one for one in shown if one[1] == planted]
    label, feature, _ = max(odd or shown, key=lambda one: one[2])
    value = MISLEADS if odd else SOMEWHAT
    return [(label, feature, f"p{i}", value) for i in range(voters)]


def praise(cards: Sequence[FeatureView], good: Collection[str], voters: int) -> list[Level]:
    """One vote of each of some people on all that is shown: what is good matters, the rest somewhat."""
    return [
        (card.label, feature, f"p{i}", MATTERS if feature in good else SOMEWHAT)
        for card in cards
        for feature in card.features
        for i in range(voters)
    ]


def rank_of(cards: Sequence[FeatureView], label: str, feature: str) -> int | None:
    """The feature's place on its label's card, 1 = leant on most; None where it is not there."""
    for card in cards:
        if card.label == label and feature in card.features:
            return card.features.index(feature) + 1
    return None


def by_marks(
    cards: Sequence[FeatureView],
    marks: Mapping[str, Mapping[str, Sequence[bool]]],
    voters: int,
    rng: np.random.Generator,
) -> list[Level]:
    """One vote of each of some people on every word shown, by what others marked as a reason.

    Args:
        cards: what is shown.
        marks: label -> word -> for each text of the label with the word, whether it is marked there.
        voters: how many vote.
        rng: draws the texts each of them has in mind.
    """
    said = []
    for card in cards:
        for word in card.features:
            known = marks.get(card.label, {}).get(word)
            if not known:
                continue
            for i in range(voters):
                share = float(np.mean(rng.choice(np.asarray(known), size=TEXTS_READ)))
                value = MATTERS if share >= MOSTLY else IDLE if share >= SELDOM else MISLEADS
                said.append((card.label, word, f"p{i}", value))
    return said


def opinions(said: Sequence[Level]) -> tuple[FeatureOpinion, ...]:
    """The same as the trainer is told, aggregated as the bot does."""
    names = {f"{label}\0{feature}": label for label, feature, _, _ in said}
    ranked = ranking([(f"{label}\0{f}", voter, v) for label, f, voter, v in said], within=names)
    return tuple(
        FeatureOpinion(
            label=names[one.feature],
            feature=one.feature.partition("\0")[2],
            value=one.mean,
            votes=one.votes,
        )
        for one in ranked
    )
