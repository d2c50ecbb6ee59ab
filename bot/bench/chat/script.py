"""Who does what in the chat benchmark, and what must stand in the end.

The oracle counts reactions and replies always: they stand on the platform whether or not the bot
runs. A pressed button counts once it was acknowledged: no platform keeps a press made while the
bot is down, it fails for the person to see, who presses again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Way = Literal["reaction", "button", "reply"]
SHARES: Mapping[Way, float] = {"reaction": 0.55, "button": 0.3, "reply": 0.15}
SHARE_CHANGED, SHARE_TAKEN_BACK, SHARE_BOTH_WAYS = 0.1, 0.05, 0.05


@dataclass(frozen=True, slots=True)
class Act:
    """One thing a person does on a card; without a choice they take their answer back."""

    card: str
    way: Way
    choice: str | None


def acts(cards: Mapping[str, Sequence[str]], rng: random.Random) -> list[Act]:
    """One person's answers, card by card in an order of their own.

    Some change their mind, some take it back, and some press a button first and react then.

    Args:
        cards: card -> the choices it offers.
        rng: decides.
    """
    found: list[Act] = []
    for card in rng.sample(sorted(cards), len(cards)):
        way = rng.choices(list(SHARES), list(SHARES.values()))[0]
        if way == "reaction" and rng.random() < SHARE_BOTH_WAYS:
            found.append(Act(card, "button", rng.choice(cards[card])))
        found.append(Act(card, way, rng.choice(cards[card])))
        draw = rng.random()
        if draw < SHARE_CHANGED:
            found.append(Act(card, way, rng.choice(cards[card])))
        elif way != "button" and draw < SHARE_CHANGED + SHARE_TAKEN_BACK:
            found.append(Act(card, way, None))
    return found


@dataclass(slots=True)
class Oracle:
    """What stands: (card, person) -> what they gave in each way, the last one last."""

    given: dict[tuple[str, str], dict[Way, str]] = field(default_factory=dict)

    def did(self, person: str, act: Act) -> None:
        """Something that stands on the platform, or was acknowledged."""
        ways = self.given.setdefault((act.card, person), {})
        ways.pop(act.way, None)
        if act.choice is not None:
            ways[act.way] = act.choice

    def votes(self) -> dict[tuple[str, str], str]:
        """(card, person) -> the answer that counts."""
        return {key: list(ways.values())[-1] for key, ways in self.given.items() if ways}


@dataclass(frozen=True, slots=True)
class Difference:
    """How the bot's tallies differ from the oracle's."""

    lost: int
    invented: int
    other: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.lost + self.invented + self.other


def compare(
    wanted: Mapping[tuple[str, str], str], found: Mapping[tuple[str, str], str | None]
) -> Difference:
    """Votes that are missing, that nobody gave, and that say something else."""
    both = wanted.keys() & found.keys()
    return Difference(
        lost=len(wanted.keys() - found.keys()),
        invented=len(found.keys() - wanted.keys()),
        other=sum(wanted[key] != found[key] for key in both),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]
