"""`joulery export` and `joulery import`: what leaves the house, and votes that come in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bot.cli.base import app, out, settings_of
from bot.export.exporting import What, export
from bot.export.tables import Form

RunArgument = Annotated[str | None, typer.Argument(help="which run  [default: the newest]")]


@app.command("export")
def export_command(
    what: Annotated[What, typer.Argument(help="which part; run = all of it")],
    run: RunArgument = None,
    form: Annotated[Form, typer.Option("--format", help="of the tables")] = "parquet",
    folder: Annotated[
        Path | None, typer.Option("--out", help="where to  [default: export-RUN]")
    ] = None,
    names: Annotated[
        bool, typer.Option("--names", help="name the raters, and tell what they typed about labels")
    ] = False,
) -> None:
    """Write votes, cleaned samples, joules and LoRA weights for other tools, with cards."""
    written = export(settings_of(None), what, run, form, folder, with_names=names)
    for line in written.lines:
        out.print(line, highlight=False, soft_wrap=True)
