"""What may be meant by what somebody types for an option of a command."""

from __future__ import annotations

from collections.abc import Sequence

from bot.commands.life import known_specs
from bot.commands.telling import PERIODS
from bot.house import House
from bot.verbs import BY_NAME
from storage.models import RunState


async def complete(house: House, verb: str, option: str, typed: str) -> Sequence[str]:
    """Specs for `spec`, else runs, newest first: those that are not over, where that matters."""
    if option == "spec":
        known = list(await house.call(known_specs, house.settings.specs_dir))
    else:
        runs = await house.call(house.store.runs.all)
        known = [run.run_id for run in reversed(runs) if _is_meant(verb, run.state)]
        known += sorted(PERIODS - {"run"}) if verb == "energy" else []
    return [name for name in known if typed.strip().lower() in name.lower()]


def _is_meant(verb: str, state: RunState) -> bool:
    if verb == "resume":
        return state is not RunState.FINISHED
    return BY_NAME[verb].of == "any run" or not state.is_final
