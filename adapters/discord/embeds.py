"""Cards as Discord's embeds, always within its limits. Pure but for the library's plain data."""

from __future__ import annotations

from collections.abc import Iterator

import discord

from adapters.base import Card, CardPart
from adapters.discord.text import escaped, fenced, quoted
from adapters.text import chart, clean, one_line

MAX_DESCRIPTION, MAX_TITLE, MAX_FOOTER = 4096, 256, 1000  # 6000 in all
COLOURS = {
    "question": 0x5865F2,
    "run": 0x3BA55D,
    "good": 0x3BA55D,
    "bad": 0xD83C3E,
    "plain": 0x99AAB5,
}


def card(shown: Card, url: str) -> discord.Embed:
    """A card's embed; long texts are cut, with a mark, until Discord takes them."""
    title = escaped(one_line(shown.title, 100), MAX_TITLE) if shown.title else None
    limit = MAX_DESCRIPTION
    while True:
        description = "\n".join(_lines(shown, limit))
        if len(description) <= MAX_DESCRIPTION:
            break
        limit = limit * 3 // 4 if limit > 40 else 0
        if not limit:
            description = description[:MAX_DESCRIPTION]
            break
    embed = discord.Embed(
        title=title, url=url, description=description or None, colour=COLOURS[shown.tone]
    )
    if shown.until is not None and not shown.is_closed:
        embed.timestamp = shown.until  # behind the footer, on each reader's own clock
    footer = "\n".join(part for part in (shown.tally, shown.footer) if part)
    if footer:
        embed.set_footer(text=clean(footer, MAX_FOOTER))  # shown letter by letter
    return embed


def said(text: str, url: str) -> discord.Embed:
    """A plain message; in an embed, since only that carries its key."""
    return discord.Embed(url=url, description=escaped(text, MAX_DESCRIPTION) or "–")


def _lines(shown: Card, limit: int) -> Iterator[str]:
    for part in shown.parts:
        yield from _part(part, limit)
    for line in shown.lines:
        if line:
            yield escaped(line, min(limit, 1200))
    if shown.bars:
        yield fenced(chart(shown.bars, limit), limit)
    if not (shown.title or shown.parts or shown.lines or shown.bars):
        yield escaped(shown.text, limit) or "–"


def _part(part: CardPart, limit: int) -> Iterator[str]:
    if part.title:
        yield f"**{escaped(one_line(part.title, 100), 300)}**"
    yield quoted(part.text.strip() or "(empty)", limit)
    if part.note:
        yield f"*{escaped(one_line(part.note, min(limit, 300)), 900)}*"
