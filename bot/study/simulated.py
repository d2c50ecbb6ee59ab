"""`joulery study`: carries out the grid, reads recorded votes, writes table, lines and pictures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot import pictures
from bot.bench.figures import BenchError
from bot.bench.learning.resumed import Larder, Row, all_cells
from bot.study import charts
from bot.study.plan import Grid
from bot.study.recorded import Precision, by_data_set, recorded
from bot.study.summary import (
    Line,
    Prices,
    by_setting,
    by_task,
    lines,
    outcomes,
    table,
    verdicts,
)
from trainer.files import write_whole

REPORT, LINES = "study.md", "study.jsonl"


@dataclass(frozen=True, slots=True)
class Findings:
    """What a study found."""

    lines: Sequence[Line]
    precision: Sequence[Precision]


async def study(
    grid: Grid, larder: Larder, folder: Path, prices: Prices, progress: Callable[[int, int], None]
) -> Findings:
    """Carry out what is not done yet; table, lines and pictures lie in `folder`.

    Raises:
        BenchError: data cannot be read, or a cell cannot be trained.
    """
    votes = await asyncio.to_thread(_recorded, Path(larder.source), grid)
    rows = await all_cells(grid.cells(), larder, folder, progress)
    found = Findings(lines(outcomes(rows, prices), prices), votes)
    await asyncio.to_thread(_write, found, grid, prices, folder)
    await _draw(rows, found, prices, folder)
    return found


def _recorded(folder: Path, grid: Grid) -> list[Precision]:
    try:
        return recorded(folder, is_quick=grid.is_quick)
    except OSError as err:
        raise BenchError(
            f"recorded votes cannot be read: {err}; put the data set back, or take its folder away"
        ) from err


def _write(found: Findings, grid: Grid, prices: Prices, folder: Path) -> None:
    write_whole(folder / REPORT, markdown(found, grid, prices))
    said = [one.as_json() for one in found.lines] + [one.as_json() for one in found.precision]
    write_whole(folder / LINES, "\n".join(map(json.dumps, said)) + "\n")


def markdown(found: Findings, grid: Grid, prices: Prices) -> str:
    """The whole study as Markdown: verdicts, one row per task, all settings, recorded votes."""
    seeds = ", ".join(map(str, grid.seeds))
    parts = [
        "# What votes save, and what they cost",
        f"Pools of {grid.n} samples, seeds {seeds}. Every joule is an estimate: CPU seconds x "
        f"{prices.watts_per_core:g} W per core, loading and evaluations left out; voters' devices "
        f"{prices.device_w:g} W. Voters are simulated. *Saved* is what the control needed for the "
        "accuracy it ends with, less what this arm needed for the same; negative = more was "
        "needed, *never* = it was not reached, (2/3) = in two pools of three. *Before "
        "asking* = it was reached before the first ballot, so votes did not do it. What an arm "
        "spends in all includes making sure that nothing gets better any more. On a busy machine "
        "CPU seconds for the same work differ by a third and more: a few joules more or less say "
        "nothing. Forwards do not differ, but the models of the votes are not among them.",
        "\n".join(f"* {said}" for said in verdicts(found.lines)),
        "## One row per task",
        table(by_task(found.lines)),
        "## All settings",
        table(by_setting(found.lines)),
        "## Recorded votes, no training",
    ]
    if found.precision:
        parts += [
            "Right items in %, ours / majority, by people per item. Crowds: a tenth of the items "
            "is gold and not judged; their seconds were not recorded.",
            table(by_data_set(found.precision)),
        ]
    else:
        parts.append("None at hand: cifar10_train_n and crowd_votes are looked for in --data.")
    return "\n\n".join(parts) + "\n"


async def _draw(rows: Sequence[Row], found: Findings, prices: Prices, folder: Path) -> None:
    wanted = {}
    for task in dict.fromkeys(line.task for line in found.lines):
        wanted[f"{task}-saved"] = charts.over_labour(found.lines, task, "saved")
        wanted[f"{task}-accuracy"] = charts.over_labour(found.lines, task, "accuracy")
        wanted[f"{task}-when"] = charts.when_asked(rows, task, prices)
    wanted["recorded"] = charts.precision(found.precision)
    await pictures.draw_all({folder / f"{k}.png": v for k, v in wanted.items() if v["lines"]})
