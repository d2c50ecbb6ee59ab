"""Rows about images: CIFAR-10N, dirty by recipe, with what other people really said as votes."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from bot.bench.asking import AUDIT_VOTES, Ballots, ask
from bot.bench.figures import Figure
from bot.bench.learning.cells import quality_of
from bot.bench.learning.summary import GATE_POINTS, Results, final, interval
from bot.bench.learning.team import SECONDS_PER_VOTE
from bot.bench.segments import ArmInTraining, run_module
from bot.bench.tasks.groups import Row, Section, Setting, Table, not_there
from bot.bench.tasks.recorded import RecordedJury
from bot.thumbs import GO_ABOVE
from trainer.launch import LocalLauncher
from trainer.segment import Opinions
from trainer.spec import RunSpec, parse_spec

FILES = ("cifar10_train_n/cifar10_train_0_9999.parquet", "cifar10_test_h/cifar10_test.parquet")
RECIPES = ("sys", "enr", "h1")
ARMS = ("control", "oracle", "frozen-lr", "cleanlab", "human")
QUICK_ARMS = {
    "sys": ("control", "oracle", "frozen-lr", "human"),
    "enr": ("control", "oracle", "human"),
    "h1": ("control", "human"),
}
"""What the rows of a recipe need, gates included."""
VOTES = 200
ROUNDS = 3
"""Ballots after the audit; before the first step they cost next to nothing."""
EVALUATIONS = 8
EPOCHS = 3.0
PATIENCE = 3
"""Of the arm with votes. The others train all of three epochs: ended where a small dev set is flat
for a while, the control would be a weaker rival."""
PLUS = 0.05
"""What is asked for beyond the control's final accuracy."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One arm on one pool."""

    recipe: str
    n: int
    seed: int
    arm: str

    @property
    def pool(self) -> str:
        """Name of its pool."""
        return f"{self.recipe}-{self.n}-{self.seed}"

    @property
    def key(self) -> str:
        """Its name; equal cells give equal results."""
        return f"images-{self.pool}-{self.arm}"


class Images:
    """A `bot.bench.tasks.groups.Group`."""

    name = "images"

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        n = 2000 if setting.is_quick else 3000
        cells = [
            Cell(recipe, n, seed, arm)
            for seed in setting.seeds
            for recipe in RECIPES
            for arm in (QUICK_ARMS[recipe] if setting.is_quick else ARMS)
        ]
        self._cells = {cell.key: cell for cell in cells}

    def missing(self) -> str | None:
        """Where there are no images."""
        return not_there(self._setting, *FILES)

    def names(self) -> list[str]:
        """Names of its cells."""
        return list(self._cells)

    async def prepare(self, keys: Sequence[str]) -> None:
        """Train the body, unless it is cached, and cook the pools."""
        pools = dict.fromkeys((c.recipe, c.n, c.seed) for c in map(self._cells.__getitem__, keys))
        order = {
            "source": str(self._setting.source), "pools": list(pools),
            "out": str(self._setting.pools),
        }  # fmt: skip
        await run_module("trainer.bench.image_pools", order)

    async def carry_out(self, key: str, launcher: LocalLauncher) -> Row:
        """Train a cell."""
        cell, pools = self._cells[key], self._setting.pools
        folder = self._setting.folder / "work" / key
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        body = json.loads((pools / "body.json").read_text(encoding="utf-8"))["body"]
        try:
            found = await _Run(cell, pools / cell.pool, body, folder, launcher).carry_out()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        named = {"arm": cell.arm, "team": "recorded", "votes": VOTES, "words": False}
        about = {"recipe": cell.recipe, "seed": cell.seed, "n": cell.n, "body": body}
        return {**about, "epochs": EPOCHS, **named, **found}

    def section(self, rows: Sequence[Row]) -> Section:
        """What the results come to."""
        return section(rows)


class _Run:
    """One cell at work."""

    def __init__(
        self, cell: Cell, pool: Path, body: str, folder: Path, launcher: LocalLauncher
    ) -> None:
        self._cell, self._pool, self._body, self._folder = cell, pool, body, folder
        self._launcher = launcher

    async def carry_out(self) -> Row:
        cell = self._cell
        if cell.arm == "frozen-lr":
            return await self._rival("frozen-lr", ())
        spec = spec_of(cell, self._pool, self._body)
        arm = ArmInTraining(cell.key, cell.arm, spec, self._folder / "arm", self._launcher)
        if cell.arm != "human":
            await arm.segment(1.0)
            return {**arm.found(), "people_s": 0.0}
        rows = await asyncio.to_thread(_pool_rows, self._pool)
        said = json.loads((self._pool / "said.json").read_text(encoding="utf-8"))
        jury = RecordedJury(
            {f"pool-{i}": labels for i, labels in said.items()},
            {i: given for i, (given, _) in rows.items()},
            sorted({given for given, _ in rows.values()}),
            np.random.default_rng([cell.seed, 51]),
        )
        is_worth_it, _ = await ask(arm, jury, ballots, GO_ABOVE)
        opinions = jury.told() if is_worth_it else Opinions()
        if not is_worth_it:
            arm.goes_to_its_end()
        report = await arm.segment(1.0, opinions)
        found: Row = {
            **arm.found(), "people_s": jury.votes * SECONDS_PER_VOTE, "answers": jury.votes,
            "decision": "go" if is_worth_it else "no-go", "alpha": jury.consensus().alpha,
        }  # fmt: skip
        if report.selection is not None:
            found |= {"kept": report.selection.kept, "note": report.selection.note}
        truth = {i: right for i, (_, right) in rows.items()}
        given = {i: label for i, (label, _) in rows.items()}
        found |= quality_of(arm.folder / "selection.json", truth, given, jury.asked)
        answers = tuple((i.removeprefix("pool-"), label) for i, label in jury.right_answers())
        alone = await self._rival("answers-only", answers)
        return {**found, "answers_only": alone["curve"][-1]["metric"]}

    async def _rival(self, arm: str, answers: tuple[tuple[str, str], ...]) -> Row:
        out = self._folder / "rival.json"
        task = {
            "arm": arm, "folder": str(self._pool), "body": self._body, "answers": answers,
            "out": str(out),
        }  # fmt: skip
        await run_module("trainer.bench.image_rival", task)
        found: Row = json.loads(await asyncio.to_thread(out.read_text, encoding="utf-8"))
        return found


def ballots(audits: int) -> Ballots:
    """All before the first step: audits, then what tells most."""
    asked = audits * AUDIT_VOTES
    later = [asked + round((VOTES - asked) * k / ROUNDS) for k in range(1, ROUNDS + 1)]
    return [(0.0, n) for n in (*[AUDIT_VOTES * k for k in range(1, audits + 1)], *later)]


def _pool_rows(pool: Path) -> dict[str, tuple[str, str]]:
    """Sample -> (label, truth)."""
    import pyarrow.parquet as pq  # heavy, and nothing the bot itself needs

    table = pq.read_table(pool / "pool.parquet", columns=["id", "label", "truth"])
    return {f"pool-{row['id']}": (row["label"], row["truth"]) for row in table.to_pylist()}


def spec_of(cell: Cell, pool: Path, body: str) -> RunSpec:
    """How an arm trains; the same for all recipes."""
    return parse_spec(
        {
            "name": "bench", "model": body, "task": "image-classification",
            "data": {
                "pool": f"parquet:{pool}/pool.parquet", "dev": f"parquet:{pool}/dev.parquet",
                "test": f"parquet:{pool}/test.parquet", "truth": "truth", "id": "id",
            },
            "lora": {"top_layers": "all"},
            "train": {
                "epochs": EPOCHS, "evaluations": EVALUATIONS, "threads": 1, "seed": cell.seed,
                "patience": PATIENCE if cell.arm == "human" else 0,
            },
        },
        where="the benchmark's spec",
    )  # fmt: skip


# --- what the rows come to ----------------------------------------------------------------------

HUMAN = f"human:recorded:{VOTES}"


def section(rows: Sequence[Row]) -> Section:
    """Gates, figures and a table with every seed. Pure."""
    results = Results(rows)
    return Section(
        void=tuple(gates(results)),
        figures=tuple(figures(results)),
        tables=(table(results),),
        notes=(*_notes(results), *_where_bodies_lie(rows)),
    )


def gates(results: Results) -> list[str]:
    """What makes the rows prove nothing; none where they are valid or it cannot be told. Pure."""
    failed = []
    for name, values, why in gate_points(results):
        if values and mean(values) < GATE_POINTS:
            failed.append(f"{name} {mean(values):+.1f} points (wanted {GATE_POINTS:g}): {why}")
    return failed


def gate_points(results: Results) -> list[tuple[str, list[float], str]]:
    """(name, points by seed, what a failure means) of both gates, on `sys`. Pure.

    G0: fine-tuning on what is right against logistic regression on the same, frozen.
    G1: the arm with votes against logistic regression on its own answers.
    """
    oracle, frozen = results.of("sys", "oracle"), results.of("sys", "frozen-lr")
    tuned = [
        100 * (final(row) - frozen[s]["on_right_rows"]) for s, row in oracle.items() if s in frozen
    ]
    human = results.of("sys", HUMAN).values()
    alone = [100 * (final(row) - row["answers_only"]) for row in human]
    return [
        ("G0 sys: fine-tuning over frozen features, both on what is right,", tuned,
         "this measures cleaning"),
        ("G1 sys: votes and pool over the answers alone,", alone, "the pool adds nothing"),
    ]  # fmt: skip


def figures(results: Results) -> list[Figure]:
    """The rows of the table of wants. Pure."""
    found = [
        Figure(f"{name} {interval(values)}", mean(values) if values else None, "points",
               f">= {GATE_POINTS:g}")
        for name, values, _ in gate_points(results)
    ]  # fmt: skip
    gain = results.gains("sys", HUMAN, ["control"])
    found.append(
        Figure(f"sys: {VOTES} answers over control, {interval(gain)}",
               mean(gain) if gain else None, "points", ">= 8")
    )  # fmt: skip
    cost = results.ratios(
        "sys", HUMAN, "forwards", target_of="control", cost_of="control", plus=PLUS
    )
    reached = [c for c in cost if c is not None]
    found.append(
        Figure(f"sys: forwards to control + {100 * PLUS:g}, scoring in, worst seed "
               f"({len(reached)} of {len(cost)} seeds)",
               max(reached) if cost and len(reached) == len(cost) else None, "of control's",
               "<= 0.25")
    )  # fmt: skip
    for recipe in ("enr", "h1"):
        gain = results.gains(recipe, HUMAN, ["control"])
        spent = whole_costs(results, recipe)
        found += [
            Figure(f"{recipe}: {VOTES} answers over control, {interval(gain)}",
                   mean(gain) if gain else None, "points", ">= -1"),
            Figure(f"{recipe}: all forwards, worst seed", max(spent, default=None),
                   "of control's", "<= 1.02"),
        ]  # fmt: skip
    return found


def whole_costs(results: Results, recipe: str) -> list[float]:
    """Forwards of the whole arm with votes over those of the control, by seed. Pure."""
    control = results.of(recipe, "control")
    return [
        row["forwards"] / control[seed]["forwards"]
        for seed, row in results.of(recipe, HUMAN).items()
        if seed in control
    ]


def _notes(results: Results) -> list[str]:
    """Where there was nothing to gain: what a perfect filter wins."""
    found = []
    for recipe in results.recipes:
        oracle = results.gains(recipe, "oracle", ["control"])
        if oracle and mean(oracle) < GATE_POINTS:
            found.append(
                f"{recipe}: nothing to gain here: a perfect filter wins {mean(oracle):+.1f} points "
                "over the whole pool."
            )
        decided = [row["decision"] for row in results.of(recipe, HUMAN).values()]
        if decided:
            stopped = decided.count("no-go")
            found.append(
                f"{recipe}: the audit of {AUDIT_VOTES} answers advised against more in {stopped} of "
                f"{len(decided)} seeds."
            )
    return found


def _where_bodies_lie(rows: Sequence[Row]) -> list[str]:
    return [
        f"the model that is fine-tuned was trained once and is kept in {body}"
        for body in dict.fromkeys(row["body"] for row in rows if "body" in row)
    ]


def table(results: Results) -> Table:
    """A row per recipe, seed and arm. Pure."""
    rows: Table = [(
        "recipe", "seed", "arm", "people s", "trained", "forwards", "CPU-s", "accuracy",
        "against control", "AUC, not asked about", "kept", "audit",
    )]  # fmt: skip
    for recipe in results.recipes:
        for arm in results.arms(recipe):
            for seed, row in results.of(recipe, arm).items():
                control = results.of(recipe, "control").get(seed)
                against = "-" if control is None else f"{100 * (final(row) - final(control)):+.1f}"
                rows.append((
                    recipe, str(seed), arm, f"{row['people_s']:.0f}", str(row["samples"]),
                    f"{row['forwards']:.0f}", f"{row['cpu_s']:.1f}", _accuracies(row), against,
                    _number(row.get("auc")), str(row.get("kept", "-")), row.get("decision", "-"),
                ))  # fmt: skip
    return rows


def _accuracies(row: Mapping[str, Any]) -> str:
    said = f"{100 * final(row):.1f}"
    if "on_right_rows" in row:
        return f"{said} (right rows {100 * row['on_right_rows']:.1f})"
    if "answers_only" in row:
        return f"{said} (answers alone {100 * row['answers_only']:.1f})"
    return said


def _number(value: Any) -> str:
    return "-" if value is None else f"{value:.3f}"
