"""The verbs about people: who may do what, and who is who."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bot.commands.asked import Asked, Desk, Do


async def allow(desk: Desk, asked: Asked) -> str:
    """Say who may do what."""
    return await desk.door.allow(asked.command.names, asked.user)


async def link(desk: Desk, asked: Asked) -> str:
    """Make two accounts one person."""
    user, names = asked.user, asked.command.names
    if not names:
        code = desk.links.offer(user)
        return (
            f"Say /joulery link {code} with your other account within ten minutes: from then on "
            "both are one person, whose last answer counts."
        )
    other = desk.links.redeem(names[0], user)
    await desk.house.call(desk.house.store.votes.join, other, user)
    return f"{other} and {user} are one person now: of their answers to a card the last counts."


DOES: Final[Mapping[str, Do]] = {"allow": allow, "link": link}
