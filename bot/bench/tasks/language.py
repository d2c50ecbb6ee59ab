"""Rows about prompts with answers: a causal language model, tuned on pools of which much is no good."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from bot.bench.segments import run_module
from bot.bench.tasks.groups import Row, Section
from bot.bench.tasks.language_summary import FLAGGED, STOCK, section
from bot.bench.tasks.prompts import Cell, Prompts, spec_of, trained
from trainer.launch import LocalLauncher

WHOLE = {"epochs": 3.0, "evaluations": 14}
QUICK = {"epochs": 2.0, "evaluations": 5}
TRAIN = {"batch_size": 16, "lora_lr": 8e-3, "warmup_steps": 3}
"""On a pool of no reported seed the control ends at 3.21 nats with 4e-3 (3 or 10 steps of warm-up), 3.18
with 8e-3 and 10 steps, 3.17 with 8e-3 and 3."""


class Language(Prompts):
    """A `bot.bench.tasks.groups.Group`."""

    name = "language"

    async def _train(self, cell: Cell, key: str, folder: Path, launcher: LocalLauncher) -> Row:
        pool, about = self._larder.pool(cell), self._larder.about()
        length = QUICK if self._larder.setting.is_quick else WHOLE
        if cell.arm == STOCK:
            return await _stock(cell, pool, about, length, folder)
        spec = spec_of(cell, "causal-lm", pool, about, TRAIN | length)
        return await trained(cell, key, spec, pool, folder, launcher)

    def _cells_of(self, seed: int, is_quick: bool) -> list[Cell]:
        return cells_of(seed, is_quick)

    def section(self, rows: Sequence[Row]) -> Section:
        """What the results come to."""
        return section(rows)


def cells_of(seed: int, is_quick: bool) -> list[Cell]:
    """All arms on all pools of a seed."""
    if is_quick:
        quick = [Cell("mix", seed, arm) for arm in (STOCK, "control", "no_votes", "oracle")]
        return [*quick, Cell("mix", seed, "human", 100)]
    plain = (STOCK, "control", "no_votes", "random", "oracle")
    found = [Cell("mix", seed, arm) for arm in plain]
    found += [Cell("mix", seed, "human", votes) for votes in (50, 100)]
    for recipe in FLAGGED:
        found += [Cell(recipe, seed, "control"), Cell(recipe, seed, "human", 100, 0.9)]
    found += [Cell("topics", seed, arm) for arm in ("control", "oracle")]
    found += [Cell("topics", seed, "human", times) for times in (1, 2, 3)]
    return found


async def _stock(
    cell: Cell, pool: Path, about: Mapping[str, object], length: Mapping[str, float], folder: Path
) -> Row:
    out = folder / "stock.json"
    task = {
        "folder": str(pool), "model": about["body"], "seed": cell.seed,
        "max_tokens": about["max_tokens"], **length, "out": str(out),
    }  # fmt: skip
    await run_module("trainer.bench.stock_language", task)
    found: Row = json.loads(await asyncio.to_thread(out.read_text, encoding="utf-8"))
    return {**found, "people_s": 0.0}
