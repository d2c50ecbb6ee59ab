"""Carbon-aware resume: after a round, training may wait for cleaner electricity, as its spec says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bot import outgoing, words
from bot.energy.cleaner import Window, cleanest
from bot.house import House
from storage.models import Round, Run
from trainer.spec import RunSpec

USUALLY_LASTS = timedelta(hours=1)
"""How long training is taken to run on, where that is not foretold yet."""


class Shift:
    """Says how long a run waits.

    Args:
        house: the bot's parts.
        left_s: seconds of training that are left of a run; None where that is not foretold.
    """

    def __init__(self, house: House, left_s: Callable[[Run], float | None]) -> None:
        self._house, self._left_s = house, left_s
        self._in_haste: set[str] = set()  # rounds after which somebody wanted to go on at once
        self._waiting: dict[str, str] = {}  # run -> the round after which it waits

    async def wait_s(self, run: Run, spec: RunSpec, rounds: Sequence[Round]) -> float:
        """Seconds until the run should go on after its last round; 0 = now.

        The deadline counts from the round's end, so a restart prolongs nothing.
        """
        if not spec.may_wait or not rounds or rounds[-1].closed_at is None:
            return 0.0
        last, house = rounds[-1], self._house
        self._waiting.pop(run.run_id, None)
        if last.round_id in self._in_haste or last.closed_at is None:
            return 0.0
        latest, now = last.closed_at + timedelta(seconds=spec.may_wait), house.now()
        if now >= latest:
            return 0.0
        left_s = await house.call(self._left_s, run)
        lasts = timedelta(seconds=left_s) if left_s else USUALLY_LASTS
        found = cleanest(await house.intensity.forecast(), now, latest, lasts)
        if found is None:
            return 0.0
        self._waiting[run.run_id] = last.round_id
        said = said_of(found, house.settings.zone.key, found.start.astimezone(house.settings.zone))
        key = f"shift:{last.round_id}"
        await house.office.queue(*outgoing.in_thread(house.channels, run.run_id, key, said))
        return (found.start - now).total_seconds()

    def hurry(self, run_id: str) -> bool:
        """Go on at once; False where the run does not wait."""
        round_id = self._waiting.pop(run_id, None)
        if round_id is None:
            return False
        self._in_haste.add(round_id)
        return True


def said_of(found: Window, zone: str, local: datetime) -> str:
    """Until when training waits, what for, and how not to."""
    saved = 1 - found.g_per_kwh / found.now_g_per_kwh
    return (
        f"Training goes on {local:%a %d %b at %H:%M} ({zone}): the grid should then emit "
        f"{words.number(found.g_per_kwh)} g CO2e per kWh, {saved:.0%} less than now. That saves CO2e, "
        "not energy. Say resume to go on at once."
    )
