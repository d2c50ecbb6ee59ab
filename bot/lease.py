"""One bot per database: who holds the lease acts, who loses it stops."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Callable
from datetime import datetime, timedelta

from storage.database import StoreError
from storage.store.store import Store

log = logging.getLogger(__name__)

NAME = "bot"
LIFE_S = 30.0
RENEW_S = 10.0
LOST = (
    "another one has taken over its database, as it did not renew its lease in time (did the machine "
    "sleep, or the database not answer?)"
)


class LeaseError(StoreError):
    """Another bot holds the database."""


class Lease:
    """This process's right to act.

    Args:
        store: whose lease it is.
        now: aware UTC.
        life_s: s that it lasts without being renewed.
    """

    def __init__(self, store: Store, now: Callable[[], datetime], life_s: float = LIFE_S) -> None:
        self._store, self._now, self._life = store, now, timedelta(seconds=life_s)
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._lost = asyncio.Event()

    @property
    def is_lost(self) -> bool:
        """Whether another bot took over: from now on nothing here may act."""
        return self._lost.is_set()

    async def take(self) -> None:
        """Begin to hold it.

        Raises:
            LeaseError: another bot holds it.
        """
        if not await self._renew():
            raise LeaseError(
                "another bot is running on this database; stop it first, "
                f"or wait {self._life.total_seconds():.0f} s if it was killed"
            )

    async def keep(self) -> None:
        """Renew it; a tick of the schedule. A database that does not answer is asked again."""
        if not self.is_lost and not await self._renew():
            log.error("the lease is lost: another bot holds this database")
            self._lost.set()

    async def until_lost(self) -> None:
        """Wait until another bot has taken over.

        Raises:
            LeaseError: it has.
        """
        await self._lost.wait()
        raise LeaseError(f"this bot stops: {LOST}")

    async def give_up(self) -> None:
        """Let the next bot start at once."""
        try:
            await asyncio.to_thread(self._store.upkeep.give_up_lease, NAME, self.holder)
        except StoreError as err:  # it runs out by itself, and must not hide why we leave
            log.warning("lease not given up", extra={"reason": str(err)})

    async def _renew(self) -> bool:
        take = self._store.upkeep.take_lease
        return await asyncio.to_thread(take, NAME, self.holder, self._now(), self._life)
