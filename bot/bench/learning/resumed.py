"""Many cells, two at a time, taken up where they were left: each is a line of `cells.jsonl`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.bench.figures import BenchError
from bot.bench.learning import cells
from bot.bench.learning.cells import Cell
from trainer.launch import LocalLauncher

WORKERS = 2
EVALUATIONS = 12

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Larder:
    """What the pools are cooked from.

    Attributes:
        source: folder of banking77 and clinc150, or a table such as `csv:FILE`.
        text: name of the table's text column.
        label: name of its label column.
    """

    source: str
    text: str = "text"
    label: str = "label"


async def all_cells(
    todo: Sequence[Cell], larder: Larder, folder: Path, progress: Callable[[int, int], None]
) -> list[Row]:
    """The rows of some cells, in their order; what is not done yet is done now.

    Args:
        todo: the cells.
        larder: what their pools are made of; not looked at where all cells are done.
        folder: where rows and pools lie.
        progress: hears how many of how many are done.

    Raises:
        BenchError: the data cannot be read, or a cell cannot be trained.
    """
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    path = folder / "cells.jsonl"
    done = read_rows(path)
    missing = [cell for cell in todo if cell.key not in done]
    progress(len(todo) - len(missing), len(todo))
    if missing:
        launcher = LocalLauncher()
        await _cook(missing, larder, folder / "pools")
        await launcher.warm()

    async def work() -> None:
        while missing:
            cell = missing.pop(0)
            row = await cells.carry_out(
                cell, folder / "pools", folder / "work", launcher, EVALUATIONS
            )
            done[cell.key] = row
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            progress(sum(c.key in done for c in todo), len(todo))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(work())
    except* BenchError as err:
        raise err.exceptions[0] from None
    return [done[cell.key] for cell in todo]


async def _cook(missing: Sequence[Cell], larder: Larder, pools: Path) -> None:
    """Make the pools of these cells."""
    for n in sorted({cell.n for cell in missing}):
        mine = [cell for cell in missing if cell.n == n]
        order = {
            "source": larder.source, "text": larder.text, "label": larder.label, "n": n,
            "recipes": sorted({cell.recipe for cell in mine}),
            "seeds": sorted({cell.seed for cell in mine}), "out": str(pools),
        }  # fmt: skip
        await cells.run_module("trainer.bench.cook", order)


def read_rows(path: Path) -> dict[str, Row]:
    """The cells of an earlier, broken-off benchmark; a half-written last line is none."""
    found = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue
            found[row["cell"]] = row
    return found
