"""How each participant of a live study sees cards, drawn by lot once per person. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from adapters.base import Button, Card

AGREE = "study:agree"
"""The button that stands on every question until its reader has agreed to take part."""

Style = Literal["reaction", "button"]


@dataclass(frozen=True, slots=True)
class Condition:
    """One of four ways to see a card.

    Attributes:
        is_open: how many said what so far is shown; else it is hidden until the round closes.
        style: whether an answer is a reaction put on the card, or a button pressed.
    """

    is_open: bool
    style: Style

    @property
    def name(self) -> str:
        """As tables have it."""
        return f"{'open' if self.is_open else 'blind'}, {self.style}"


CONDITIONS = (
    Condition(is_open=False, style="reaction"),
    Condition(is_open=False, style="button"),
    Condition(is_open=True, style="reaction"),
    Condition(is_open=True, style="button"),
)


def condition_of(seed: int, voter: str) -> Condition:
    """The condition of a person, e.g. `web:ana`: the same for the same seed, for ever."""
    return CONDITIONS[draw(seed, voter) % len(CONDITIONS)]


def draw(seed: int, voter: str) -> int:
    """A large number that a seed and a name make: all the chance there is in a study."""
    return int.from_bytes(sha256(f"{seed}:{voter}".encode()).digest()[:8], "big")


def shown(card: Card, condition: Condition, said: Mapping[str, int]) -> Card:
    """An open question as somebody in that condition sees it.

    Counts and names stand on nobody's controls: they would show reactions alone. Who sees what was
    said so far sees it as one line, presses and reactions together.

    Args:
        card: as it was posted, with both kinds of controls.
        condition: of who looks.
        said: button id -> people who gave that answer.
    """
    named = {b.id: f"no. {b.label}:" if b.part else b.label for b in card.buttons}
    tally = " · ".join(f"{name} {said[id_]}" for id_, name in named.items() if said.get(id_))
    return card.model_copy(
        update={
            "is_blind": True,
            "tally": f"So far: {tally or 'nobody yet'}" if condition.is_open else "",
            "seeds": card.seeds if condition.style == "reaction" else (),
        }
    )


def consent(text: Sequence[str]) -> Card:
    """What stands in the place of every open question before somebody has agreed."""
    return Card(
        text="Before your first answer",
        title="Before your first answer",
        lines=tuple(text),
        buttons=(Button(id=AGREE, label="I have read this and take part"),),
        tone="question",
        is_blind=True,
    )
