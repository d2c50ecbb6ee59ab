"""What each kind of fine-tuning is asked and told in: answers on cards, names of arms, topics. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from storage.energy import SHARED
from storage.models import Choice
from trainer.kinds import KINDS, SIDES, Kind

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
"""The emoji of numbers: of labels on a 'which of these?' card, of pictures on a sheet."""

FITS = (
    Choice(id="yes", label="Fits", value=1.0, emoji=("up",)),
    Choice(id="no", label="Does not fit", value=-1.0, emoji=("down",)),
    Choice(id="unsure", label="Can't tell", value=None, emoji=("unsure",)),
    Choice(id="bad", label="Bad card", value=None, emoji=("bad",)),
)
"""Answers to 'does the label fit?'; on a sheet of pictures, to each, or to all others at once."""

CANNOT = FITS[2:]
"""What every card offers: that one cannot tell, and that nobody could."""

WORTH = (
    Choice(id="yes", label="Worth learning", value=1.0, emoji=("up",)),
    Choice(id="no", label="Not worth it", value=-1.0, emoji=("down",)),
    *CANNOT,
)
"""Answers to 'should the model learn from this answer?'."""

HAPPY = (
    Choice(id="yes", label="Yes", value=1.0, emoji=("up",)),
    Choice(id="no", label="No", value=-1.0, emoji=("down",)),
    *CANNOT,
)
"""Answers to 'would you be happy with this answer?'."""

LEARN_FROM = "Should the model learn from this answer?"
PREFER = "Which answer is better?"
HAPPY_WITH = "Would you be happy with this answer?"
HOW_MUCH = "How much of the training should each topic get?"
ONLY_BUTTONS = "blind: only its buttons count"
"""Of a card on which nobody is to see another's answer: a reply is seen by all."""

Levels = tuple[tuple[str, str], ...]


def _levels(*said: str) -> Levels:
    return tuple((str(i), text) for i, text in enumerate(said))


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of a kind.

    Attributes:
        yes, no: how a round tells its answers on samples, after their numbers.
        feature_card: what a card with levels is called.
        levels: what 0 to 5 mean on it.
        weighed: what the levels are about.
        reweighted: why their votes change weights.
        relabelled: what became of samples the team calls something else.
    """

    yes: str
    no: str
    feature_card: str
    levels: Levels
    weighed: str
    reweighted: str
    relabelled: str = "relabelled"


_TOPICS: Mapping[str, Any] = {
    "feature_card": "topic card",
    "levels": _levels(
        "hardly any", "much less", "a little less", "a little more", "much more", "most of all"
    ),
    "weighed": "How much of the training each topic should get",
    "reweighted": "for their topics",
}

WORDING: Mapping[Literal["label", "answer", "pair"], Wording] = {
    "label": Wording(
        yes="fit",
        no="do not",
        feature_card="feature card",
        levels=_levels("does not matter", "hardly", "a little", "somewhat", "much", "matters most"),
        weighed="What matters",
        reweighted="for the words they lean on",
    ),
    "answer": Wording(yes="worth learning", no="not worth it", **_TOPICS),
    "pair": Wording(
        yes="for the side that the data prefers",
        no="against it",
        relabelled="turned round, as the team prefers the other side",
        **_TOPICS,
    ),
}
"""By what a kind asks about."""


def wording(kind: Kind) -> Wording:
    """The words of a kind."""
    return WORDING[kind.asks]


def prefer(given: str | None) -> tuple[Choice, ...]:
    """Answers to 'which answer is better?'; a tie and a bad pair speak for neither side.

    Args:
        given: the side that the data calls the better one; the card does not tell.
    """
    return (
        *(
            Choice(
                id=side,
                label=side,
                value=1.0 if side == given else -1.0,
                emoji=(side.lower(),),
                names=side,
            )
            for side in SIDES
        ),
        Choice(id="tie", label="About the same", value=-1.0, emoji=("same",)),
        Choice(id="bad", label="Bad pair", value=-1.0, emoji=("bad",)),
        Choice(id="unsure", label="Can't tell", value=None, emoji=("unsure",)),
    )


# --- runs as they were asked for ----------------------------------------------------------------


_DEFAULT_TASK = "text-classification"


def kind_of(spec: Mapping[str, Any]) -> Kind:
    """The kind of a run by its stored spec."""
    return KINDS[spec.get("task", _DEFAULT_TASK)]


def arm_said(arm: str, spec: Mapping[str, Any]) -> str:
    """What an arm is called in lists and under curves."""
    if arm == "no_votes":
        return f"{alone_said(arm, spec)} (nobody asked)"
    said = {
        "human": "with your votes",
        "control": "control (nobody asked)",
        SHARED: "shared by all arms",
    }
    return said.get(arm, arm)


def alone_said(arm: str, spec: Mapping[str, Any]) -> str:
    """What an arm is called in a sentence, where nobody was asked in it."""
    if arm == "no_votes":
        return "label names only" if kind_of(spec).has_names else "automatic signals only"
    return {"control": "the control"}.get(arm, arm)
