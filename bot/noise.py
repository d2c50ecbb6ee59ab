"""How much a channel hears: what is queued for it is sent, or dropped.

`quiet` hears of a run's head message, cards and summaries; `normal` of each round, too; `all` of each
checkpoint, too. Answers, whispers and alerts reach everybody.
"""

from __future__ import annotations

from typing import Final, get_args

from storage.models import OutboxItem, OutboxKind, Verbosity
from storage.store.store import Store

LEVELS: Final = get_args(Verbosity)
MEANING: Final[dict[Verbosity, str]] = {
    "quiet": "the head message of each run, cards and summaries, nothing else",
    "normal": "also what opens and closes each round, whatever befalls a run, and who says what",
    "all": "also each checkpoint",
}
DETAILS: Final = frozenset({"checkpoint"})
"""What only `all` hears, by the first part of its key."""
ALWAYS: Final = frozenset({"verdict", "answer"})
"""What is heard in any thread: how a run ended, and what somebody asked for."""


def is_wanted(item: OutboxItem, verbosity: Verbosity) -> bool:
    """Whether a channel hears something that is said in the thread of a run; cards always stand."""
    if item.kind is not OutboxKind.SAY or item.run_id is None:
        return True
    what = item.key.partition(":")[0]
    if verbosity == "all" or what in ALWAYS:
        return True
    return verbosity == "normal" and what not in DETAILS


class Voices:
    """What each channel wants to hear."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[str, str], Verbosity] = {}

    def load(self) -> None:
        """Read what was wished for in chat; blocks."""
        self._known = self._store.upkeep.verbosities()

    def of(self, platform: str, channel: str) -> Verbosity:
        """What a channel wants to hear."""
        return self._known.get((platform, channel), "normal")

    def wish(self, platform: str, channel: str, verbosity: Verbosity) -> None:
        """From now on a channel hears so much, also of what is queued already; blocks."""
        self._store.upkeep.set_verbosity(platform, channel, verbosity)
        self._known = {**self._known, (platform, channel): verbosity}

    def wants(self, item: OutboxItem) -> bool:
        """Whether something is to be sent."""
        return is_wanted(item, self.of(item.platform, item.channel))
