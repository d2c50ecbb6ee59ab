"""`joulery verify-pause SPEC`: whether a pause changes anything."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from bot import pauses
from bot.cli.base import FAILURE, app, err, out, settings_of
from bot.pauses import STEPS
from trainer.spec import read_spec


@app.command("verify-pause")
def verify_pause(
    spec: Annotated[Path, typer.Argument(help="the spec file")],
    whole: Annotated[
        bool, typer.Option("--whole", help=f"all of the training, not some {STEPS} steps of it")
    ] = False,
) -> None:
    """Train a spec with pauses and without, and compare losses and weights bit for bit."""
    settings_of(None)  # logging
    read = read_spec(spec)
    read = read if whole else pauses.shortened(read)
    with Progress(console=err, transient=True) as bar:
        task = bar.add_task("loading", total=200)
        told = set()

        def progress(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)
            if not err.is_terminal and what not in told:  # a bar is drawn on terminals alone
                told.add(what)
                err.print(what, highlight=False)

        found = asyncio.run(pauses.verify(read, progress))
    for line in found.said():
        out.print(line, highlight=False, soft_wrap=True)
    if found.differences:
        raise typer.Exit(FAILURE)
