"""Texts to and from Slack's markup. Pure."""

from __future__ import annotations

import html
import re

from adapters.text import CUT, clean

_LINK = re.compile(r"<((?:https?|mailto|tel):[^|>]+)(?:\|([^>]*))?>")


def escaped(text: str, limit: int = 3000) -> str:
    """Text for a field that Slack reads as markup: no mention, no link, no control character.

    Slack treats only `&`, `<` and `>` as control characters (docs, "Escaping text"); asterisks and
    backticks stay, they can do no more than change the look.
    """
    shown = clean(text, limit)
    shown = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return shown if len(shown) <= limit else _cut_outside_entities(shown, limit)


def plain(text: str) -> str:
    """What a person typed, read back from Slack's markup: links as typed, entities resolved."""
    return html.unescape(_LINK.sub(lambda m: m[2] or m[1].removeprefix("mailto:"), text))


def _cut_outside_entities(text: str, limit: int) -> str:
    kept = text[: limit - len(CUT)]
    start = kept.rfind("&")
    return (kept[:start] if start > len(kept) - 6 and ";" not in kept[start:] else kept) + CUT
