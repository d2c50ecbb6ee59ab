"""`joulery bench NAME` and `joulery study`: figures of how well it works."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from bot import words
from bot.bench import resume
from bot.bench.chat import suite as chatting
from bot.bench.energy import suite as metered
from bot.bench.learning import suite as learning
from bot.bench.learning.resumed import Larder
from bot.bench.learning.suite import Suite
from bot.bench.month import suite as living_on
from bot.bench.tasks import suite as tasks
from bot.bench.tasks.groups import Setting
from bot.cli.base import (
    FAILURE,
    PortOption,
    ReportOption,
    app,
    bench_data,
    demo_spec,
    err,
    out,
    settings_of,
    show,
    write,
    write_json,
)
from bot.settings import Settings, SettingsError
from bot.study import answers as answering
from bot.study import export as exporting
from bot.study import live as living
from bot.study import simulated as studying
from bot.study.live import studied
from bot.study.plan import Grid
from bot.study.summary import Prices, by_task, verdicts
from bot.terminal import Bars
from trainer.energy.sources import WATTS_PER_CORE
from trainer.spec import MAX_SEED, RunSpec, parse_spec, read_spec

QUICK_SEEDS = {"learning": 2, "tasks": 1}
BenchName = Literal["learning", "tasks", "resume", "energy", "chat", "month"]
WITHOUT_FOLDER = ("resume", "energy", "chat", "month")


@app.command()
def bench(
    name: Annotated[BenchName, typer.Argument(help="which one")],
    quick: Annotated[bool, typer.Option("--quick", help="fewer repetitions")] = False,
    report: ReportOption = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="folder of public data sets; for learning banking77 and clinc150, or a table: csv:FILE"
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="pools per recipe")] = 5,
    first_seed: Annotated[int, typer.Option(min=0, max=MAX_SEED - 100, help="of the pools")] = 0,
    folder: Annotated[
        Path | None,
        typer.Option(
            help="rows, tables and pictures; goes on if begun  [default: bench-learning, bench-tasks]",
        ),
    ] = None,
    platform: Annotated[
        Literal["slack", "discord"], typer.Option(help="for chat: which one")
    ] = "slack",
) -> None:
    """Run a benchmark: figures, each beside what was wanted of it."""
    if report is not None:
        write(report, "")  # rather now than after the work
    folder = folder or Path(f"bench-{name}")
    count = min(seeds, QUICK_SEEDS.get(name, 1)) if quick else seeds
    pool_seeds = tuple(range(first_seed, first_seed + count))
    with Progress(console=err, transient=True) as bar:
        task = bar.add_task(f"bench {name}", total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        if name == "resume":
            spec = parse_spec(demo_spec(), where="the demo's spec")
            found = asyncio.run(resume.run(spec, quick=quick, progress=progress))
        elif name == "chat":
            spec = parse_spec(demo_spec(), where="the demo's spec")
            venue = chatting.venue_of(platform)
            found = asyncio.run(chatting.run(spec, venue, quick=quick, progress=progress))
        elif name == "month":
            spec = parse_spec(demo_spec(), where="the demo's spec")
            found = asyncio.run(living_on.run(spec, quick=quick, progress=progress))
        elif name == "energy":
            found = asyncio.run(metered.run(quick=quick, progress=progress))
        elif name == "tasks":
            source = Path(data) if data else bench_data("bench tasks")
            setting = Setting(source.resolve(), folder.resolve(), pool_seeds, quick)
            found = asyncio.run(tasks.run(setting, progress))
        else:
            suite = Suite(
                Larder(data or str(bench_data())),
                seeds=pool_seeds,
                is_quick=quick,
            )
            found = asyncio.run(learning.run(suite, folder, progress))
    void = found.setting.get("valid", True)
    if void is not True:
        out.print(f"Not valid as it stands: {'; '.join(void)}.", style="red")
    table = Table("figure", "value", "wanted", "", box=None)
    for figure in found.figures:
        value = "not measured" if figure.value is None else words.number(figure.value)
        verdict = {True: Text("holds"), False: Text("missed", "red"), None: Text("")}[figure.holds]
        table.add_row(figure.name, f"{value} {figure.unit}", figure.target, verdict)
    out.print(table)
    for said in found.setting.get("notes", ()):
        out.print(f"• {said}", highlight=False)
    for group, why in found.setting.get("skipped", {}).items():
        out.print(f"• {group}: not measured, {why}", highlight=False)
    if name not in WITHOUT_FOLDER:
        out.print(f"Tables and pictures: {folder}")
    if report is not None:
        write_json(report, found.as_json())


@app.command()
def study(
    quick: Annotated[
        bool, typer.Option("--quick", help="two tasks, one seed, few settings: about ten minutes")
    ] = False,
    data: Annotated[
        str | None,
        typer.Option(help="folder of banking77, clinc150 and recorded votes, or a table: csv:FILE"),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="pools per task")] = 3,
    folder: Annotated[
        Path, typer.Option(help="for tables, lines and pictures; what was begun there goes on")
    ] = Path("study"),
    live: Annotated[
        Path | None, typer.Option(help="run this spec with real participants instead")
    ] = None,
    export: Annotated[
        str | None, typer.Option(help="write the answers of this live run to the folder instead")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="with --export or --live: who withdrew, by name")
    ] = None,
    port: PortOption = None,
) -> None:
    """What votes save and what they cost: simulated, recorded, or (--live) from real people."""
    if live is not None and export is not None:
        raise SettingsError(f"--live {live} and --export {export} are two commands; give one")
    if without and live is None and export is None:
        raise SettingsError(f"--without {without[0]} leaves somebody out of --export RUN; add it")
    settings = settings_of(port)
    if live is not None:
        export = _live(settings, studied(read_spec(live)))
    if export is not None:
        show(answering.rows(exporting.export(settings, export, folder, without or ())))
        out.print(f"Answers: {folder / exporting.VOTES}")
        return
    _simulate(settings, Grid(tuple(range(1 if quick else seeds)), quick), data, folder)


def _live(settings: Settings, spec: RunSpec) -> str:
    """A live study's run, with real participants; its id, once it has ended."""
    bars = Bars(out)

    def announce(url: str) -> None:
        bars.say(f"Give this link to participants: {url}", style="bold")

    with bars:
        try:
            return asyncio.run(living.live(settings, spec, bars, announce)).run_id
        except KeyboardInterrupt:
            bars.say("Stopped; the same command goes on with it.")
            raise typer.Exit(FAILURE) from None


def _simulate(settings: Settings, grid: Grid, data: str | None, folder: Path) -> None:
    prices = Prices(settings.watts_per_core or WATTS_PER_CORE, settings.device_watts)
    with Progress(console=err, transient=True) as bar:
        task = bar.add_task("study", total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        larder = Larder(data or str(bench_data("study")))
        found = asyncio.run(studying.study(grid, larder, folder, prices, progress))
    show(by_task(found.lines))
    for said in verdicts(found.lines):
        out.print(f"• {said}", highlight=False)
    out.print(f"Tables, lines and pictures: {folder}")
