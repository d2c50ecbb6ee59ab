"""The question before what cannot be undone: a card whose buttons carry all that is needed. Pure.

Nothing is kept meanwhile, so the answer to a question that a former bot asked counts as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from adapters.base import Button, Card

LIFE = timedelta(seconds=60)
TOO_LATE = f"Not done: the answer came after {LIFE.seconds} s; say it again."
UNANSWERED = f"Not done: nobody confirmed it within {LIFE.seconds} s; say it again."
KEY = "confirm:"
"""What the outbox key of such a card begins with."""
YES, NO = "yes", "no"


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asked for and has to confirm.

    Attributes:
        words: the command.
        user: who asked, and who alone may answer.
        until: how long an answer counts.
        is_meant: what the pressed button says.
    """

    words: str
    user: str
    until: datetime
    is_meant: bool = True


def key(event_id: str) -> str:
    """The outbox key of the question about a command."""
    return f"{KEY}{event_id}"


def question(asked: str, wish: Wish, name: str, zone: tzinfo = UTC) -> Card:
    """The card that asks whether somebody means it.

    Args:
        asked: what would happen, as a question.
        wish: what they asked for.
        name: what they are called.
        zone: the team's.
    """
    until = f"{wish.until.astimezone(zone):%H:%M:%S %Z}"
    return Card(
        text=asked,
        title=asked,
        lines=(f"{name} asked for it and can confirm until {until}.",),
        buttons=(
            Button(id=_written(wish, YES), label="Yes, do it"),
            Button(id=_written(wish, NO), label="No, leave it"),
        ),
        tone="plain",
    )


def answered(asked: str, said: str) -> Card:
    """The card once it was answered."""
    return Card(text=said, title=asked, lines=(said,), tone="plain", is_closed=True)


def read(choice: str) -> Wish | None:
    """What a pressed button means; None for a button of another kind."""
    kind, _, rest = choice.partition("|")
    seconds, _, rest = rest.partition("|")
    user, _, words = rest.partition("|")
    if kind not in (YES, NO) or not (seconds.isascii() and seconds.isdigit() and user and words):
        return None
    return Wish(words, user, datetime.fromtimestamp(int(seconds), UTC), is_meant=kind == YES)


def wish_of(card: Card) -> Wish | None:
    """What a question is about; None for a card of another kind."""
    return read(card.buttons[0].id) if card.buttons else None


def _written(wish: Wish, answer: str) -> str:
    return f"{answer}|{int(wish.until.timestamp())}|{wish.user}|{wish.words}"
