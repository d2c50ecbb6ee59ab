"""`joulery verify-pause SPEC`: whether a pause changes anything."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from bot import pauses
from bot.cli.base import FAILURE, app, err, out, settings_of
from trainer.spec import read_spec


@app.command("verify-pause")
def verify_pause(
    spec: Annotated[Path, typer.Argument(help="the spec file")],
) -> None:
    """Train a spec with pauses and without, and compare losses and weights bit for bit."""
    settings_of(None)  # logging
    read = read_spec(spec)
    with Progress(console=err, transient=True) as bar:
        task = bar.add_task("training twice", total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        found = asyncio.run(pauses.verify(read, progress))
    for line in found.said():
        out.print(line, highlight=False, soft_wrap=True)
    if found.differences:
        raise typer.Exit(FAILURE)
