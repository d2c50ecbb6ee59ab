"""Rules of thumb for what asking brings, by what a kind of fine-tuning asks about. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

GO_ABOVE = 0.15
"""A clean pool then never gets a go."""


@dataclass(frozen=True, slots=True)
class Thumb:
    """Rules of thumb for a kind of fine-tuning, in its own unit (`bot.metrics.gain`).

    Attributes:
        over_alone: gain over the best that needs nobody, per share of dirt in the pool.
        per_dirt: gain per share of dirt taken out of what is trained on.
        train_ratio: training to the control's metric on the clean samples alone, over all of it,
            per clean share.
        go_above: the share of dirt must surely (10 % bound) exceed this.
    """

    over_alone: float
    per_dirt: float
    train_ratio: float
    go_above: float = GO_ABOVE


THUMBS: Mapping[Literal["label", "answer", "pair"], Thumb] = {
    # over label names alone .10 and .12 on two kinds of dirt in banking77 (100 votes), .045 in the
    # demo (four seeds, 300 votes); per dirt between .27 and .42 in four comparisons, .93 in a fifth
    "label": Thumb(over_alone=8.0, per_dirt=100 / 3, train_ratio=0.33),
    # 60 % dirt in GSM8K, a toy of 4 M weights, 50 to 100 votes, at .4 of the control's tokens: .07
    # to .1 nats under the control, but .00 to .04 under what prompt and answer tell by themselves;
    # clean samples alone .07 and .10 nats under the control, whose loss they reach with .43 to .48
    # of its tokens at a clean share of .4
    "answer": Thumb(over_alone=4.0, per_dirt=14.0, train_ratio=1.1),
    # a third of the pairs flipped: where whole groups of pairs are, 100 votes bring 27 points over
    # a reward model's own corrections and 32 to 40 over none; where flips fall at random, nothing.
    # Nobody knows beforehand which it is: half of it
    # where a third of the pairs is turned, a bound of .15 stops 28 of 100 audits (30 cards, voters
    # of .85), one of .08 stops 9 and lets 3 of 100 clean pools pass: more is at stake than with labels
    "pair": Thumb(over_alone=35.0, per_dirt=45.0, train_ratio=0.33, go_above=0.08),
}
"""By what a kind asks about; the toys' figures are of one or two seeds."""
