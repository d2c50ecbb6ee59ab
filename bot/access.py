"""Who may do what, by member id, decided on our side. Pure.

Nobody listed = nobody may start or stop. Everybody may vote, ask for status, energy and help.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from bot.verbs import BY_NAME
from storage.models import Role


@dataclass(slots=True)
class Access:
    """The lists as they stand: member ids such as `slack:U012`, patterns such as `web:*`, groups.

    Attributes:
        operators: who may start and stop, by the settings.
        voters: whose votes count; nobody listed = every human member's.
        admins: who may change the lists, by the settings; they may all that operators may.
        granted: who was given which role in chat.
        groups: the members of every group on these lists, as the platform last said.
    """

    operators: Sequence[str] = ()
    voters: Sequence[str] = ()
    admins: Sequence[str] = ()
    granted: Mapping[str, Role] = field(default_factory=dict)
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def may_command(self, member_id: str, verb: str, about: str | None = None) -> str:
        """Empty when allowed, else the reason in one sentence.

        Args:
            member_id: who asks for it.
            verb: a verb there is.
            about: the other person it is about; None where it is about nobody else.
        """
        spoken = BY_NAME[verb]
        who = (spoken.others or "admins") if about else spoken.who
        if who == "all" or self._is(member_id, "admin"):
            return ""
        if who == "admins":
            if about and self.all("admin"):
                return f"only admins may {verb} what is somebody else's; ask one of them"
            if self.all("admin"):
                return "only admins may say who may do what; ask one of them"
            return f"there is no admin yet: put your id `{member_id}` into JOULERY_ADMINS"
        if self._is(member_id, "operator"):
            return ""
        if not (self.all("operator") or self.all("admin")):
            return (
                f"nobody may {verb} yet: put your id `{member_id}` into JOULERY_OPERATORS "
                "and restart the bot"
            )
        return f"only operators may {verb}; ask an admin to say: allow {member_id} operator"

    def may_vote(self, member_id: str) -> bool:
        """Whether votes of this member count."""
        return not self.all("voter") or self._is(member_id, "voter")

    def named_voters(self) -> frozenset[str]:
        """The members that are listed as voters, by id or with their group; patterns name nobody."""
        listed = self.all("voter")
        grouped = {who for entry in listed for who in self.groups.get(entry, ())}
        alone = {who for who in listed if who not in self.groups and not set("*?[") & set(who)}
        return frozenset(grouped | alone)

    def all(self, role: Role) -> tuple[str, ...]:
        """Everybody listed under a role, by the settings and in chat."""
        by_settings = {"admin": self.admins, "operator": self.operators, "voter": self.voters}
        in_chat = (who for who, given in self.granted.items() if given == role)
        return tuple(dict.fromkeys((*by_settings[role], *in_chat)))

    def _is(self, member_id: str, role: Role) -> bool:
        return self._is_listed(member_id, self.all(role))

    def _is_listed(self, member_id: str, listed: Iterable[str]) -> bool:
        return any(
            fnmatchcase(member_id, entry) or member_id in self.groups.get(entry, ())
            for entry in listed
        )
