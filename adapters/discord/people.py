"""Who somebody is: their name, the roles they have, and whether they are a person at all."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import discord
from discord.http import Route

from adapters.base import ChatError
from adapters.discord.calls import speaking

log = logging.getLogger(__name__)

ROLE = "discord:role-"
MAX_KNOWN, MAX_FOUND = 10_000, 100
ASK_S = 1.0
"""A press is answered within 3 s, so nobody is waited for longer."""
_ID = re.compile(r"(?<!`)\bdiscord:(role-)?(\d+)\b")  # in backticks it is meant as it is


@dataclass(frozen=True, slots=True)
class Person:
    """What matters of a Discord user; `groups` is None where nobody said."""

    name: str = ""
    is_bot: bool = False
    groups: tuple[str, ...] | None = None


class People:
    """The people of one server, by user id, as they were last seen."""

    def __init__(self, client: discord.Client, guild: discord.Guild) -> None:
        self._client, self._guild = client, guild
        self._known: OrderedDict[int, Person] = OrderedDict()

    def see(self, user: discord.abc.User | discord.Member) -> Person:
        """Somebody did something: this is who they are now."""
        groups = None
        if isinstance(user, discord.Member) and user.guild.roles:  # none known: an outage
            own = self._guild.id  # everybody has the role that is called like the server
            groups = tuple(sorted(f"{ROLE}{role.id}" for role in user.roles if role.id != own))
        person = Person(user.display_name, user.bot, groups)
        self._known[user.id] = person
        self._known.move_to_end(user.id)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return person

    async def meet(self, user_id: int) -> Person:
        """Who that is; somebody without a name, and a person, where Discord does not say in time."""
        known = self._known.get(user_id)
        if known is not None:
            return known
        try:
            async with speaking(ASK_S):
                return self.see(await self._guild.fetch_member(user_id))
        except ChatError as err:
            log.info("nobody says who that is", extra={"user": user_id, "reason": str(err)})
            return Person()

    async def named(self, text: str) -> str:
        """A text with people's and roles' names in place of their ids; nobody is called by that."""
        for is_role, member_id in set(_ID.findall(text)):
            if not is_role:
                await self.meet(int(member_id))
        return _ID.sub(self._name, text)

    def _name(self, found: re.Match[str]) -> str:
        member_id = int(found[2])
        if found[1]:
            known = (
                self._client.get_guild(self._guild.id) or self._guild
            )  # the first is kept up to date
            role = known.get_role(member_id)
            return f"@{role.name}" if role else found[0]
        person = self._known.get(member_id)
        return person.name if person and person.name else found[0]

    async def like(self, name: str) -> Mapping[str, tuple[str, ...]]:
        """Member id -> all that somebody is called: who was seen, and who Discord says begins so.

        Raises:
            ChatError: they cannot be searched right now.
        """
        known = {
            f"discord:{user_id}": (person.name,)
            for user_id, person in self._known.items()
            if person.name and not person.is_bot
        }
        search = Route("GET", "/guilds/{guild_id}/members/search", guild_id=self._guild.id)
        asked = {"query": name.removeprefix("@"), "limit": MAX_FOUND}
        async with speaking():
            found: list[dict[str, Any]] = await self._client.http.request(search, params=asked)
        for member in found:
            user = member["user"]
            if not user.get("bot"):
                names = (member.get("nick"), user.get("global_name"), user["username"])
                known[f"discord:{user['id']}"] = tuple(dict.fromkeys(filter(None, names)))
        return known

    async def with_role(self, group: str, *, lists_all: bool) -> frozenset[str]:
        """The members with a role: all of them where the app may list members, else those seen.

        Raises:
            ChatError: they cannot be listed right now.
        """
        if lists_all:
            async with speaking():
                async for member in self._guild.fetch_members(limit=None):
                    self.see(member)
        return frozenset(
            f"discord:{user_id}"
            for user_id, person in self._known.items()
            if person.groups is not None and group in person.groups
        )
