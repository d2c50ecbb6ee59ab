"""What the bot may do and has to: permissions, the invite link that gives just them, intents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import discord

from adapters.base import ChatSetupError
from adapters.discord.calls import speaking

NEEDED: Final = {
    "view_channel": "see the channel",
    "send_messages": "post cards",
    "send_messages_in_threads": "answer in threads",
    "create_public_threads": "open a thread under a run",
    "add_reactions": "place the thumbs people tap",
    "read_message_history": "find votes cast while it was away",
    "embed_links": "draw cards",
    "attach_files": "show pictures and charts",
}
"""Permission -> what it is for."""


def wanted() -> discord.Permissions:
    """All permissions the bot needs, and no other."""
    return discord.Permissions(**dict.fromkeys(NEEDED, True))


def invite(app_id: int, guild_id: int | None = None) -> str:
    """The link that lets the bot in with exactly what it needs."""
    guild = discord.Object(guild_id) if guild_id else discord.utils.MISSING
    return discord.utils.oauth_url(
        app_id, permissions=wanted(), guild=guild, scopes=("bot", "applications.commands")
    )


def intents(flags: discord.ApplicationFlags) -> discord.Intents:
    """What to be told of: texts only where the app may read them."""
    found = discord.Intents.none()
    found.guilds = found.guild_messages = found.guild_reactions = True
    found.message_content = reads_text(flags)
    found.members = lists_members(flags)
    return found


def reads_text(flags: discord.ApplicationFlags) -> bool:
    """Whether Message Content Intent is switched on for the app."""
    return flags.gateway_message_content or flags.gateway_message_content_limited


def lists_members(flags: discord.ApplicationFlags) -> bool:
    """Whether Server Members Intent is switched on for the app."""
    return flags.gateway_guild_members or flags.gateway_guild_members_limited


@dataclass(frozen=True, slots=True)
class Place:
    """The channel to talk in, and what may not be done there."""

    guild: discord.Guild
    name: str
    missing: tuple[str, ...]


async def look(client: discord.Client, channel_id: int) -> Place:
    """See which permissions are missing in a channel.

    Raises:
        ChatError: the channel cannot be seen, or Discord cannot be reached.
    """
    assert client.user is not None
    async with speaking():
        known = await client.fetch_channel(channel_id)
        if not isinstance(known, discord.TextChannel):
            raise ChatSetupError("the channel is no text channel; name another by its id")
        guild = await client.fetch_guild(known.guild.id)
        channel = await guild.fetch_channel(channel_id)
        me = await guild.fetch_member(client.user.id)
    assert isinstance(channel, discord.TextChannel)
    held = channel.permissions_for(me)
    missing = tuple(name for name in NEEDED if not getattr(held, name))
    return Place(guild, channel.name, missing)
