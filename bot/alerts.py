"""What operators are told of by itself, once each: what stands still, runs full, or was not seen.

The key of an alert says which trouble it is, so it is told once, whatever happens to the bot; never
is there an alert about an alert.
"""

from __future__ import annotations

import asyncio
import logging
import platform
import shutil
from collections.abc import Callable, Mapping
from datetime import timedelta

from bot import outgoing, words
from bot.days import LocalDay
from bot.house import House
from storage.models import OutboxItem

log = logging.getLogger(__name__)

PREFIX = "alert:"
TOO_OLD = timedelta(minutes=10)
"""So long nothing may wait to be posted."""
TOO_FULL_B = 2_000_000_000


class Alerts:
    """Looks for trouble; each call is a tick of the schedule."""

    def __init__(self, house: House, free_b: Callable[[], int] | None = None) -> None:
        self._house, self._free_b = house, free_b or (lambda: _free_b(house))

    async def look(self) -> None:
        """Tell of messages that wait for long, and of a disk that is nearly full: once a day."""
        await self._look_at_mail()
        free_b = await asyncio.to_thread(self._free_b)
        if free_b < TOO_FULL_B:
            await tell(
                self._house,
                f"disk:{self._today()}",
                f"Only {free_b / 1e9:.1f} GB are left on the disk of {platform.node()}, where runs are "
                "kept: please make room, training needs it for its checkpoints.",
            )

    async def _look_at_mail(self) -> None:
        house = self._house
        for name in house.channels:
            found = await house.call(house.store.mail.oldest, name, without=PREFIX)
            if found is None or house.now() - found < TOO_OLD:
                continue
            waiting = await house.call(house.store.mail.pending, name)
            since = words.duration((house.now() - found).total_seconds())
            await tell(
                house,
                f"outbox:{name}:{self._today()}",
                f"On {name} {words.plural(waiting, 'message')} could not be posted for {since}; what "
                "waits goes out as soon as it can. The bot's log says why.",
            )

    def _today(self) -> str:
        return str(LocalDay.of(self._house.now(), self._house.settings.zone).date)


async def tell(house: House, key: str, text: str) -> None:
    """Tell operators of a trouble, if it was not told yet."""
    items = items_of(house, key, text)
    if await house.call(house.store.upkeep.once, f"{PREFIX}{key}", house.now(), items):
        log.error("operators are told", extra={"alert": key, "text": text})
        house.office.wake()


def items_of(house: House, key: str, text: str) -> list[OutboxItem]:
    """What is posted of a trouble: in the operators' channel, or where the bot talks."""
    channels = _operators(house) or house.channels
    said = f"For operators: {text}"
    return [
        outgoing.say(f"{PREFIX}{key}:{name}", name, channel, said)
        for name, channel in channels.items()
    ]


def _operators(house: House) -> Mapping[str, str]:
    """Their channel; none where its platform is not among ours."""
    name, _, channel = house.settings.operators_channel.partition(":")
    return {name: channel} if channel and name in house.channels else {}


def _free_b(house: House) -> int:
    return shutil.disk_usage(house.settings.data_dir).free
