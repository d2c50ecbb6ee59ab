"""How Discord spells the emoji that can mean something. Pure."""

from __future__ import annotations

import re
from typing import Final

from adapters.base import Emoji

_DIGITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
GLYPHS: Final[dict[str, tuple[str, ...]]] = {
    "up": ("👍", "✅"),
    "down": ("👎", "❌"),
    "unsure": ("🤷", "❓", "🤔"),
    "bad": ("🗑️", "🚫"),
    "fire": ("🔥",),
    "same": ("↔️",),
    **{word: (f"{digit}\ufe0f\u20e3",) for digit, word in enumerate(_DIGITS, 1)},
    "ten": ("🔟",),
    **{chr(ord("a") + n): (chr(0x1F1E6 + n),) for n in range(12)},
}
"""Canonical name -> Discord's spellings; the first one is what the bot places."""
_MORE = {"🅰️": "a", "🅱️": "b"}

_DRESS = re.compile("[\U0001f3fb-\U0001f3ff\ufe0f]|\u200d[♀♂]")
"""Skin tones, the picture mark and genders: other spellings of the same."""


def _bare(raw: str) -> str:
    return _DRESS.sub("", raw)


_CANONICAL = {_bare(g): canonical for canonical, glyphs in GLYPHS.items() for g in glyphs} | {
    _bare(glyph): canonical for glyph, canonical in _MORE.items()
}


def read(name: str, emoji_id: int | None = None) -> Emoji:
    """A reaction's emoji as the house knows it; a guild's own emoji mean nothing."""
    if emoji_id is not None:
        return Emoji(raw=f"{name}:{emoji_id}")
    return Emoji(raw=name, canonical=_CANONICAL.get(_bare(name)))


def glyph(canonical: str | None) -> str | None:
    """What stands for a canonical emoji; None where there is none."""
    return GLYPHS[canonical][0] if canonical in GLYPHS else None
