"""What a message of ours keeps with it: its key, and its form for when it is opened after a restart.

Discord knows `nonce` for a few minutes only and shows it to nobody. So both stand in the address
behind the title, as the part after `#`; the address itself leads to the channel. Pure.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib

from pydantic import ValidationError

from adapters.base import Menu

MAX_URL = 1900  # of 2048
_SIGN = "#jl1."


def mark(key: str) -> str:
    """The 24 characters that stand for a key, on the message and as its nonce (at most 25)."""
    return hashlib.sha256(key.encode()).hexdigest()[:24]


def address(place: str, marked: str, menu: Menu | None = None) -> str:
    """The address to put behind a title; a form that would make it too long is left out."""
    url = f"{place}{_SIGN}{marked}"
    if menu is None:
        return url
    packed = base64.urlsafe_b64encode(zlib.compress(menu.model_dump_json().encode(), 9)).decode()
    return f"{url}.{packed}" if len(url) + len(packed) < MAX_URL else url


def read(url: str | None) -> str | None:
    """The mark in an address; None where it is none of ours."""
    _, found, rest = (url or "").partition(_SIGN)
    return rest.partition(".")[0] if found else None


def menu_in(url: str | None) -> Menu | None:
    """The form in an address."""
    _, _, rest = (url or "").partition(_SIGN)
    packed = rest.partition(".")[2]
    try:
        return Menu.model_validate_json(zlib.decompress(base64.urlsafe_b64decode(packed)))
    except (binascii.Error, zlib.error, ValidationError):
        return None
