"""Carbon-aware resume: after a round, training may wait for cleaner electricity, as its spec says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bot import outgoing, words
from bot.energy.cleaner import Window, cleanest
from bot.house import House
from bot.settings import Settings
from storage.models import Round, Run
from trainer.spec import RunSpec, SpecError

USUALLY_LASTS = timedelta(hours=1)
"""How long training is taken to run on, where that is not foretold yet."""
WORTH_A_WORD = timedelta(minutes=15)
"""A start that moves by less, as forecasts change, is not told again."""


class Shift:
    """Says how long a run waits.

    Args:
        house: the bot's parts.
        left_s: seconds of training that are left of a run; None where that is not foretold.
    """

    def __init__(self, house: House, left_s: Callable[[Run], float | None]) -> None:
        self._house, self._left_s = house, left_s
        self._in_haste: set[str] = set()  # rounds after which somebody wanted to go on at once
        self._waiting: dict[str, tuple[str, datetime]] = {}  # run -> its last round, and until when
        self._told: dict[str, datetime] = {}  # round -> until when, as its thread heard it last

    async def wait_s(self, run: Run, spec: RunSpec, rounds: Sequence[Round]) -> float:
        """Seconds until the run should go on after its last round; 0 = now.

        The deadline counts from the round's end, so a restart prolongs nothing.
        """
        found = await self._cleaner(run, spec, rounds)
        if found is None or rounds[-1].round_id in self._in_haste:  # maybe since a moment ago
            self._waiting.pop(run.run_id, None)
            return 0.0
        self._waiting[run.run_id] = (rounds[-1].round_id, found.start)
        await self._tell(run, rounds[-1].round_id, found)
        return max(0.0, (found.start - self._house.now()).total_seconds())

    async def _cleaner(self, run: Run, spec: RunSpec, rounds: Sequence[Round]) -> Window | None:
        """The window to wait for; None = go on now."""
        if not spec.may_wait or not rounds or rounds[-1].closed_at is None:
            return None
        house, now = self._house, self._house.now()
        latest = rounds[-1].closed_at + timedelta(seconds=spec.may_wait)
        if now >= latest or rounds[-1].round_id in self._in_haste:
            return None
        left_s = await house.call(self._left_s, run)
        lasts = timedelta(seconds=left_s) if left_s else USUALLY_LASTS
        return cleanest(await house.intensity.forecast(), now, latest, lasts)

    async def _tell(self, run: Run, round_id: str, found: Window) -> None:
        """Say until when it waits, and again where a new forecast moves that."""
        told, house = self._told.get(round_id), self._house
        if told is not None and abs(found.start - told) < WORTH_A_WORD:
            return
        self._told[round_id] = found.start
        key = f"shift:{round_id}:{found.start.isoformat()}"
        said = said_of(found, self._local(found.start))
        await house.office.queue(*outgoing.in_thread(house.channels, run.run_id, key, said))

    def note(self, run_id: str) -> str:
        """Until when a run waits, in a sentence; "" where it does not."""
        if run_id not in self._waiting:
            return ""
        until = self._local(self._waiting[run_id][1])
        return f"Waiting for cleaner electricity until {until}; say resume to go on at once."

    def _local(self, moment: datetime) -> str:
        zone = self._house.settings.zone
        return f"{moment.astimezone(zone):%a %d %b at %H:%M} ({zone.key})"

    def hurry(self, run_id: str) -> bool:
        """Go on at once; False where the run does not wait."""
        waiting = self._waiting.pop(run_id, None)
        if waiting is None:
            return False
        self._in_haste.add(waiting[0])
        return True


def require_forecast(settings: Settings, spec: RunSpec) -> None:
    """See that a run that may wait for cleaner electricity can know of it.

    Raises:
        SpecError: it cannot.
    """
    if spec.may_wait and settings.carbon_forecast is None:
        raise SpecError(
            f"may_wait: {words.duration(spec.may_wait)} for cleaner electricity, but no forecast says "
            "when it is cleaner: set JOULERY_CARBON_FORECAST, or leave may_wait out"
        )


def said_of(found: Window, until: str) -> str:
    """Until when training waits, what for, and how not to."""
    saved = 1 - found.g_per_kwh / found.now_g_per_kwh
    return (
        f"Training goes on {until}: the grid should then emit "
        f"{words.number(found.g_per_kwh)} g CO2e per kWh, {saved:.0%} less than now. That saves CO2e, "
        "not energy. Say resume to go on at once."
    )
