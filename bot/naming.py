"""People of other platforms by name: each platform names its own, and knows nobody else's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.members import shown_name
from storage.store.votes import VoteStore

_ID = re.compile(r"(?<!`)\b(slack|discord|web|memory):[\w-]+(?:\.[\w-]+)*")
_SAID = ("text", "title", "said")


class Naming:
    """Puts names into what is to be said."""

    def __init__(self, votes: VoteStore) -> None:
        self._votes = votes

    def named(self, payload: Mapping[str, Any], platform: str) -> Mapping[str, Any]:
        """The same with the names of those who are not on the platform where it is said.

        Args:
            payload: a text, or a card; a question is left as it is, for samples are shown as written.
            platform: where it is said.
        """
        texts = [str(payload[key]) for key in _SAID if payload.get(key)]
        texts += payload.get("lines", ())
        is_of_elsewhere = any(found[1] != platform for t in texts for found in _ID.finditer(t))
        if payload.get("tone") == "question" or not is_of_elsewhere:
            return payload
        known = self._votes.members()

        def put(text: str) -> str:
            return _ID.sub(lambda m: m[0] if m[1] == platform else shown_name(m[0], known), text)

        changes: dict[str, Any] = {key: put(payload[key]) for key in _SAID if payload.get(key)}
        if "lines" in payload:
            changes["lines"] = [put(line) for line in payload["lines"]]
        return {**payload, **changes}
