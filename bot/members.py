"""People's own wishes: to be left alone, to be forgotten; and how they are named before others.

Who opts out is neither reminded nor named, and their time is told to nobody but themselves; what
they answered and answer counts. Who asks to be forgotten is so once the cards that they answered
are closed: until then their reactions stand under their account, and would bring it back.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping

from adapters.base import ChatError, ForgetsPeople, Inbound
from bot.clocks import language_named, zone_named
from bot.cutting import plain_name
from bot.house import House
from storage.database import StoreError
from storage.models import Member
from storage.store.members import GONE

log = logging.getLogger(__name__)

SOMEBODY = "somebody"
"""How people are called who want no name."""


def met(event: Inbound) -> Member:
    """Whoever did something, with what the platform says of them."""
    return Member(
        member_id=event.user, person_id=event.user, name=event.user_name,
        timezone=zone_named(event.timezone) or None, locale=language_named(event.locale) or None,
    )  # fmt: skip


def shown_name(member_id: str, members: Mapping[str, Member]) -> str:
    """How somebody is called before others."""
    known = members.get(member_id)
    if member_id.partition(":")[2].startswith(GONE) or (known and known.opted_out_at):
        return SOMEBODY
    return (plain_name(known.name) if known else "") or member_id


def accounts_of(member_id: str, members: Mapping[str, Member]) -> frozenset[str]:
    """All accounts of the person whom one of them belongs to."""
    known = members.get(member_id)
    same = (m.member_id for m in members.values() if known and m.person_id == known.person_id)
    return frozenset((member_id, *same))


async def opt_out(house: House, member_id: str) -> str:
    """Leave somebody alone."""
    await house.call(house.store.members.opt_out, member_id, house.now())
    return (
        "Done: I remind you of nothing any more and name you before nobody, and how long you take is "
        "told to nobody. What you answered counts, and what you still answer does, too. Say optin to "
        "come back, or forget me to have your name removed."
    )


async def opt_in(house: House, member_id: str) -> str:
    """Have somebody back."""
    await house.call(house.store.members.opt_in, member_id)
    return "Welcome back: you are reminded and named like everybody, and not about to be forgotten."


async def ask_to_leave(house: House, member_id: str) -> str:
    """Note that somebody wants to be forgotten; `forget_due` does it."""
    await house.call(house.store.members.ask_to_leave, member_id, house.now())
    waits = await house.call(house.store.members.waits_for, member_id)
    said = (
        "Your name and account are about to be removed from all that I keep; your votes stay, as "
        "somebody's. What stands on the chat platform itself is yours to delete."
    )
    if waits:
        said += " You answered cards that are still open: I do it once they are closed."
    return said


async def forget_due(house: House) -> None:
    """Forget everybody who asked for it and whom nothing under way still needs."""
    for person_id in await house.call(house.store.members.leaving):
        try:
            if await house.call(house.store.members.is_needed, person_id):
                continue
            await _leave_platforms(house, person_id)
            gone = await house.call(house.store.members.forget, person_id, pseudonym)
        except (StoreError, ChatError) as err:
            log.warning("not forgotten yet", extra={"reason": str(err)})
            continue
        if gone:
            log.info("somebody was forgotten")


async def _leave_platforms(house: House, person_id: str) -> None:
    """Take a person's accounts out of the platforms that are our own."""
    for member in (await house.call(house.store.votes.members)).values():
        platform = house.office.platforms.get(member.member_id.partition(":")[0])
        if member.person_id == person_id and isinstance(platform, ForgetsPeople):
            await platform.forget(member.member_id, pseudonym())


def pseudonym() -> str:
    """A name, drawn at random, for an account whose owner is forgotten."""
    return f"{GONE}{secrets.token_hex(4)}"
