"""Who may be meant by a name: exactly one person, several, or only people who are called alike. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

Called = Mapping[str, Sequence[str]]
"""Member id -> all that somebody is called."""
MOST: Final = 5
ALIKE: Final = 0.7


def exactly(name: str, known: Called) -> list[str]:
    """The ids of all who are called so, capitals and a leading @ apart."""
    wanted = _plain(name)
    return sorted(who for who, names in known.items() if wanted in map(_plain, names))


def nearly(name: str, known: Called) -> list[str]:
    """The ids of some who are called alike, or by more names than that; the likeliest first."""
    by_name: dict[str, list[str]] = {}
    for who, names in known.items():
        for each in {_plain(n) for n in names} - {""}:
            by_name.setdefault(each, []).append(who)
    wanted = _plain(name)
    longer = sorted(each for each in by_name if wanted and wanted in each.split())
    alike = get_close_matches(wanted, by_name, MOST, ALIKE)
    found = [who for each in (*longer, *alike) for who in sorted(by_name[each])]
    return list(dict.fromkeys(found))[:MOST]


def shown(ids: Sequence[str], known: Called, unnamed: Collection[str] = ()) -> str:
    """People by id, as it is to be written, with what they are called: `slack:U1` (Bo, Bo Smith).

    Args:
        ids: of whom.
        known: what they are called.
        unnamed: those who want to be named before nobody.
    """
    return ", ".join(
        f"`{who}`" + (f" ({', '.join(known[who])})" if who not in unnamed else "") for who in ids
    )


def _plain(name: str) -> str:
    return " ".join(name.removeprefix("@").casefold().split())
