"""The run a command is about: named, or of the thread it was said in, or the only one under way."""

from __future__ import annotations

from bot import cutting
from bot.commands.grammar import Command, CommandError, is_about_time, is_run
from bot.verbs import BY_NAME
from storage.models import Run
from storage.store.runs import RunStore


def run_of(store: RunStore, command: Command, here: str | None) -> Run | None:
    """The run; None where there is none yet, or the command is about none. Blocks.

    Args:
        store: knows the runs.
        command: what somebody said.
        here: the run in whose thread it was said, if any.

    Raises:
        CommandError: no such run, or nobody can tell which one is meant.
    """
    spoken = BY_NAME[command.verb]
    if spoken.of == "nothing" or is_about_time(command):
        return None
    names = [n for n in command.names if is_run(n) or not spoken.has_words]
    name = names[0] if names else here
    if name is not None:
        run = store.get(name)
        if run is None:
            raise CommandError(f"there is no run {cutting.cut(name, 30)}; say status")
        return run
    runs = store.all()
    moving = [run for run in runs if not run.state.is_final]
    if spoken.of == "any run":
        return moving[-1] if moving else (runs[-1] if runs else None)
    if len(moving) != 1:
        known = ", ".join(run.run_id for run in moving) or "none"
        raise CommandError(f"which run? Under way: {known}. Say {command.verb} RUN")
    return moving[0]
