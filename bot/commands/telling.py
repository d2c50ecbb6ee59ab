"""The verbs that tell and change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from bot import accounts, cutting, metrics, words
from bot.commands.asked import Asked, Desk, Do
from bot.commands.grammar import TIMES, CommandError, is_run
from bot.energy import summaries
from bot.verbs import HELP
from bot.wording import arm_said, kind_of
from storage.models import ArmState, RunState, Transition

BEFORE: Final = {ArmState.PENDING: "not begun yet", ArmState.ACTIVE: "not evaluated yet"}
"""What is said of an arm that has no result."""
PERIODS: Final = frozenset({"run", *TIMES})
"""What energy may be asked of instead of a run by name."""


MOVES: Final = 3
"""How many of the last changes of a run's state its status tells."""


async def status(desk: Desk, asked: Asked) -> str:
    """Where a run stands."""
    run = asked.found
    if run is None:
        return "No runs yet. Say start SPEC."
    store, kind = desk.house.store.runs, kind_of(run.spec)
    stands = words.stands(run.state, run.reason or "just created")
    lines = [f"Run {run.run_id} ({run.name}) is {stands}."]
    lines += filter(None, [await desk.rounds.remark(run.run_id) if run.state.is_moving else ""])
    for arm in await desk.house.call(store.arms, run.run_id):
        evaluations = await desk.house.call(store.evaluations, arm.arm_id)
        said = BEFORE.get(arm.state, arm.state.value)
        if evaluations:
            last, planned = evaluations[-1], arm.planned_samples or 0
            said = (
                f"{words.count(last.samples)} of {words.count(planned)} samples, "
                f"{kind.metric} {metrics.said(last.metric, kind)}"
            )
        lines.append(f"• {arm_said(arm.name, run.spec)}: {said}")
    moves = await desk.house.call(store.transitions, run.run_id)
    zone = desk.house.settings.zone
    lines += [f"{_when(m.at, zone)} {_moved(m)}" for m in moves[-MOVES:]]
    return "\n".join(lines)


def _moved(move: Transition) -> str:
    """`stopped by Ana`, `training, by joulery: it has the device`: who moved a run and why, once."""
    if move.why.partition(" by ")[2].startswith(move.who):
        return move.why
    return f"{move.after}, by {move.who}: {move.why}"


def _when(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%a %d %b %H:%M}"


async def queue(desk: Desk, asked: Asked) -> str:
    """Who trains, who waits for the device, and who for people."""
    runs = await desk.house.call(desk.house.store.runs.all, is_open=True)
    lines = await desk.rounds.queue.lines()
    others = {
        "Asking people": [run.run_id for run in runs if run.state is RunState.ASKING],
        "Held": [run.run_id for run in runs if run.state is RunState.PAUSED],
    }
    lines += [f"{what}: {words.listed(names)}." for what, names in others.items() if names]
    return "\n".join(lines) or "Nobody trains and nobody waits. Say start SPEC."


async def energy(desk: Desk, asked: Asked) -> str:
    """Joules of a run, a day or a week."""
    name = next(iter(asked.command.names), "run")
    if not is_run(name) and name.lower() not in PERIODS:
        raise CommandError(f"there is no run {cutting.cut(name, 30)}; say status")
    if name.lower() == "day":
        return await summaries.about_day(desk.house)
    if name.lower() == "week":
        return await summaries.about_week(desk.house)
    if asked.found is None:
        return "No runs yet, no energy booked."
    return await accounts.about_run(desk.house, asked.found)


async def tell_help(desk: Desk, asked: Asked) -> str:
    """What there is to say."""
    return HELP


DOES: Final[Mapping[str, Do]] = {
    "status": status,
    "queue": queue,
    "energy": energy,
    "help": tell_help,
}
