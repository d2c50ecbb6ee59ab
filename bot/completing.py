"""What may be meant by what somebody types for an option of a command."""

from __future__ import annotations

from collections.abc import Sequence

from bot.commands.life import known_specs
from bot.commands.telling import PERIODS
from bot.house import House
from bot.verbs import BY_NAME


async def complete(house: House, verb: str, option: str, typed: str) -> Sequence[str]:
    """Specs for `spec`, else runs, newest first: those that are not over, where that matters."""
    if option == "spec":
        known = list(await house.call(known_specs, house.settings.specs_dir))
    else:
        looks_back = BY_NAME[verb].of == "any run"
        runs = await house.call(house.store.runs.all)
        known = [run.run_id for run in reversed(runs) if looks_back or not run.state.is_final]
        known += sorted(PERIODS - {"run"}) if verb == "energy" else []
    return [name for name in known if typed.strip().lower() in name.lower()]
