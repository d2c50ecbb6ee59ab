"""Many cells, two at a time, taken up where they were left: each is a line of `cells.jsonl`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.bench.figures import BenchError
from bot.bench.learning import cells
from bot.bench.learning.cells import Cell
from bot.bench.segments import run_module
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
    by_key = {cell.key: cell for cell in todo}
    launcher = LocalLauncher()

    async def prepare(missing: Sequence[str]) -> None:
        await _cook([by_key[key] for key in missing], larder, folder / "pools")
        await launcher.warm()

    async def work(key: str) -> Row:
        pools, own = folder / "pools", folder / "work"
        return await cells.carry_out(by_key[key], pools, own, launcher, EVALUATIONS)

    return await all_rows([cell.key for cell in todo], prepare, work, folder, progress)


async def all_rows(
    keys: Sequence[str],
    prepare: Callable[[Sequence[str]], Awaitable[None]],
    work: Callable[[str], Awaitable[Row]],
    folder: Path,
    progress: Callable[[int, int], None],
) -> list[Row]:
    """The rows of some cells by their names, in their order; what is not done yet is done now.

    Args:
        keys: names of cells.
        prepare: makes what the missing ones need, once.
        work: carries one out.
        folder: where `cells.jsonl` lies.
        progress: hears how many of how many are done.

    Raises:
        BenchError: what `prepare` or `work` raised first.
    """
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    path = folder / "cells.jsonl"
    done = await asyncio.to_thread(read_rows, path)
    missing = [key for key in keys if key not in done]
    progress(len(keys) - len(missing), len(keys))
    if missing:
        await prepare(missing)

    async def go_on() -> None:
        while missing:
            key = missing.pop(0)
            done[key] = await work(key)
            await asyncio.to_thread(_append, path, done[key])
            progress(sum(key in done for key in keys), len(keys))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(go_on())
    except* BenchError as err:
        raise err.exceptions[0] from None
    return [done[key] for key in keys]


def _append(path: Path, row: Row) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


async def _cook(missing: Sequence[Cell], larder: Larder, pools: Path) -> None:
    """Make the pools of these cells."""
    for n in sorted({cell.n for cell in missing}):
        mine = [cell for cell in missing if cell.n == n]
        order = {
            "source": larder.source, "text": larder.text, "label": larder.label, "n": n,
            "recipes": sorted({cell.recipe for cell in mine}),
            "seeds": sorted({cell.seed for cell in mine}), "out": str(pools),
        }  # fmt: skip
        await run_module("trainer.bench.cook", order)


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
