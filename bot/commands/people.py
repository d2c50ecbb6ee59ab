"""The verbs about people: who may do what, and who is who."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bot import members, noise
from bot.commands.asked import Asked, Desk, Do
from bot.commands.grammar import CommandError


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


async def optout(desk: Desk, asked: Asked) -> str:
    """Leave somebody alone."""
    return await members.opt_out(desk.house, asked.user)


async def optin(desk: Desk, asked: Asked) -> str:
    """Have somebody back."""
    return await members.opt_in(desk.house, asked.user)


async def forget(desk: Desk, asked: Asked) -> str:
    """Forget somebody who asks for it."""
    if [name.lower() for name in asked.command.names] != ["me"]:
        raise CommandError("say forget me; nobody else can say it for you")
    return await members.ask_to_leave(desk.house, asked.user)


async def verbosity(desk: Desk, asked: Asked) -> str:
    """Say how much the channel hears, or have it hear more or less."""
    platform, names = asked.user.partition(":")[0], asked.command.names
    channel, voices = desk.house.channels[platform], desk.house.voices
    if names:
        if names[0].lower() not in noise.LEVELS:
            raise CommandError("say verbosity quiet, normal or all")
        level = next(level for level in noise.LEVELS if level == names[0].lower())
        await desk.house.call(voices.wish, platform, channel, level)
    level = voices.of(platform, channel)
    return f"This channel is {level}: it hears {noise.MEANING[level]}."


DOES: Final[Mapping[str, Do]] = {
    "verbosity": verbosity,
    "allow": allow,
    "link": link,
    "optout": optout,
    "optin": optin,
    "forget": forget,
}
