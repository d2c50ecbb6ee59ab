"""The verbs about people: who may do what, and who is who."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from bot import cutting, members, noise
from bot.clocks import clock_of, language_named, zone_named
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


async def clock(desk: Desk, asked: Asked) -> str:
    """Say how times are written for somebody alone, or have them written otherwise."""
    house, names = desk.house, asked.command.names
    said: dict[str, str] = {}
    for name in names if names != ("auto",) else ():
        if zone := zone_named(name):
            said["timezone"] = zone
        elif language := language_named(name):
            said["locale"] = language
        else:
            raise CommandError(
                f"“{cutting.cut(name, 30)}” is neither a time zone nor a language; say clock "
                "Europe/Berlin, clock de, or clock auto for what your chat says"
            )
    if names:
        await house.call(house.store.members.set_clock, asked.user, house.now(), **said)
    member = (await house.call(house.store.votes.members)).get(asked.user)
    own, now = clock_of(member, house.settings.zone), house.now()
    since = now - timedelta(days=7)  # so that the day is shown, too
    whose = "as you said" if member and member.clock_set_at else "as far as your chat says"
    return (
        f"Times in what I tell you alone are on the clock of {own.zone.key}, {whose}: now is "
        f"{own.moment(now, since)}. What all read is on the team's, {house.settings.timezone}."
    )


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
    "clock": clock,
    "link": link,
    "optout": optout,
    "optin": optin,
    "forget": forget,
}
