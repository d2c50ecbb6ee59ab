"""`joulery serve`, `invite`, `status`, `doctor` and `energy`: the bot, and what there is to ask of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from adapters.base import ChatPlatform
from bot import doctor as examining
from bot import serving
from bot.cli.base import PortOption, app, out, settings_of
from bot.energy.export import Format
from bot.energy.exporting import export_energy, write_export


@app.command()
def serve(port: PortOption = None) -> None:
    """Run the bot until it is stopped; runs that were under way go on."""
    settings = settings_of(port)
    chat, slack = serving.web_chat(settings), serving.slack_chat(settings)
    discord = serving.discord_chat(settings)
    platforms: dict[str, ChatPlatform] = {chat.name: chat}
    if slack is not None:
        platforms[slack.name] = slack
    if discord is not None:
        platforms[discord.name] = discord

    def announce() -> None:
        listens = f"Joulery listens at {chat.url}; let people in with: joulery invite NAME"
        out.print(listens, soft_wrap=True)
        if slack is not None:
            out.print(f"Slack channel {settings.slack_channel}: {slack.health().detail}")
        if discord is not None:
            out.print(f"Discord channel {settings.discord_channel}: {discord.health().detail}")
        if not (settings.operators or settings.admins):
            out.print("Nobody may start or stop runs yet: set JOULERY_OPERATORS, e.g. web:ana")

    asyncio.run(serving.serve(settings, platforms, announce))


@app.command()
def invite(
    name: Annotated[str, typer.Argument(help="who the link is for")],
    port: PortOption = None,
) -> None:
    """Make a personal link to the web chat: good for one person, once, for two days."""
    chat = serving.web_chat(settings_of(port))
    out.print(chat.invite(name), soft_wrap=True, highlight=False)


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="as JSON, for scripts")] = False,
) -> None:
    """List the runs and where they stand."""
    from storage.store.store import Store

    store = Store.open(settings_of(None).database)
    runs = store.runs.all()
    if as_json:
        rows = [
            {
                "run": run.run_id,
                "name": run.name,
                "state": run.state.value,
                "reason": run.reason,
                "seed": run.seed,
                "created_at": run.created_at.isoformat(),
                "ended_at": run.ended_at.isoformat() if run.ended_at else None,
                "arms": {arm.name: arm.state.value for arm in store.runs.arms(run.run_id)},
            }
            for run in runs
        ]
        out.print_json(data=rows)
        return
    if not runs:
        out.print("No runs yet. See the loop with: joulery demo")
        return
    table = Table("run", "spec", "state", "why", box=None)
    for run in runs:
        table.add_row(run.run_id, run.name, run.state.value, run.reason)
    out.print(table)


@app.command()
def doctor(
    topic: Annotated[
        examining.Topic | None, typer.Argument(help="one topic; left out: everything")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON, for scripts")] = False,
) -> None:
    """Say what is measured on this host and what is guessed, whether Slack and Discord work, what would help.

    Ends with status 1 where something has to be mended before it works.
    """
    sections = examining.examine(settings_of(None), topic)
    if as_json:
        out.print_json(data={section.topic: section.data for section in sections})
    else:
        _show(sections)
    if any(section.wrong for section in sections):
        raise typer.Exit(1)


def _show(sections: Sequence[examining.Section]) -> None:
    for section in sections:
        table = Table(*section.heading, title=section.topic, title_justify="left", box=None)
        for row in section.rows:
            table.add_row(*row)
        out.print(table)
        for said in section.notes:
            out.print(f"• {said}", highlight=False, soft_wrap=True)  # or a link would break
        for said in section.advice:
            out.print(f"→ {said}", highlight=False, soft_wrap=True)
        if section.wrong:
            out.print(f"Not right yet, please mend: {', '.join(section.wrong)}", soft_wrap=True)


@app.command()
def energy(
    run: Annotated[str | None, typer.Argument(help="which run  [default: the newest]")] = None,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="csv, json, a model card's co2 block, sci  [default: words]"),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="write to this file")] = None,
) -> None:
    """Show a run's joules, or write them for other tools."""
    text = export_energy(settings_of(None), run, form)
    if output is None:
        out.print(text, end="", soft_wrap=True, highlight=False)
        return
    write_export(output, text)
    out.print(f"Energy: {output}")
