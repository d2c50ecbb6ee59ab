"""One bot per database: who holds the lease acts, who loses it stops."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import os
import re
import secrets
import socket
from collections.abc import Callable
from datetime import datetime, timedelta

from storage.database import StoreError
from storage.store.store import Store
from trainer.energy.clock import read_boot_id

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
        self.holder = f"{_here()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._lost = asyncio.Event()

    @property
    def is_lost(self) -> bool:
        """Whether another bot took over: from now on nothing here may act."""
        return self._lost.is_set()

    async def take(self) -> None:
        """Begin to hold it; at once where a process of this machine held it that is gone.

        Raises:
            LeaseError: another bot holds it.
        """
        if await self._renew():
            return
        held = await asyncio.to_thread(self._store.upkeep.lease, NAME)
        holder, until = held or ("", self._now())
        if not holder or _is_gone(holder):
            log.warning("the bot that held this database is gone", extra={"holder": holder})
            await asyncio.to_thread(self._store.upkeep.give_up_lease, NAME, holder)
            if await self._renew():
                return
        wait_s = max(1, math.ceil((until - self._now()).total_seconds()))
        raise LeaseError(
            f"another bot is running on this database ({_process(holder)}); stop it first, "
            f"or wait {wait_s} s if it was killed"
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


def _here() -> str:
    """The machine, its boot and, in Linux, the namespace in which process ids mean anything.

    Containers may share a host's name.
    """
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    where = hashlib.sha256(f"{read_boot_id()} {namespace}".encode()).hexdigest()[:12]
    return f"{socket.gethostname()}:{where}"


def _is_gone(holder: str) -> bool:
    """Whether a holder was a process of this machine, and that has ended; False where that is open."""
    found = re.fullmatch(rf"{re.escape(_here())}:(\d+):\w+", holder)
    if found is None:
        return False
    try:
        os.kill(int(found[1]), 0)  # sends nothing
    except ProcessLookupError:
        return True
    except OSError:  # somebody else's process
        return False
    return False  # it is alive, or its id was given to another one


def _process(holder: str) -> str:
    host, _, rest = holder.partition(":")
    return f"process {rest.split(':')[-2]} on {host}" if rest.count(":") else holder
