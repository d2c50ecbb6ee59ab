"""Several pictures on one card, by number: which of them are not what they are filed under? Pure."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.base import Button, Card, Menu, Picture
from bot.wording import NUMBERS, ONLY_BUTTONS
from storage.models import Ballot, SheetView

REST: Mapping[str, str] = {
    "yes": "All others fit",
    "no": "No other fits",
    "unsure": "Can't tell the others",
    "bad": "Bad card",
}
"""What an answer says of the pictures whose number was not tapped."""


def question(
    ballot: Ballot, view: SheetView, label: str, *, seeded: bool, closes: str, known: str
) -> Card:
    """A sheet as an open card.

    Args:
        ballot: what is asked.
        view: the pictures.
        label: what they are filed under, short enough for a heading.
        seeded: whether answers are given as reactions, too.
        closes: until when, in words.
        known: who would know, if anybody.
    """
    title = f"Which of these are not “{label}”?"
    numbered = ", ".join(f"{subject.key} {subject.target}" for subject in ballot.subjects)
    said = {choice.id: choice for choice in ballot.choices}
    buttons = (
        *(
            Button(id=f"{subject.key}:no", label=subject.key, emoji=emoji, part=subject.key)
            for subject, emoji in zip(ballot.subjects, NUMBERS, strict=False)
        ),
        *(
            Button(id=choice, label=words, emoji=said[choice].emoji[0])
            for choice, words in REST.items()
        ),
    )
    return Card(
        text=f"{title} {len(ballot.subjects)} pictures: {numbered}",
        title=title,
        lines=(known,) if known else (),
        pictures=(
            Picture(
                path=view.sheet_path, alt=f"Pictures filed under {label}, by number: {numbered}"
            ),
        ),
        buttons=buttons,
        menu=Menu(
            title="Each picture by itself",
            options=tuple((s.key, f"Picture {s.key}") for s in ballot.subjects),
            levels=tuple((choice, said[choice].label) for choice in ("no", "yes")),
        ),
        seeds=tuple(button.emoji or "" for button in buttons) if seeded else (),
        footer=" · ".join((ballot.run_id, numbered, *ways_to_reply(ballot), closes)),
        is_blind=ballot.is_blind,
        tone="question",
    )


def ways_to_reply(ballot: Ballot) -> tuple[str, ...]:
    """What the numbers are for, and what can be typed instead, or that nothing can."""
    tap = f"tap the numbers that do not fit, then “{REST['yes']}”"
    return tap, ONLY_BUTTONS if ballot.is_blind else "or reply “3 7”, “all fit”, “none fit”"


def tally(ballot: Ballot, answers: Mapping[str, int]) -> str:
    """The count in words; which of the pictures do not fit is said by number.

    Args:
        ballot: what was asked.
        answers: `<number>:<choice>` or `label: NAME` -> how often (`bot.opinions.counted`).
    """
    keys = [subject.key for subject in ballot.subjects]
    parts = []
    for choice in ballot.choices:
        given = {key: n for key in keys if (n := answers.get(f"{key}:{choice.id}", 0))}
        if given and choice.value is not None and choice.value < 0:
            numbers = ", ".join(f"no. {key} ({n})" for key, n in given.items())
            parts.append(f"{choice.label.lower()}: {numbers}")
        elif given:
            parts.append(f"{choice.label.lower()} {sum(given.values())}")
    names = (f"label: {name}" for name in ballot.labels)
    parts += [f"{name} {answers[name]}" for name in names if answers.get(name)]
    return " · ".join(parts) or "no votes"
