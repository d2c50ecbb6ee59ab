"""Who there is in a workspace, by all their names; asked only where somebody writes a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.base import ChatRefused
from adapters.slack.calls import Calls, said
from adapters.text import one_line

PER_PAGE, MAX_PAGES, MAX_NAME = 1000, 20, 60
"""Slack lets about 20 pages be read in a minute (tier 2)."""


async def everybody(calls: Calls) -> Mapping[str, tuple[str, ...]]:
    """Member id -> display name, real name and handle of everybody who is a person.

    Raises:
        ChatError: they cannot be listed right now, or are too many.
    """
    found: dict[str, tuple[str, ...]] = {}
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await said(calls.again.users_list(limit=PER_PAGE, cursor=cursor))
        people = [u for u in page["members"] if not (u.get("is_bot") or u.get("deleted"))]
        found |= {f"slack:{u['id']}": _names(u) for u in people if u["id"] != "USLACKBOT"}
        cursor = page.get("response_metadata", {}).get("next_cursor")
        if not cursor:
            return found
    raise ChatRefused("There are too many people in this workspace to look one up by name.")


def _names(user: Mapping[str, Any]) -> tuple[str, ...]:
    profile = user.get("profile", {})
    names = (profile.get("display_name"), profile.get("real_name"), user.get("name"))
    return tuple(dict.fromkeys(one_line(name, MAX_NAME) for name in names if name))
