"""`joulery export` and `joulery import`: what leaves the house, and votes that come in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from bot import words
from bot.cli.base import app, out, settings_of
from bot.export.exporting import What, export
from bot.export.importing import import_votes
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


@app.command("import")
def import_command(
    what: Annotated[Literal["votes"], typer.Argument(help="what the file holds")],
    file: Annotated[Path, typer.Argument(help="csv, jsonl or parquet")],
    run: Annotated[str | None, typer.Option(help="which run  [default: the newest]")] = None,
    preview: Annotated[
        bool, typer.Option("--dry-run", help="say what would be taken in, and take in nothing")
    ] = False,
) -> None:
    """Let votes count that were given in another tool or an earlier run."""
    found = import_votes(settings_of(None), file, run, is_preview=preview)
    verb = "would be" if preview else "is" if found.new == 1 else "are"
    out.print(
        f"{words.plural(found.new, 'vote')} on {words.plural(found.samples, 'sample')} {verb} taken "
        f"into run {found.run_id}; {found.known} stood already, {found.outrun} gave way to later "
        f"ones, {words.plural(found.others, 'row')} without a vote on a sample",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    for voter, votes in found.by_voter.items():
        out.print(f"• {voter}: {votes}", highlight=False)
    if found.is_idle:
        out.print(
            f"Run {found.run_id} trains as if nobody had voted, as its audit said; votes change "
            "nothing in it.", highlight=False, soft_wrap=True,
        )  # fmt: skip
