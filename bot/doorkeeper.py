"""Keeps the lists of who may do what up to date: settings, roles given in chat, groups' members."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence

from adapters.base import ChatError, HasGroups, Inbound, KnowsPeople
from bot import called
from bot.access import Access
from bot.house import House
from storage.models import Grant, Member, Role
from storage.store.members import GONE

log = logging.getLogger(__name__)

ROLES: dict[str, Role] = {
    "admin": "admin", "admins": "admin", "operator": "operator", "operators": "operator",
    "voter": "voter", "voters": "voter",
}  # fmt: skip
NOTHING = "nothing"
SOMEBODY = re.compile(r"[a-z]+:[\w.*-]{1,80}")


class AllowError(Exception):
    """The lists cannot be changed so; the text says what to say instead."""


class Doorkeeper:
    """The one who changes `access`."""

    def __init__(self, house: House, access: Access) -> None:
        self._house, self._access = house, access

    async def refresh(self) -> None:
        """Read again what was given in chat, and who is in the groups on the lists.

        A group that cannot be asked keeps the members it had.
        """
        grants = await self._house.call(self._house.store.upkeep.grants)
        access = self._access
        access.granted = {grant.member_id: grant.role for grant in grants}
        roles: tuple[Role, ...] = ("admin", "operator", "voter")
        groups = dict(access.groups)
        for entry in {who for role in roles for who in access.all(role)}:
            platform = self._house.office.platforms.get(entry.partition(":")[0])
            if isinstance(platform, HasGroups) and platform.is_group(entry):
                try:
                    groups[entry] = await platform.members(entry) or frozenset()
                except ChatError as err:
                    log.warning("group not read", extra={"group": entry, "reason": str(err)})
        access.groups = groups

    def saw(self, event: Inbound) -> None:
        """Somebody did something; where the platform says which groups they are in, that holds."""
        if event.groups is None:
            return
        access, platform = self._access, self._house.office.platforms.get(event.ref.platform)
        if not isinstance(platform, HasGroups):
            return
        roles: tuple[Role, ...] = ("admin", "operator", "voter")
        listed = {who for role in roles for who in access.all(role) if platform.is_group(who)}
        groups = dict(access.groups)
        for group in listed:
            others = groups.get(group, frozenset()) - {event.user}
            groups[group] = others | ({event.user} if group in event.groups else set())
        access.groups = groups

    async def allow(self, names: Sequence[str], by: str) -> str:
        """Carry out `allow WHO ROLE`, or say who may do what.

        Raises:
            AllowError: nobody or nothing that we know.
        """
        if not names:
            return self._said()
        if len(names) < 2:
            raise AllowError("say: allow WHO admin, operator, voter or nothing")
        who, role = " ".join(names[:-1]), names[-1].lower()
        if role != NOTHING and role not in ROLES:
            raise AllowError(f"there is no role {role[:20]}; say admin, operator, voter or nothing")
        said = who
        if SOMEBODY.fullmatch(who) is None:
            who = await self._called(who, role, by)
            said = f"{who} (`{who}`)"  # which of all who are called so
        upkeep = self._house.store.upkeep
        if role == NOTHING:
            had_one = await self._house.call(upkeep.withdraw, who)
            await self.refresh()
            if not had_one:
                raise AllowError(f"{who} was given no role here; what the settings say stays")
            return f"{said} has no role of their own any more.\n{self._said()}"
        given = Grant(member_id=who, role=ROLES[role], granted_by=by, at=self._house.now())
        await self._house.call(upkeep.grant, given)
        await self.refresh()
        return (
            f"{said} is now {'a' if role.startswith('v') else 'an'} {given.role}.\n{self._said()}"
        )

    async def _called(self, name: str, role: str, by: str) -> str:
        """The id of the one person who is called so: where it is said, or else anywhere.

        Raises:
            AllowError: nobody is, or several are; it names who may be meant.
        """
        here = by.partition(":")[0]
        members = await self._house.call(self._house.store.votes.members)
        known = await self._known(name, members, here)
        near = {who: names for who, names in known.items() if who.startswith(f"{here}:")}
        found = called.exactly(name, near) or called.exactly(name, known)
        if len(found) == 1:
            return found[0]
        unnamed, name = {who for who, m in members.items() if m.opted_out_at}, name[:40]
        if found:
            said = called.shown(found[: called.MOST], known, unnamed)
            raise AllowError(f"more than one is called “{name}”: {said}; write an id with {role}")
        alike = [who for who in called.nearly(name, known) if who not in unnamed]
        hint = "mention them with @, or write an id such as web:ana"
        if alike:
            hint = f"is it {called.shown(alike, known)}? Write an id with {role}"
        raise AllowError(f"nobody I know is called “{name}”; {hint}")

    async def _known(
        self, name: str, members: Mapping[str, Member], here: str
    ) -> dict[str, tuple[str, ...]]:
        """Member id -> names, of whoever may be meant: who was met, and who the platforms know."""
        known: dict[str, tuple[str, ...]] = {who: (m.name,) for who, m in members.items() if m.name}
        for platform in self._house.office.platforms.values():
            if isinstance(platform, KnowsPeople):
                try:
                    known |= await platform.people(name)
                except ChatError as err:
                    if platform.name == here:  # there may be another of that name
                        raise AllowError(f"{err} Mention them with @, or write an id") from err
                    log.warning("nobody looked up", extra={"reason": str(err)})
        return {who: names for who, names in known.items() if f":{GONE}" not in who}

    def _said(self) -> str:
        access = self._access
        voters = ", ".join(access.all("voter"))
        return (
            f"Admins: {', '.join(access.all('admin')) or 'nobody'}. "
            f"Operators: {', '.join(access.all('operator')) or 'nobody'}. "
            f"Votes count of {f'these alone: {voters}' if voters else 'every human member'}."
        )
