"""The library's client with two things added: the number of a reaction's event, and when it last heard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import discord

from adapters.discord.calls import LONGEST_WAIT_S
from adapters.discord.controls import Answer, OpenForm

GUILDS_S = 0.1
"""How long the library waits for the last server at its start; nothing here depends on it."""
MAX_MESSAGES = 5_000

NUMBERED = frozenset(
    {"raw_reaction_add", "raw_reaction_remove", "raw_reaction_clear", "raw_reaction_clear_emoji"}
)


class Client(discord.Client):
    """A connection to Discord.

    Attributes:
        pressed: called with (interaction, choice, label) when a button of a card is pressed.
        opened: called with (interaction, first line) when a form is asked for.
        heard_at: when the last event came.
    """

    pressed: Callable[[discord.Interaction, str, str], Awaitable[None]]
    opened: Callable[[discord.Interaction, int], Awaitable[None]]

    def __init__(self, intents: discord.Intents) -> None:
        super().__init__(
            intents=intents,
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=MAX_MESSAGES,
            max_ratelimit_timeout=LONGEST_WAIT_S,
            guild_ready_timeout=GUILDS_S,
            chunk_guilds_at_startup=False,
        )
        self.heard_at = datetime.now(UTC)
        self.add_dynamic_items(Answer, OpenForm)

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        """Tell the listeners.

        A reaction has no id, but its event has a number, which is told nowhere else: after RESUME
        what was lost comes under the numbers it had.
        """
        if event == "socket_event_type":
            self.heard_at = datetime.now(UTC)
        if event in NUMBERED:
            args = (*args, f"{self.ws.session_id}:{self.ws.sequence}")
        super().dispatch(event, *args, **kwargs)
