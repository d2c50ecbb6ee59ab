"""What one viewer sees of a message: the same view feeds the page's templates and the JSON API.

Seeds are controls and never counted: a count is the number of people. While a question is blind
nobody learns how many people marked it or who they are. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from pydantic import Field

from adapters.base import Button, Card, CardPart, Menu, Plain
from adapters.web.state import Message

WORDS: Final[Mapping[str, str]] = {
    "up": "Yes",
    "down": "No",
    "unsure": "Can't tell",
    "bad": "Bad data",
    "fire": "Excellent",
    "same": "About the same",
    **{
        word: str(number)
        for number, word in enumerate(
            ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), 1
        )
    },
    **{letter: letter.upper() for letter in "abcdefghijkl"},
}
"""Canonical emoji and what a control says that has no label of its own."""

TINY, ENLARGED = 96, 320  # px: what is smaller is enlarged, and to how much at most


class PersonView(Plain):
    """Who wrote something."""

    id: str
    name: str


class MarkView(Plain):
    """A reaction as a control: count and names are None while the card is blind."""

    emoji: str
    label: str
    is_answer: bool  # one of several answers: giving another takes it back
    part: str  # what it speaks of alone; "" = the whole card
    is_mine: bool
    count: int | None
    names: tuple[str, ...] | None


class PressView(Plain):
    """A button as a control, where reactions do not answer."""

    id: str
    label: str
    emoji: str | None
    part: str  # what it speaks of alone; "" = the whole card
    back: str  # the level of the menu that takes back what was said of that part
    is_mine: bool


class MineView(Plain):
    """What the viewer gave on this message."""

    reactions: tuple[str, ...] = ()
    choice: str | None = None
    values: dict[str, str] = Field(default_factory=dict)


class PictureView(Plain):
    """A picture to load from `url`."""

    url: str
    alt: str
    title: str
    width: int = 0  # px to draw it at, where it is to be enlarged; 0 = as it is, if it fits
    height: int = 0


class MessageView(Plain):
    """A message as one viewer sees it; a card's fields are empty on plain messages."""

    id: int
    revision: int
    thread: int | None  # the message it replies to
    author: PersonView | None  # None: the bot
    at: datetime
    is_own: bool
    is_edited: bool
    is_whisper: bool
    is_card: bool
    text: str
    pictures: tuple[PictureView, ...]
    tone: str = "plain"
    title: str = ""
    parts: tuple[CardPart, ...] = ()
    bars: tuple[tuple[str, float, str], ...] = ()
    lines: tuple[str, ...] = ()
    footer: str = ""
    until: datetime | None = None
    tally: str = ""
    is_asking: bool = False  # open, and waits for this viewer's or others' answers
    is_closed: bool = False
    seeds: tuple[str, ...] = ()
    buttons: tuple[Button, ...] = ()
    menu: Menu | None = None
    marks: tuple[MarkView, ...] = ()  # reactions to draw: seeds first, labelled by their button
    presses: tuple[PressView, ...] = ()  # buttons to draw: those that are no seed
    is_filled_in: bool = False  # the menu, by the viewer, as far as nothing else answers for it
    mine: MineView


def message_view(message: Message, viewer: str) -> MessageView:
    """The message as the person `viewer` sees it."""
    post, card = message.post, message.card
    mine = MineView(
        reactions=tuple(e for e, people in message.reactions.items() if viewer in people),
        choice=message.choice,
        values=dict(message.levels),
    )
    plain = MessageView(
        id=post.id,
        revision=post.revision,
        thread=post.thread,
        author=PersonView(id=f"web:{post.author}", name=message.author_name)
        if post.author
        else None,
        at=post.at,
        is_own=viewer in (post.author, post.only_for),
        is_edited=post.edited_at is not None,
        is_whisper=post.only_for is not None,
        is_card=card is not None,
        text=post.text,
        pictures=tuple(map(_picture_view, post.pictures)),
        marks=_marks(message, card or Card(text=""), viewer),
        mine=mine,
    )
    return plain.model_copy(update=_card_fields(card, mine)) if card else plain


def _picture_view(kept: Mapping[str, str]) -> PictureView:
    """The picture, and how far a tiny one is enlarged: a whole factor keeps its pixels square."""
    width, height = int(kept.get("width", 0)), int(kept.get("height", 0))
    longest = max(width, height)
    factor = ENLARGED // longest if min(width, height) > 0 and longest < TINY else 0
    return PictureView(
        url=f"/files/{kept['file']}",
        alt=kept["alt"],
        title=kept["title"],
        width=width * factor,
        height=height * factor,
    )


def _card_fields(card: Card, mine: MineView) -> dict[str, object]:
    return {
        "tone": card.tone,
        "title": card.title,
        "parts": card.parts,
        "bars": card.bars,
        "lines": card.lines,
        "footer": card.footer,
        "until": card.until,
        "tally": card.tally,
        "is_asking": not card.is_closed
        and bool(card.seeds or card.menu or (card.tone == "question" and card.buttons)),
        "is_closed": card.is_closed,
        "seeds": card.seeds,
        "buttons": card.buttons,
        "menu": card.menu,
        "presses": tuple(_press(b, card, mine) for b in card.buttons if b.emoji not in card.seeds),
        "is_filled_in": _is_filled_in(card, mine),
    }


def _press(button: Button, card: Card, mine: MineView) -> PressView:
    levels = [value for value, _ in card.menu.levels] if card.menu and button.part else []
    level = mine.values.get(button.part) if button.part else None
    return PressView(
        id=button.id,
        label=button.label,
        emoji=button.emoji,
        part=button.part,
        back=next((other for other in levels if f"{button.part}:{other}" != button.id), ""),
        is_mine=mine.choice == button.id or f"{button.part}:{level}" == button.id,
    )


def _is_filled_in(card: Card, mine: MineView) -> bool:
    """Whether the menu is answered: where parts have buttons, each of them."""
    has_parts = any(button.part for button in card.buttons)
    keys = {key for key, _ in card.menu.options} if card.menu and has_parts else set()
    return bool(mine.values) and keys <= mine.values.keys()


def is_answer(card: Card, emoji: str) -> bool:
    """True for a reaction that answers the card's question, like its buttons do."""
    parts = {button.emoji: button.part for button in card.buttons if button.emoji in card.seeds}
    labelled = {mark for mark, part in parts.items() if not part}
    return emoji in labelled or emoji in ("up", "down", "unsure", "bad")


def _marks(message: Message, card: Card, viewer: str) -> tuple[MarkView, ...]:
    labels = {b.emoji: b.label for b in card.buttons if b.emoji in card.seeds}
    parts = {b.emoji: b.part for b in card.buttons if b.emoji in card.seeds}
    is_blind = card.is_blind and not card.is_closed
    emoji = dict.fromkeys(card.seeds)
    emoji |= {
        e: None for e, people in message.reactions.items() if viewer in people or not is_blind
    }
    return tuple(
        MarkView(
            emoji=e,
            label=labels.get(e) or WORDS.get(e, f":{e}:"),
            is_answer=is_answer(card, e),
            part=parts.get(e, ""),
            is_mine=viewer in (people := message.reactions.get(e, {})),
            count=None if is_blind else len(people),
            names=None if is_blind else tuple(people.values()),
        )
        for e in emoji
    )
