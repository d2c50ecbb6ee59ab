"""Makes untrusted text harmless to show: no control characters, no bidi tricks, no endless texts.

What a platform shows goes through here once; markup of its own it escapes itself. Pure.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)

CUT = " … (cut)"
BAR_WIDTH, LABEL_WIDTH = 10, 28
"""Characters, for a chart of letters."""
_JOINERS = "\u200c\u200d"  # Persian and compound emoji need them
_KEPT = "\n\t" + _JOINERS
_HARMFUL = frozenset({"Cc", "Cf", "Cs"})  # control, format, surrogate


def clean(text: str, limit: int = 20_000) -> str:
    """`text` without control, formatting and half characters, cut at `limit` with a mark.

    Formatting characters include the bidi overrides (U+202E and friends) that let one text pose
    as another; half characters are lone surrogates, which cannot be sent as UTF-8 at all.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = "".join(c for c in text if c in _KEPT or unicodedata.category(c) not in _HARMFUL)
    return kept if len(kept) <= limit else kept[: limit - len(CUT)] + CUT


def cleaned(value: Model, limit: int = 20_000) -> Model:
    """`value` with every text in it cleaned, however deep it lies."""
    return type(value).model_validate(_clean_all(value.model_dump(), limit))


def _clean_all(value: Any, limit: int) -> Any:
    match value:
        case str():
            return clean(value, limit)
        case dict():
            return {key: _clean_all(item, limit) for key, item in value.items()}
        case list() | tuple():
            return [_clean_all(item, limit) for item in value]
        case _:
            return value


def one_line(text: str, limit: int) -> str:
    """Text for a title or a button, never empty: platforms refuse those."""
    line = " ".join(clean(text, 10 * limit).split())
    shown = line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
    return shown or "–"


def chart(bars: Sequence[tuple[str, float, str]], limit: int) -> str:
    """Bars of letters, a line each, for platforms that draw none.

    Args:
        bars: (label, share in [0, 1], note).
        limit: characters of a note.
    """
    return "\n".join(
        f"{one_line(label, LABEL_WIDTH):<{LABEL_WIDTH}} {_bar(share)} {clean(note, limit)}".rstrip()
        for label, share, note in bars
    )


def _bar(share: float) -> str:
    full = round(BAR_WIDTH * min(max(share, 0.0), 1.0)) if math.isfinite(share) else 0
    return "█" * full + "░" * (BAR_WIDTH - full)
