"""Syncs the commands with a server when they changed: Discord counts how often that is done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import discord

from adapters.base import Verb
from adapters.discord import verbs
from adapters.discord.calls import speaking


async def sync(
    client: discord.Client, guild_id: int, shown: Sequence[Verb], digests: Path | None
) -> bool:
    """Let a server know the commands; True when it had to be told.

    Raises:
        ChatError: it cannot be told.
    """
    if not shown:
        return False
    payload = verbs.payload(shown)
    assert client.application_id is not None
    place, digest = f"{client.application_id}:{guild_id}", verbs.digest(payload)
    kept = await asyncio.to_thread(_read, digests)
    async with speaking():
        # asked as well: a bot that was thrown out and let in again has lost its commands
        known = await client.http.get_guild_commands(client.application_id, guild_id)
        if kept.get(place) == digest and any(c["name"] == verbs.NAME for c in known):
            return False
        await client.http.bulk_upsert_guild_commands(client.application_id, guild_id, payload)
    await asyncio.to_thread(_write, digests, kept | {place: digest})
    return True


def _read(path: Path | None) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path | None, digests: dict[str, str]) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(digests), encoding="utf-8")
