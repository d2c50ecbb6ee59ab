"""The command line: `joulery demo`, `compare SPEC`, `serve`, `status`, `energy`, `doctor`, `bench`, `study`.

Exit codes: 0 fine, 2 bad input, 1 failure. Errors go to stderr as one plain sentence with the
remedy; tracebacks go to the log.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import webbrowser
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from adapters.base import ChatPlatform, ChatRefused, ChatSetupError
from bot import compare as comparing
from bot import doctor as examining
from bot import report as reporting
from bot import serving, words
from bot.bench import resume
from bot.bench.chat import suite as chatting
from bot.bench.energy import suite as metered
from bot.bench.figures import BenchError
from bot.bench.learning import suite as learning
from bot.bench.learning.resumed import Larder
from bot.bench.learning.suite import Suite
from bot.bench.tasks import suite as tasks
from bot.bench.tasks.groups import Setting
from bot.compare import CompareError, InputRefused, Jury
from bot.energy.budget import BudgetError
from bot.energy.export import ExportError, Format
from bot.energy.exporting import export_energy, write_export
from bot.settings import Settings, SettingsError, read_settings
from bot.study import answers as answering
from bot.study import export as exporting
from bot.study import live as living
from bot.study import simulated as studying
from bot.study.live import studied
from bot.study.plan import Grid
from bot.study.summary import Prices, by_task, verdicts
from bot.terminal import Bars
from storage.database import StoreError
from trainer.energy.sources import WATTS_PER_CORE
from trainer.spec import MAX_SEED, RunSpec, SpecError, parse_spec, read_spec

BAD_INPUT = 2
FAILURE = 1

app = typer.Typer(
    help="A jury that saves joules: steer a LoRA fine-tune by chat, and meter every joule.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out = Console(markup=False)  # names, reasons and paths may hold brackets
err = Console(stderr=True, markup=False)

CARDS_ALONE = 16
"""Per round, where nobody helps: two minutes of one person."""

QUICK_SEEDS = {"learning": 2, "tasks": 1}
BenchName = Literal["learning", "tasks", "resume", "energy", "chat"]
WITHOUT_FOLDER = ("resume", "energy", "chat")

JuryOption = Annotated[Jury, typer.Option(help="who votes: people, simulated colleagues, or both")]
ReportOption = Annotated[Path | None, typer.Option(help="write the figures to this file, as JSON")]
PortOption = Annotated[int | None, typer.Option(help="port of the page; 0 = any free one")]


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
    spec = parse_spec(_demo_spec(), where="the demo's spec")
    if jury == "people":  # whoever opens the page may be alone
        alone = {"quorum": 1, "audit": CARDS_ALONE, "cards": CARDS_ALONE}
        spec = spec.model_copy(update={"ask": spec.ask.model_copy(update=alone)})
    settings = _settings(port)
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
    _compare(_settings(port), read, range(first, first + seeds), jury, report)


@app.command()
def serve(port: PortOption = None) -> None:
    """Run the bot until it is stopped; runs that were under way go on."""
    settings = _settings(port)
    chat, slack = serving.web_chat(settings), serving.slack_chat(settings)
    discord = serving.discord_chat(settings)
    platforms: dict[str, ChatPlatform] = {chat.name: chat}
    if slack is not None:
        platforms[slack.name] = slack
    if discord is not None:
        platforms[discord.name] = discord

    def announce() -> None:
        out.print(f"Joulery listens at {chat.url}; let people in with: joulery invite NAME")
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
    chat = serving.web_chat(_settings(port))
    out.print(chat.invite(name), soft_wrap=True, highlight=False)


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="as JSON, for scripts")] = False,
) -> None:
    """List the runs and where they stand."""
    from storage.store.store import Store

    store = Store.open(_settings(None).database)
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
    """Say what is measured on this host and what is guessed, whether Slack and Discord work, what would help."""
    sections = examining.examine(_settings(None), topic)
    if as_json:
        out.print_json(data={section.topic: section.data for section in sections})
        return
    for section in sections:
        table = Table(*section.heading, title=section.topic, title_justify="left", box=None)
        for row in section.rows:
            table.add_row(*row)
        out.print(table)
        for said in section.notes:
            out.print(f"• {said}", highlight=False)
        for said in section.advice:
            out.print(f"→ {said}", highlight=False, soft_wrap=True)


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
    text = export_energy(_settings(None), run, form)
    if output is None:
        out.print(text, end="", soft_wrap=True, highlight=False)
        return
    write_export(output, text)
    out.print(f"Energy: {output}")


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
        _write(report, "")  # rather now than after the work
    folder = folder or Path(f"bench-{name}")
    count = min(seeds, QUICK_SEEDS.get(name, 1)) if quick else seeds
    pool_seeds = tuple(range(first_seed, first_seed + count))
    with Progress(console=err, transient=True) as bar:
        task = bar.add_task(f"bench {name}", total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        if name == "resume":
            spec = parse_spec(_demo_spec(), where="the demo's spec")
            found = asyncio.run(resume.run(spec, quick=quick, progress=progress))
        elif name == "chat":
            spec = parse_spec(_demo_spec(), where="the demo's spec")
            venue = chatting.venue_of(platform)
            found = asyncio.run(chatting.run(spec, venue, quick=quick, progress=progress))
        elif name == "energy":
            found = asyncio.run(metered.run(quick=quick, progress=progress))
        elif name == "tasks":
            source = Path(data) if data else _bench_data("bench tasks")
            setting = Setting(source.resolve(), folder.resolve(), pool_seeds, quick)
            found = asyncio.run(tasks.run(setting, progress))
        else:
            suite = Suite(
                Larder(data or str(_bench_data())),
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
        _write_json(report, found.as_json())


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
    settings = _settings(port)
    if live is not None:
        export = _live(settings, studied(read_spec(live)))
    if export is not None:
        _show(answering.rows(exporting.export(settings, export, folder, without or ())))
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


def _show(heading_and_body: Sequence[Sequence[str]]) -> None:
    heading, *body = heading_and_body
    table = Table(*heading, box=None)
    for row in body:
        table.add_row(*row)
    out.print(table, "")


def _simulate(settings: Settings, grid: Grid, data: str | None, folder: Path) -> None:
    prices = Prices(settings.watts_per_core or WATTS_PER_CORE, settings.device_watts)
    with Progress(console=err, transient=True) as bar:
        task = bar.add_task("study", total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        larder = Larder(data or str(_bench_data("study")))
        found = asyncio.run(studying.study(grid, larder, folder, prices, progress))
    _show(by_task(found.lines))
    for said in verdicts(found.lines):
        out.print(f"• {said}", highlight=False)
    out.print(f"Tables, lines and pictures: {folder}")


def _bench_data(name: str = "bench learning") -> Path:
    """The folder of public data sets beside the checkout, where there is one."""
    for folder in (Path("../shared/data"), Path("shared/data")):
        if (folder / "banking77").is_dir():
            return folder.resolve()
    raise SpecError(
        f"{name} needs data: give --data FOLDER with banking77 and clinc150 in it, "
        "or --data csv:FILE with the columns text and label"
    )


def _compare(
    settings: Settings, spec: RunSpec, seeds: Any, jury: Jury, report: Path | None
) -> None:
    if jury != "people" and not _has_truth(spec):
        raise SpecError(
            f"simulated voters need a truth to vote by, and {spec.data.pool} has none; set "
            "data.truth or data.dirt in the spec, or use --jury people"
        )
    if report is not None:
        _write(report, "")  # rather now than after the work
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
                _write_json(report, outcome.report)
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


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    _write(path, json.dumps(data, indent=1, default=str))
    out.print(f"Report: {path}")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"cannot write the report {path}: {error.strerror}; name another file"
        ) from error


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


def _demo_spec() -> dict[str, Any]:
    import yaml

    path = Path(__file__).with_name("demo.yaml")
    spec: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return spec


def _settings(port: int | None) -> Settings:
    overrides: dict[str, Any] = {} if port is None else {"web_port": port}
    settings = read_settings(**overrides)
    logging.basicConfig(
        level=settings.log_level,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    return settings


def _first(error: BaseException, kinds: tuple[type[Exception], ...]) -> Exception | None:
    """The first error of these kinds, also inside a group of them."""
    if isinstance(error, kinds):
        return error
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            found = _first(inner, kinds)
            if found is not None:
                return found
    return None


def run() -> None:
    """Run the command line; every error becomes one sentence and an exit code."""
    try:
        app()
    except KeyboardInterrupt:
        err.print("Stopped.")
        sys.exit(FAILURE)
    except BaseException as error:  # the outermost frame: words for people, or up it goes
        if isinstance(error, SystemExit):
            raise
        kinds = (
            SpecError, SettingsError, ExportError, BudgetError, StoreError, ChatSetupError, ChatRefused,
            InputRefused,
        )  # fmt: skip
        bad_input = _first(error, kinds)
        if bad_input is not None:
            err.print(str(bad_input), style="red", highlight=False, markup=False)
            sys.exit(BAD_INPUT)
        failed = _first(error, (CompareError, BenchError))
        if failed is not None:
            err.print(str(failed), style="red", highlight=False, markup=False)
            sys.exit(FAILURE)
        raise
