"""Where a forecast of the grid comes from: nowhere, a CSV file, or an address that gives one."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import Protocol

import aiohttp

from bot.energy.cleaner import ForecastError, Slice, read
from bot.settings import SettingsError

log = logging.getLogger(__name__)

FRESH_S = 900.0
TIMEOUT_S = 20.0
MOST_BYTES = 1_000_000


class IntensityProvider(Protocol):
    """Tells what the grid will emit."""

    async def forecast(self) -> tuple[Slice, ...]:
        """The slices ahead; empty where nothing is known, which is logged."""


class Unchanging:
    """A grid of which only the average is known: no moment is better than another."""

    async def forecast(self) -> tuple[Slice, ...]:
        """Nothing."""
        return ()


class CsvFile:
    """A file that somebody keeps up to date; read at every question.

    While it cannot be read, as when it is being written anew, what it said last holds: nobody who
    waits for an hour sets out at once because of that.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: tuple[Slice, ...] = ()

    async def forecast(self) -> tuple[Slice, ...]:
        """What the file says now, or said last."""
        try:
            self._known = await asyncio.to_thread(self._read)  # a year of hours takes a while
        except (OSError, UnicodeDecodeError, ForecastError) as err:
            log.warning("no grid forecast", extra={"file": str(self._path), "reason": str(err)})
        return self._known

    def _read(self) -> tuple[Slice, ...]:
        return read(self._path.read_text(encoding="utf-8"))


class CsvAddress:
    """An address that gives such a file; asked at most every 15 minutes, and likewise."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._known: tuple[Slice, ...] = ()
        self._asked_at = float("-inf")

    async def forecast(self) -> tuple[Slice, ...]:
        """What it said lately."""
        if time.monotonic() - self._asked_at < FRESH_S:
            return self._known
        self._asked_at = time.monotonic()
        try:
            self._known = read(await self._fetch())
        except (aiohttp.ClientError, TimeoutError, UnicodeDecodeError, ForecastError) as err:
            # the address may hold a key: it is in no log
            log.warning("no grid forecast", extra={"reason": type(err).__name__})
        return self._known

    async def _fetch(self) -> str:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session,
            session.get(self._url) as response,
        ):
            text = b""
            async for some in response.content.iter_any():
                text += some
                if len(text) > MOST_BYTES:
                    raise ForecastError(f"it has more than {MOST_BYTES} bytes")
            return text.decode("utf-8")


def provider(setting: str | None) -> IntensityProvider:
    """The source that `JOULERY_CARBON_FORECAST` names; no request is made without one.

    Raises:
        SettingsError: it names none.
    """
    if setting is None:
        return Unchanging()
    if setting.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        return CsvAddress(setting)
    path = Path(setting)
    if "://" in setting or not path.is_file():
        raise SettingsError(
            f"JOULERY_CARBON_FORECAST = {_without_key(setting)!r}: there is no such file, and it is "
            "no https address; name a CSV file with start,g_per_kwh, or leave it empty"
        )
    return CsvFile(path)


def _without_key(setting: str) -> str:
    """An address without what may be secret in it."""
    scheme, mark, _ = setting.partition("://")
    return f"{scheme}{mark}..." if mark else setting
