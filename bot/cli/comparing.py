"""`joulery demo` and `joulery compare SPEC`: voted runs beside a control."""

from __future__ import annotations

import asyncio
import os
import sys
import webbrowser
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from bot import compare as comparing
from bot import report as reporting
from bot.cli.base import (
    FAILURE,
    PortOption,
    ReportOption,
    app,
    demo_spec,
    out,
    settings_of,
    write,
    write_json,
)
from bot.compare import Jury
from bot.settings import Settings
from bot.terminal import Bars
from trainer.spec import MAX_SEED, RunSpec, SpecError, parse_spec, read_spec

CARDS_ALONE = 16
"""Per round, where nobody helps: two minutes of one person."""

JuryOption = Annotated[Jury, typer.Option(help="who votes: people, simulated colleagues, or both")]


@app.command()
def demo(
    jury: JuryOption = "mixed",
    report: ReportOption = None,
    port: PortOption = None,
    seed: Annotated[
        int, typer.Option(min=0, max=MAX_SEED, help="seed of data, dirt and weights")
    ] = 0,
) -> None:
    """See the whole loop in a few minutes: train, ask, listen, learn, and weigh the joules."""
    spec = parse_spec(demo_spec(), where="the demo's spec")
    if jury == "people":  # whoever opens the page may be alone
        alone = {"quorum": 1, "audit": CARDS_ALONE, "cards": CARDS_ALONE}
        spec = spec.model_copy(update={"ask": spec.ask.model_copy(update=alone)})
    settings = settings_of(port)
    folder = settings.data_dir / "demo" / datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    settings = settings.model_copy(update={"data_dir": folder, "database_url": None})
    _compare(settings, spec, [seed], jury, report)


@app.command()
def compare(
    spec: Annotated[Path, typer.Argument(help="the spec file")],
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="number of seeds: 0, 1, ...")] = 1,
    jury: JuryOption = "mixed",
    budget: Annotated[
        str | None, typer.Option(help="for each seed, all arms together: 0.5kWh, 90min, 0.2kgCO2e")
    ] = None,
    report: ReportOption = None,
    port: PortOption = None,
) -> None:
    """Train a spec with votes beside a control without, seed by seed, and compare."""
    read = read_spec(spec)
    if budget is not None:
        read = read.model_copy(update={"budget": budget})
    first = read.train.seed
    _compare(settings_of(port), read, range(first, first + seeds), jury, report)


def _compare(
    settings: Settings, spec: RunSpec, seeds: Any, jury: Jury, report: Path | None
) -> None:
    if jury != "people" and not _has_truth(spec):
        raise SpecError(
            f"simulated voters need a truth to vote by, and {spec.data.pool} has none; set "
            "data.truth or data.dirt in the spec, or use --jury people"
        )
    if report is not None:
        write(report, "")  # rather now than after the work
    bars = Bars(out)
    is_done = False

    def announce(url: str) -> None:
        if jury == "simulated":
            bars.say(f"Simulated colleagues vote; watch them at {url}")
        else:
            bars.say(f"Open the page and vote: {url}", style="bold")
            if _has_screen():
                webbrowser.open(url)

    async def work() -> None:
        nonlocal is_done
        async with comparing.compared(
            settings, spec, seeds=list(seeds), jury=jury, watcher=bars, announce=announce
        ) as outcome:
            bars.stop()
            _print(outcome)
            if report is not None:
                write_json(report, outcome.report)
            is_done = True
            if jury != "simulated" and sys.stdout.isatty():
                out.print("The page stays up for a look around; Ctrl-C ends it.")
                await asyncio.Event().wait()

    with bars:
        try:
            asyncio.run(work())
        except KeyboardInterrupt:
            if not is_done:
                bars.say(f"Stopped; go on with: JOULERY_DATA_DIR={settings.data_dir} joulery serve")
                raise typer.Exit(FAILURE) from None


def _print(outcome: comparing.Outcome) -> None:
    for heading, *rows in (reporting.curves(outcome.report), reporting.table(outcome.report)):
        table = Table(*heading, box=None, header_style="bold")
        for row in rows:
            table.add_row(*row)
        out.print(table, "")
    for seed_report in outcome.report["seeds"]:
        if len(outcome.report["seeds"]) > 1:
            out.print(f"seed {seed_report['seed']}", style="bold")
        for line in seed_report["verdict"]:
            out.print(f"• {line}", highlight=False)
    if len(outcome.report["seeds"]) > 1:
        out.print("all seeds", style="bold")
        for line in outcome.report["verdict"]:
            out.print(f"• {line}", highlight=False)
    out.print(f"Picture: {outcome.picture}")


def _has_screen() -> bool:
    """Whether a browser opens a window of its own, not a text browser over our bars."""
    if not sys.stdout.isatty():
        return False
    is_desktop = sys.platform in ("darwin", "win32")
    return is_desktop or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _has_truth(spec: RunSpec) -> bool:
    data = spec.data
    return data.pool.startswith("builtin:") or data.truth is not None or data.dirt.total > 0
