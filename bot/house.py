"""What the parts of the bot share: one place that holds the concrete things."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ParamSpec, Protocol, TypeVar

from bot.energy.grid import Grid
from bot.energy.intensity import IntensityProvider, Unchanging
from bot.energy.spending import Spending
from bot.noise import Voices
from bot.post import PostOffice
from bot.settings import Settings
from bot.slot import DeviceSlot
from storage.models import Run
from storage.store.store import Store
from trainer.energy.cap import PowerCap
from trainer.energy.meter import EnergyMeter
from trainer.energy.probe import Probe
from trainer.launch import LocalLauncher

P = ParamSpec("P")
T = TypeVar("T")


class Watcher(Protocol):
    """Somebody who wants to see progress: the terminal's bars, the page's chart."""

    def progress(self, run: Run, arm: str, what: str, done: int, total: int) -> None:
        """An arm got further."""

    def evaluated(self, run: Run, arm: str, samples: int, metric: float) -> None:
        """An arm was evaluated."""

    def votes(self, run_id: str, cards_done: int, cards: int, votes: int) -> None:
        """Votes came in."""

    def news(self, run_id: str, text: str) -> None:
        """Something was said in the run's thread."""


@dataclass(slots=True)
class House:
    """The parts every room of the bot needs."""

    settings: Settings
    store: Store
    office: PostOffice
    voices: Voices
    launcher: LocalLauncher
    meter: EnergyMeter
    probe: Probe
    spending: Spending
    cap: PowerCap
    channels: Mapping[str, str]  # platform -> the channel the bot talks in
    grid: Grid | None = None  # of the country that is set
    intensity: IntensityProvider = field(default_factory=Unchanging)
    slot: DeviceSlot = field(default_factory=DeviceSlot)
    watchers: list[Watcher] = field(default_factory=list)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(4, thread_name_prefix="store")
    )

    async def call(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A store method, off the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: method(*args, **kwargs))
