"""What stands well with a Discord installation and what does not: every step from the token to the channel."""

from __future__ import annotations

from dataclasses import dataclass

import discord

from adapters.base import ChatError
from adapters.discord import permissions, verbs
from adapters.discord.calls import DISCORD_URL, login, quiet_library, speaking


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        what: its name.
        is_fine: None where it could not be looked at, or need not be so.
        found: what was found, in words.
        remedy: what to do; empty where nothing is to be done.
    """

    what: str
    is_fine: bool | None
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """All checks, and the link that lets the bot in; empty without a good token."""

    checks: tuple[Check, ...]
    invite: str = ""


async def examine(token: str, channel: str, base_url: str = DISCORD_URL) -> Findings:
    """Look at the token, the intents, the channel with each permission in it, and the commands."""
    quiet_library()
    async with discord.Client(intents=discord.Intents(guilds=True)) as client:
        try:
            await login(client, token, base_url)
        except ChatError as err:
            remedy = "on the app's Bot page: Reset Token, and copy it into JOULERY_DISCORD_TOKEN"
            return Findings((Check("token", False, str(err), remedy),))
        assert client.application is not None
        app = client.application
        checks = [Check("token", True, f"{client.user} of the app {app.name}")]
        checks += _intents(app.flags)
        place, found = await _place(client, channel)
        checks += found
        if place is not None:
            checks.append(await _commands(client, app.id, place.guild.id))
        invite = permissions.invite(app.id, place.guild.id if place else None)
        return Findings(tuple(checks), invite)


def _intents(flags: discord.ApplicationFlags) -> list[Check]:
    where = "switch it on, on the app's Bot page"
    reads, lists = permissions.reads_text(flags), permissions.lists_members(flags)
    text = "texts in threads count" if reads else "off: only texts that mention the bot count"
    roles = "roles are known of everybody" if lists else "off: roles are known of who was active"
    texts_wanted, roles_wanted = (
        f"{where}, if all texts shall count",
        f"{where}, if votes go by role",
    )
    return [
        Check("Message Content Intent", reads or None, text, "" if reads else texts_wanted),
        Check("Server Members Intent", lists or None, roles, "" if lists else roles_wanted),
    ]


async def _place(
    client: discord.Client, channel: str
) -> tuple[permissions.Place | None, list[Check]]:
    if not channel.isdigit():
        remedy = "set JOULERY_DISCORD_CHANNEL to the channel's id: a number, by Copy Channel ID"
        return None, [Check("channel", False, channel or "none is set", remedy)]
    try:
        place = await permissions.look(client, int(channel))
    except ChatError as err:
        return None, [Check("channel", False, str(err), "invite the bot with its link")]
    checks = [Check("channel", True, f"#{place.name} in {place.guild.name}")]
    for name, use in permissions.NEEDED.items():
        is_held = name not in place.missing
        remedy = "" if is_held else "use the bot's link, and look at the channel's own permissions"
        checks.append(Check(name.replace("_", " "), is_held, f"to {use}", remedy))
    return place, checks


async def _commands(client: discord.Client, app_id: int, guild_id: int) -> Check:
    try:
        async with speaking():
            known = await client.http.get_guild_commands(app_id, guild_id)
    except ChatError as err:
        remedy = "invite the bot with its link: it asks for applications.commands"
        return Check("commands", False, str(err), remedy)
    is_there = any(command["name"] == verbs.NAME for command in known)
    found = "/joulery is there" if is_there else "/joulery comes when the bot first starts"
    return Check("commands", is_there or None, found)
