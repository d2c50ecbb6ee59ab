"""How Slack spells the emoji that can mean something. Pure."""

from __future__ import annotations

import re
from typing import Final

from adapters.base import Emoji

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "up": ("+1", "thumbsup", "white_check_mark"),
    "down": ("-1", "thumbsdown", "x"),
    "unsure": ("shrug", "man-shrugging", "woman-shrugging", "question", "thinking_face"),
    "bad": ("wastebasket", "no_entry_sign"),
    "fire": ("fire",),
    "same": ("left_right_arrow",),
    "one": ("one",),
    "two": ("two",),
    "three": ("three",),
    "four": ("four",),
    "five": ("five",),
    "six": ("six",),
    "seven": ("seven",),
    "eight": ("eight",),
    "nine": ("nine",),
    "ten": ("keycap_ten",),
    "a": ("a",),
    "b": ("b",),
}
"""Canonical name -> Slack's names; the first one is what the bot places. Slack has no other letters."""

GLYPHS: Final[dict[str, str]] = {
    "up": "👍",
    "down": "👎",
    "unsure": "🤷",
    "bad": "🗑️",
    "fire": "🔥",
    "same": "↔️",
    **{word: f"{digit}\ufe0f\u20e3" for digit, word in zip("123456789", (
        "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"), strict=True)},
    "ten": "🔟",
}  # fmt: skip
"""What stands on a button before its label."""

_CANONICAL = {name: canonical for canonical, names in NAMES.items() for name in names}
_SKIN_TONE = re.compile(r"::skin-tone-\d")


def read(raw: str) -> Emoji:
    """A reaction's name as the house knows it; a skin tone is another spelling of the same."""
    return Emoji(raw=raw, canonical=_CANONICAL.get(_SKIN_TONE.sub("", raw)))


def seed(canonical: str) -> str | None:
    """What the bot places for a canonical emoji; None where Slack has none."""
    names = NAMES.get(canonical)
    return names[0] if names else None
