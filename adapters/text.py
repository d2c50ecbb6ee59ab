"""Makes untrusted text harmless to show: no control characters, no bidi tricks, no endless texts.

What a platform shows goes through here once; markup of its own it escapes itself. Pure.
"""

from __future__ import annotations

import unicodedata
from typing import Any, TypeVar

from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)

CUT = " … (cut)"
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
