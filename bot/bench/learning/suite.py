"""`joulery bench learning`: all cells, two at a time, taken up where they were left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot import pictures
from bot.bench import crowds
from bot.bench.figures import BenchReport, Figure
from bot.bench.learning import summary
from bot.bench.learning.cells import Cell
from bot.bench.learning.resumed import Larder, all_cells
from bot.bench.learning.summary import Results
from trainer.files import write_whole

PLAIN = ("stock", "control", "no_votes", "random", "cleanlab", "infobatch", "rho", "frozen-lr",
         "oracle")  # fmt: skip
NOT_QUICK = ("random", "cleanlab", "infobatch", "rho")
SAID = (("good", 100, False), ("good", 100, True), ("good", 200, False), ("fair", 100, False),
        ("weak", 100, False), ("lazy", 100, False), ("mixed", 100, False))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Suite:
    """What is measured.

    Attributes:
        larder: what the pools are made of.
        seeds: of the pools.
        is_quick: two recipes, small pools, few arms.
    """

    larder: Larder
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    is_quick: bool = False

    @property
    def n(self) -> int:
        """Samples of a pool."""
        return 1500 if self.is_quick else 3000

    @property
    def recipes(self) -> tuple[str, ...]:
        """Kinds of dirt."""
        return ("mix", "clean") if self.is_quick else ("mix", "sys", "clean", "mild", "rand")

    def cells(self) -> list[Cell]:
        """All cells, the most telling first."""
        found = []
        for seed in self.seeds:
            for recipe in self.recipes:
                found += list(self._cells_of(recipe, seed))
        return found

    def _cells_of(self, recipe: str, seed: int) -> Iterable[Cell]:
        is_dirty = recipe in ("mix", "sys")
        plain: tuple[str, ...] = PLAIN if is_dirty else ("stock", "control", "no_votes")
        said = SAID if is_dirty else SAID[:1]
        if self.is_quick:
            plain = tuple(arm for arm in plain if arm not in NOT_QUICK)
            said = SAID[:1]
        for arm in plain:
            yield Cell(recipe, seed, self.n, arm)
        for team, votes, words in said:
            yield Cell(recipe, seed, self.n, "human", team, votes, words)
        if not self.is_quick and recipe in ("clean", "mix"):
            for arm in ("control", "human"):
                team = "good" if arm == "human" else ""
                yield Cell(recipe, seed, self.n, arm, team, 100 if team else 0, epochs=1.0)


async def run(suite: Suite, folder: Path, progress: Callable[[int, int], None]) -> BenchReport:
    """Carry out what is not done yet; rows, table and pictures lie in `folder`.

    Raises:
        BenchError: the data cannot be read, or a cell cannot be trained.
    """
    rows = await all_cells(suite.cells(), suite.larder, folder, progress)
    results = Results(rows)
    found = summary.figures(results)
    found += _crowds(Path(suite.larder.source) / "crowd_votes")
    await asyncio.to_thread(write_whole, folder / "report.md", summary.markdown(results, found))
    for recipe in results.recipes:
        await pictures.draw(_chart(results, recipe), folder / f"{recipe}.png")
    return BenchReport(
        setting={
            "source": suite.larder.source, "n": suite.n, "seeds": list(suite.seeds),
            "recipes": list(suite.recipes), "valid": summary.gates(results) or True,
            "value": "quality-at-equal-energy", "later_runs": 0, "folder": str(folder),
        },
        figures=found,
    )  # fmt: skip


def _crowds(folder: Path) -> tuple[Figure, ...]:
    """Aggregation of real votes, where they are at hand."""
    return crowds.figures(folder) if folder.is_dir() else ()


def _chart(results: Results, recipe: str) -> dict[str, Any]:
    """Accuracy over CPU seconds: every arm's mean, and its seeds faint behind it."""
    lines = []
    for arm in results.arms(recipe):
        rows = list(results.of(recipe, arm).values())
        if arm == "frozen-lr" or (arm.startswith("human") and arm != summary.HUMAN):
            continue
        colour = pictures.COLOURS.get(rows[0]["arm"], _COLOURS.get(arm, "#5b6abf"))
        style = {"colour": colour, "is_dashed": rows[0]["arm"] != "human", "name": arm}
        curves = [[(p["cpu_s"], 100 * p["metric"]) for p in row["curve"]] for row in rows]
        if len(curves) > 1:
            lines += [
                {**style, "is_faint": True, "x": [x for x, _ in c], "y": [y for _, y in c]}
                for c in curves
            ]
        columns = [list(zip(*points, strict=True)) for points in zip(*curves, strict=False)]
        lines.append({
            **style, "is_faint": False,
            "x": [sum(x) / len(x) for x, _ in columns], "y": [sum(y) / len(y) for _, y in columns],
        })  # fmt: skip
    title = f"{recipe}: accuracy over machine time ({len(rows)} seeds)"
    return {"title": title, "lines": lines, "target": None, "x_label": "CPU seconds so far"}


_COLOURS = {"stock": "#1f2328", "oracle": "#b8473d", "random": "#c9b458", "cleanlab": "#7a5195",
            "infobatch": "#2a9d8f", "rho": "#e07a5f"}  # fmt: skip
