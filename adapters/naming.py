"""People's names on what the bot says of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from adapters.base import Card


async def named_in(card: Card, named: Callable[[str], Awaitable[str]]) -> Card:
    """A card of the bot's own words with people's names in it; what samples say stays.

    Args:
        card: any.
        named: a text with names in place of ids.
    """
    if card.tone == "question":
        return card
    lines = [await named(line) for line in card.lines]
    changes = {"text": await named(card.text), "title": await named(card.title)}
    return card.model_copy(update={**changes, "lines": tuple(lines)})
