"""Makes untrusted text harmless to show: no control characters, no bidi tricks, no endless texts.

Everything is cleaned once, on its way into the state; what stands there may be shown as it is.
Pure.
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


def slug(name: str) -> str:
    """The id of a person called `name`: lower-case letters, digits and dashes; '' if none is left.

    Two names that look almost alike get the same id, so nobody passes for somebody else with a
    trailing blank or full-width letters.
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "-".join("".join(c if c.isalnum() else " " for c in folded).split())
