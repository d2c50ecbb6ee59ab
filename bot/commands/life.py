"""The verbs that begin, hold and end runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bot import cutting
from bot.commands.asked import Asked, Desk, Do, Shown
from bot.commands.grammar import CommandError, amount_of, read_seed
from trainer.spec import RUN_NAME, read_spec


async def start(desk: Desk, asked: Asked) -> Shown:
    """Begin a run of a spec."""
    house, command = desk.house, asked.command
    if not command.names:
        known = ", ".join(await house.call(known_specs, house.settings.specs_dir))
        raise CommandError(f"which spec? Known: {known or 'none'}. Say start SPEC")
    path = _spec_path(house.settings.specs_dir, command.names[0])
    spec = await house.call(read_spec, path)
    seed = read_seed(command.options.get("seed"))
    number = len(await house.call(house.store.runs.all)) + 1
    every = house.settings.control_every
    with_control = "control" in command.flags or (every > 0 and number % every == 0)
    arms = ("human", "control") if with_control else ("human",)
    budget = command.options.get("budget")
    run = await desk.rounds.begin(spec, who=asked.user, seed=seed, arms=arms, budget=budget)
    place = await desk.rounds.queue.note(run.run_id)
    said = f"Run {run.run_id} of {spec.name} started by {asked.user}."
    return Shown(" ".join(filter(None, [said, place])), run.run_id)


async def stop(desk: Desk, asked: Asked) -> str:
    """End it, now or at its next pause."""
    run_id, rounds = asked.run.run_id, desk.rounds
    if "later" in asked.command.flags and await rounds.stop_later(run_id, asked.user):
        return f"Run {run_id} stops at its next pause. Say resume to take that back."
    if "later" not in asked.command.flags:
        await rounds.stop(run_id, asked.user)
    stops = "stops at its next step" if _is_at_work(desk, run_id) else "is stopped"
    return f"Run {run_id} {stops}; its last checkpoint stays."


async def pause(desk: Desk, asked: Asked) -> str:
    """Hold it."""
    await desk.rounds.pause(asked.run.run_id, asked.user)
    pauses = "pauses at its next step" if _is_at_work(desk, asked.run.run_id) else "is paused"
    return f"Run {asked.run.run_id} {pauses}. Say resume to go on."


async def resume(desk: Desk, asked: Asked) -> str:
    """Let it go on."""
    return await desk.rounds.resume(asked.run.run_id, asked.user, asked.command.options.get("from"))


async def ask(desk: Desk, asked: Asked) -> str:
    """Ask people now."""
    await desk.rounds.ask(asked.run.run_id, asked.user)
    return f"Run {asked.run.run_id} asks at its next step, then training goes on."


async def budget(desk: Desk, asked: Asked) -> str:
    """Change what a run may cost, or say it."""
    run, budgets = asked.run, desk.rounds.budgets
    if amount := amount_of(asked.command.names):
        run = await budgets.change(run, amount, asked.user)
    return await budgets.said(run)


DOES: Final[Mapping[str, Do]] = {
    "start": start,
    "stop": stop,
    "pause": pause,
    "resume": resume,
    "ask": ask,
    "budget": budget,
}


def _is_at_work(desk: Desk, run_id: str) -> bool:
    """Whether a process trains it, which saves its work first."""
    holder = desk.house.slot.holder
    return holder is not None and holder.run_id == run_id


def _spec_path(folder: Path, name: str) -> Path:
    """The spec called `name`; names are no paths."""
    if RUN_NAME.match(name) is None:
        raise CommandError(f"“{cutting.cut(name, 40)}” is no spec's name; say start for the list")
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(known_specs(folder)) or "none"
        raise CommandError(f"there is no spec {name}; known: {known}")
    return path


def known_specs(folder: Path) -> Sequence[str]:
    """The specs that may be started by name."""
    return sorted(path.stem for path in folder.glob("*.yaml"))
