"""Who may do what, by member id, decided on our side. Pure.

Nobody listed = nobody may start or stop. Everybody may vote, ask for status, energy and help.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

OPEN_TO_ALL = frozenset({"status", "energy", "help"})


@dataclass(frozen=True, slots=True)
class Access:
    """The lists: member ids such as `slack:U012`, or patterns such as `web:*`."""

    operators: Sequence[str] = ()
    voters: Sequence[str] = ()  # empty = every human member

    def may_command(self, member_id: str, verb: str) -> str:
        """Empty when allowed, else the reason in one sentence."""
        if verb in OPEN_TO_ALL or _is_listed(member_id, self.operators):
            return ""
        if not self.operators:
            return (
                f"nobody may {verb} yet: put your id {member_id} into JOULERY_OPERATORS "
                "and restart the bot"
            )
        return f"only operators may {verb}; ask one of them to add {member_id}"

    def may_vote(self, member_id: str) -> bool:
        """Whether votes of this member count."""
        return not self.voters or _is_listed(member_id, self.voters)


def _is_listed(member_id: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(member_id, pattern) for pattern in patterns)
