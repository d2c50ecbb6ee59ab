"""People by name: Slack and Discord name their own, and know nobody else's; the page names nobody."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.members import shown_name
from storage.store.votes import VoteStore

_ID = re.compile(r"(?<!`)(?<!allow )\b(slack|discord|web|memory):[\w-]+(?:\.[\w-]+)*")
"""In backticks, and in a command that is to be typed, it is meant as it is."""
NAMES_ITS_OWN = frozenset({"slack", "discord", "memory"})
_SAID = ("text", "title", "said")


class Naming:
    """Puts names into what is to be said."""

    def __init__(self, votes: VoteStore) -> None:
        self._votes = votes

    def named(self, payload: Mapping[str, Any], platform: str) -> Mapping[str, Any]:
        """The same with the names of those whom the platform where it is said does not name itself.

        Args:
            payload: a text, or a card; a question is left as it is, for samples are shown as written.
            platform: where it is said.
        """
        texts = [str(payload[key]) for key in _SAID if payload.get(key)]
        texts += payload.get("lines", ())
        own = platform if platform in NAMES_ITS_OWN else ""
        is_of_elsewhere = any(found[1] != own for t in texts for found in _ID.finditer(t))
        if payload.get("tone") == "question" or not is_of_elsewhere:
            return payload
        known = self._votes.members()

        def put(text: str) -> str:
            return _ID.sub(lambda m: m[0] if m[1] == own else shown_name(m[0], known), text)

        changes: dict[str, Any] = {key: put(payload[key]) for key in _SAID if payload.get(key)}
        if "lines" in payload:
            changes["lines"] = [put(line) for line in payload["lines"]]
        return {**payload, **changes}
