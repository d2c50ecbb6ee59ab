"""Rows about pairs of answers: preference tuning where a third of the pairs are filed the wrong way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from bot.bench.figures import Figure
from bot.bench.learning.summary import final
from bot.bench.tasks.crossings import Cells, left_at, mean_of_all, reached, span
from bot.bench.tasks.groups import Row, Section, Table
from bot.bench.tasks.language_summary import verdict
from bot.bench.tasks.prompts import Cell, Prompts, spec_of, trained
from trainer.launch import LocalLauncher

SYSTEMATIC, RANDOM = "pairs-sys", "pairs-rand"
TRAIN = {"batch_size": 8, "epochs": 2.0, "lora_lr": 1e-3, "beta": 0.1}
WHOLE, QUICK = {"evaluations": 10}, {"evaluations": 6}
AUTOMATIC = ("no_votes", "autorel", "rdpo")
"""Arms that ask nobody and do something about the labels."""
HUMAN = "human:100"
BELOW = 0.02
"""How far below the oracle counts as there."""


class Pairs(Prompts):
    """A `bot.bench.tasks.groups.Group`."""

    name = "pairs"

    async def _train(self, cell: Cell, key: str, folder: Path, launcher: LocalLauncher) -> Row:
        pool = self._larder.pool(cell)
        length = QUICK if self._larder.setting.is_quick else WHOLE
        spec = spec_of(cell, "preference", pool, self._larder.about(), TRAIN | length)
        return await trained(cell, key, spec, pool, folder, launcher)

    def _cells_of(self, seed: int, is_quick: bool) -> list[Cell]:
        return cells_of(seed, is_quick)

    def section(self, rows: Sequence[Row]) -> Section:
        """What the results come to."""
        return section(rows)


def cells_of(seed: int, is_quick: bool) -> list[Cell]:
    """All arms on all pools of a seed."""
    if is_quick:
        quick = [Cell(SYSTEMATIC, seed, arm) for arm in ("control", "autorel")]
        return [*quick, Cell(SYSTEMATIC, seed, "human", 100)]
    plain = ("control", *AUTOMATIC, "oracle")
    return [
        cell
        for recipe in (SYSTEMATIC, RANDOM)
        for cell in (
            *(Cell(recipe, seed, arm) for arm in plain),
            Cell(recipe, seed, "human", 100),
        )
    ]


# --- what the rows come to ----------------------------------------------------------------------


def section(rows: Sequence[Row]) -> Section:
    """Figures, and tables with every seed. Pure."""
    cells = Cells(rows)
    recipes = [recipe for recipe in (SYSTEMATIC, RANDOM) if cells.arms(recipe)]
    return Section(
        void=tuple(gates(cells)),
        figures=tuple(figures(cells)),
        tables=tuple(table(cells, recipe) for recipe in recipes),
        notes=tuple(
            f"{recipe}: {verdict(gained, 1)}, in points."
            for recipe in recipes
            if (gained := points(cells, recipe, (*AUTOMATIC, "control")))
        ),
    )


def gates(cells: Cells) -> list[str]:
    """What makes the rows prove nothing. Pure."""
    oracle, control = cells.of(SYSTEMATIC, "oracle"), cells.of(SYSTEMATIC, "control")
    ahead = [100 * (final(row) - final(control[s])) for s, row in oracle.items() if s in control]
    if not ahead or mean(ahead) > 0:
        return []
    return [f"{SYSTEMATIC}: the right pairs alone win {mean(ahead):+.1f} points over all of them"]


def points(cells: Cells, recipe: str, rivals: Sequence[str], arm: str = HUMAN) -> list[float]:
    """Points of an arm over the best of its rivals, seed by seed, at the control's cost. Pure.

    The cost is in forwards, with all that read the pool; what costs more is cut off there. Everybody
    leaves what its dev set liked best.
    """
    found = []
    for seed, row in cells.of(recipe, arm).items():
        control = cells.of(recipe, "control").get(seed)
        if control is None:
            continue
        cost = control["forwards"]
        others = [
            left_at(cells.of(recipe, rival)[seed], cost, "forwards")
            for rival in rivals
            if seed in cells.of(recipe, rival)
        ]
        if others:
            found.append(100 * (left_at(row, cost, "forwards") - max(others)))
    return found


def cost_to_accuracy(row: Row, target: float, unit: str) -> float | None:
    """What it cost until the accuracy was as high first; None = never. Pure."""
    return next((p[unit] for p in row["curve"] if p["metric"] >= target), None)


def shares(
    cells: Cells, recipe: str, target_of: str, less: float, unit: str = "forwards"
) -> list[float | None]:
    """By seed: cost of 100 votes' arm to another arm's accuracy, over all of the control's. Pure."""
    found: list[float | None] = []
    for seed, row in cells.of(recipe, HUMAN).items():
        aim, control = cells.of(recipe, target_of).get(seed), cells.of(recipe, "control").get(seed)
        if aim is not None and control is not None:
            spent = cost_to_accuracy(row, final(aim) - less, unit)
            found.append(None if spent is None else spent / control[unit])
    return found


def figures(cells: Cells) -> list[Figure]:
    """The rows of the table of wants. Pure."""
    found = []
    if cells.of(SYSTEMATIC, HUMAN):
        over = points(cells, SYSTEMATIC, ["control"])
        best = points(cells, SYSTEMATIC, AUTOMATIC)
        there = shares(cells, SYSTEMATIC, "oracle", BELOW, "tokens")
        found += [
            Figure(f"sys, 100 votes: accuracy over control at its cost (dream +30), {span(over, 1)}",
                   mean(over) if over else None, "points", ">= 20"),
            Figure(f"sys, 100 votes: over the best automatic arm, {span(best, 1)}",
                   mean(best) if best else None, "points", ">= 15"),
            Figure(f"sys, 100 votes: to the oracle - 2, tokens trained on ({reached(there)})",
                   mean_of_all(there), "of control's", "<= 0.25"),
        ]  # fmt: skip
    for recipe, name in ((SYSTEMATIC, "sys"), (RANDOM, "rand")):
        right = [row["right"] for row in cells.of(recipe, HUMAN).values()]
        if right:
            found.append(
                Figure(f"{name}: labels that are right after 100 votes (dream .97), {span(right)}",
                       mean(right), "of what is kept", ">= 0.92")
            )  # fmt: skip
    if cells.of(RANDOM, HUMAN):
        there = shares(cells, RANDOM, "control", 0.0)
        found.append(
            Figure(f"rand, 100 votes: to the control's accuracy, all forwards, worst seed "
                   f"({reached(there)})",
                   None if None in there else max((t for t in there if t is not None), default=None),
                   "of control's", "<= 1.00")
        )  # fmt: skip
    return found


def table(cells: Cells, recipe: str) -> Table:
    """A row per arm and seed. Pure."""
    rows: Table = [(
        recipe, "seed", "people s", "tokens", "forwards", "CPU-s", "accuracy at the control's cost",
        "what it leaves", "at the end", "labels right", "kept", "AUC, not asked about", "said",
    )]  # fmt: skip
    for arm in cells.arms(recipe):
        for seed, row in cells.of(recipe, arm).items():
            control = cells.of(recipe, "control").get(seed)
            equal = left_at(row, control["forwards"], "forwards") if control else None
            auc = row.get("auc")
            rows.append((
                arm, str(seed), f"{row['people_s']:.0f}", str(row["tokens"]),
                f"{row['forwards']:.0f}", f"{row['cpu_s']:.1f}",
                "-" if equal is None else f"{100 * equal:.1f}", f"{100 * final(row):.1f}",
                f"{100 * row['curve'][-1]['metric']:.1f}", f"{row['right']:.3f}", str(row["kept"]),
                "-" if auc is None else f"{auc:.3f}",
                row.get("note") or row.get("decision") or "-",
            ))  # fmt: skip
    return rows
