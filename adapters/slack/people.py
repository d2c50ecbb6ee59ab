"""Who somebody is: their name, and whether they are a person at all; asked once each.

User groups have names as well: their handles.
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass

from adapters.base import ChatError
from adapters.slack.calls import Calls, said
from adapters.text import one_line

log = logging.getLogger(__name__)

_ID = re.compile(r"(?<!`)\bslack:([UWS][A-Z0-9]+)\b")  # in backticks it is meant as it is
MAX_NAME = 60
ASK_S = 1.0
"""An event is acknowledged within 3 s, so nobody is waited for longer."""


@dataclass(frozen=True, slots=True)
class Person:
    """What matters of a Slack user."""

    name: str = ""
    is_bot: bool = False
    timezone: str = ""
    locale: str = ""


class People:
    """Slack users by id."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._known: dict[str, Person] = {"USLACKBOT": Person("Slackbot", is_bot=True)}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._groups: dict[str, str] = {}

    async def meet(self, user_id: str) -> Person:
        """Who that is; somebody without a name, and a person, where Slack does not say in time."""
        if user_id not in self._known:
            if user_id not in self._asking:
                self._asking[user_id] = asyncio.create_task(self._ask(user_id))
            await asyncio.wait({self._asking[user_id]}, timeout=ASK_S)
        return self._known.get(user_id, Person())

    async def close(self) -> None:
        """Ask no more."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def named(self, text: str) -> str:
        """A text with people's and groups' names in place of their ids; nobody is called by that."""
        for member_id in set(_ID.findall(text)):
            if not member_id.startswith("S"):
                await self.meet(member_id)
            elif member_id not in self._groups:
                self._groups |= {member_id: ""} | await self._handles()
        return _ID.sub(self._name, text)

    def _name(self, found: re.Match[str]) -> str:
        person = self._known.get(found[1], Person())
        return person.name or self._groups.get(found[1]) or found[0]

    async def humans(self, user_ids: frozenset[str]) -> frozenset[str]:
        """Those of them who are people."""
        met = await asyncio.gather(*(self.meet(user_id) for user_id in user_ids))
        return frozenset(u for u, who in zip(user_ids, met, strict=True) if not who.is_bot)

    async def _handles(self) -> dict[str, str]:
        """User group -> its handle; nothing where Slack does not say."""
        try:
            found = await said(self._calls.again.usergroups_list())
        except ChatError as err:
            log.info("nobody says what groups there are", extra={"reason": str(err)})
            return {}
        return {g["id"]: one_line(f"@{g['handle']}", MAX_NAME) for g in found["usergroups"]}

    async def _ask(self, user_id: str) -> None:
        try:
            user = (await said(self._calls.again.users_info(user=user_id, include_locale=True)))[
                "user"
            ]
        except ChatError as err:
            log.info("nobody says who that is", extra={"user": user_id, "reason": str(err)})
            return
        finally:
            del self._asking[user_id]
        profile = user.get("profile", {})
        name = profile.get("display_name") or profile.get("real_name") or user.get("name", "")
        shown = one_line(name, MAX_NAME) if name else ""
        clock = [user.get(what) or "" for what in ("tz", "locale")]
        self._known[user_id] = Person(shown, bool(user.get("is_bot")), *clock)
