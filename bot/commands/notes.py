"""Lines in a run's thread that say who said what about it, where that cannot be read there anyway.

What one person says in a row is one line, which grows in place, and is posted when nobody waits for
anything else (`AT_LEISURE` in `storage.store.mail`): looking is no news to a busy team.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bot import cutting, outgoing
from bot.house import House
from storage.models import OutboxItem

IN_A_ROW: Final = timedelta(minutes=10)
"""What comes later than that after the last is a line of its own."""
MOST: Final = 8
"""Different commands in a line."""
MAX_WORDS: Final = 60

Place = tuple[str, str]
"""A platform and a run."""


@dataclass(frozen=True, slots=True)
class Line:
    """What stands in a thread.

    Attributes:
        key: its place in the outbox, but for the platform.
        user: whose it is.
        said: what they said, oldest first.
        at: when they last said something.
    """

    key: str
    user: str
    said: tuple[str, ...]
    at: datetime

    def takes(self, user: str, words: str, now: datetime) -> bool:
        """Whether more that somebody said belongs to it."""
        is_short = len({*self.said, words}) <= MOST
        return self.user == user and now - self.at <= IN_A_ROW and is_short


class Notes:
    """The newest line of each run's thread on each platform.

    They are kept in memory alone: after a restart a line begins anew.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._newest: dict[Place, Line] = {}

    def of(
        self, run_id: str, user: str, name: str, words: str, key: str, *, seen_on: str | None
    ) -> tuple[list[OutboxItem], dict[Place, Line]]:
        """What is to be queued so that all see a command, and the lines as they then are.

        Args:
            run_id: the run it is about.
            user: who said it.
            name: what they are called before others.
            words: what they said.
            key: names the command.
            seen_on: the platform in whose thread of the run it can be read already.
        """
        now, items, lines = self._house.now(), [], {}
        for platform, channel in self._house.channels.items():
            if platform == seen_on:
                continue
            place = platform, run_id
            last = self._newest.get(place)
            if last is not None and last.takes(user, words, now):
                line = Line(last.key, user, (*last.said, words), now)
                text = said(name, line.said)
                items.append(outgoing.reword(f"{line.key}:{platform}", platform, channel, text))
            else:
                line = Line(f"heard:{run_id}:{key}", user, (words,), now)
                here = {platform: channel}
                items += outgoing.in_thread(here, run_id, line.key, said(name, line.said))
            lines[place] = line
        return items, lines

    def end(self, run_id: str) -> None:
        """Something else is told in a run's thread: what comes next is no more in a row."""
        for platform in self._house.channels:
            self._newest.pop((platform, run_id), None)

    def stand(self, lines: dict[Place, Line]) -> None:
        """These lines were queued."""
        self._newest |= lines


def spelt(text: str) -> str:
    """A command as it was typed, in a line."""
    return f"“{cutting.cut(' '.join(text.split()), MAX_WORDS)}”"


def said(name: str, all_said: Sequence[str]) -> str:
    """`Ana said: “status” (2 times), “energy”`."""
    counted = Counter(all_said)
    return f"{name} said: " + ", ".join(
        words if n == 1 else f"{words} ({n} times)" for words, n in counted.items()
    )
