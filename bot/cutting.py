"""Texts no longer than people read, or a platform takes. Pure."""

from __future__ import annotations

from collections.abc import Sequence

MAX_SAMPLE_TEXT = 1500
MAX_PARTS_TEXT = 2400
"""All parts of a card together: each of three may have 800 characters, or what others leave."""
MAX_BUTTON_TEXT = 70  # Slack refuses 76


def cut(text: str, limit: int = MAX_SAMPLE_TEXT) -> str:
    """The text, cut with a mark when it is too long to be read."""
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def cut_all(texts: Sequence[str], limit: int = MAX_PARTS_TEXT) -> list[str]:
    """Texts that share one limit, cut so that all stay readable: the long ones give first."""
    left, shares = limit, dict.fromkeys(range(len(texts)), 0)
    for place, i in enumerate(sorted(shares, key=lambda i: len(texts[i]))):
        shares[i] = min(len(texts[i]), left // (len(texts) - place))
        left -= shares[i]
    return [cut(text, shares[i]) for i, text in enumerate(texts)]


def plain_name(name: str) -> str:
    """A person's name as mere text: nothing in it may call anybody or look like markup."""
    kept = "".join(" " if c in "@<>#*_~`|[]()" else c for c in name)
    return cut(" ".join(kept.split()), 40)
