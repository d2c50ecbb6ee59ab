"""Rows about what matters: votes against a planted shortcut, and votes by recorded reasons.

A cell trains one arm until it is asked, then twice to the end: as if nobody had answered, and with
the answers. So both have the same weights before, and differ in nothing but what people said.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bot.bench.learning.team import SECONDS_PER_VOTE
from bot.bench.segments import ArmInTraining, run_module
from bot.bench.tasks import said
from bot.bench.tasks.features_summary import MARKED, PEOPLE, PLANTED, PRAISED, section
from bot.bench.tasks.groups import Row, Section, Setting, not_there
from storage.models import FeatureView
from trainer.launch import LocalLauncher
from trainer.segment import Opinions, Questions, SegmentReport
from trainer.spec import RunSpec, parse_spec

ASKED_AT = 0.3
READERS = 3
"""One vote each on every word of the cards, by recorded reasons."""
MIDDLE = ("B2", "C2", "B3", "C3")
"""What people praise who say nothing of the patch in the corner: there the animals and things are."""
PICTURES = (
    "cifar10_train_n/cifar10_train_0_9999.parquet", "cifar10_test_h/cifar10_test.parquet",
)  # fmt: skip
NEEDS = {
    "word": ("tweet_spans/train.parquet",),
    "tweets": ("tweet_spans/train.parquet",),
    "cos_e": ("cos_e/cose.jsonl",),
    "patch": PICTURES,
    "middle": PICTURES,
}
POOLS = {"middle": "patch"}
"""Kinds with the pools of another."""
NOT_QUICK = ("cos_e", "middle")
"""Nothing learns the questions of CoS-E in a few epochs: what a model leans on there means nothing.
What praise does takes a model that is trained to its end."""
SAMPLES = {"word": 1500, "patch": 2000, "middle": 2000, "tweets": 1500, "cos_e": 1500}
"""Of a pool; two thirds of it where it is quick."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of data, one seed."""

    kind: str
    n: int
    seed: int

    @property
    def key(self) -> str:
        """Its name; equal cells give equal results."""
        return f"features-{self.kind}-{self.n}-{self.seed}"

    @property
    def pool(self) -> tuple[str, int, int]:
        """What its pool is cooked from."""
        return POOLS.get(self.kind, self.kind), self.n, self.seed


class Features:
    """A `bot.bench.tasks.groups.Group`."""

    name = "features"

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._lacking = {
            kind: why for kind, files in NEEDS.items() if (why := not_there(setting, *files))
        }
        left_out = (*self._lacking, *(NOT_QUICK if setting.is_quick else ()))
        kinds = [kind for kind in NEEDS if kind not in left_out]
        cells = [
            Cell(kind, SAMPLES[kind] * 2 // 3 if setting.is_quick else SAMPLES[kind], seed)
            for seed in setting.seeds
            for kind in kinds
        ]
        self._cells = {cell.key: cell for cell in cells}

    def missing(self) -> str | None:
        """Where the data of every kind is missing."""
        return None if self._cells else "; ".join(self._lacking.values())

    def names(self) -> list[str]:
        """Names of its cells."""
        return list(self._cells)

    async def prepare(self, keys: Sequence[str]) -> None:
        """Cook the pools of some cells."""
        cells = [self._cells[key] for key in keys]
        order = {
            "source": str(self._setting.source), "pools": list(dict.fromkeys(c.pool for c in cells)),
            "out": str(self._setting.pools),
        }  # fmt: skip
        await run_module("trainer.bench.plants", order)

    async def carry_out(self, key: str, launcher: LocalLauncher) -> Row:
        """Train a cell, and look at what came of it."""
        folder = self._setting.folder / "work" / key
        shutil.rmtree(folder, ignore_errors=True)
        try:
            return await _carried_out(self._cells[key], self._setting.pools, folder, launcher)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def section(self, rows: Sequence[Row]) -> Section:
        """What the results come to."""
        found = section(rows)
        why_not = dict.fromkeys(NOT_QUICK, "not in a quick round") if self._setting.is_quick else {}
        why_not |= self._lacking
        notes = tuple(f"{kind}: not measured, {why}." for kind, why in why_not.items())
        return Section(found.void, found.figures, found.tables, found.notes + notes)


async def _carried_out(cell: Cell, pools: Path, folder: Path, launcher: LocalLauncher) -> Row:
    pool = pools / "-".join(map(str, cell.pool))
    about = json.loads((pool / "about.json").read_text(encoding="utf-8"))
    asked = ArmInTraining(cell.key, "human", _spec(cell, pool, about), folder / "asked", launcher)
    asked.folder.mkdir(parents=True)
    before = await asked.segment(ASKED_AT, questions=Questions(cards=1, feature_cards=10))
    levels = _answers(cell, before.features, about, pool)
    opinions = said.opinions(levels)
    plain, voted = asked.branch(folder / "plain"), asked.branch(folder / "voted")
    costs = {}
    for name, arm, heard in (("plain", plain, ()), ("voted", voted, opinions)):
        report = await arm.segment(1.0, Opinions(features=heard))
        costs[name] = _step_cost(report)
    out = folder / "leaning.json"
    features: dict[str, list[str]] = defaultdict(list)
    for o in opinions:
        features[o.label].append(o.feature)
    await run_module("trainer.bench.leaning", {
        "plan": str(Path(asked.plans[-1].folder) / "plan.json"),
        "checkpoints": {
            "before": asked.checkpoint, "plain": plain.checkpoint, "voted": voted.checkpoint,
        },
        "tests": {t: f"{about['ending']}:{pool}/{t}.{about['ending']}" for t in about["tests"]},
        "features": features,
        "marked": str(pool / "plain.jsonl") if cell.kind in MARKED else None, "out": str(out),
    })  # fmt: skip
    looked = json.loads(await asyncio.to_thread(out.read_text, encoding="utf-8"))
    return {
        "kind": cell.kind, "seed": cell.seed, "n": cell.n, "votes": len(levels),
        "people_s": len(levels) * SECONDS_PER_VOTE, "step": costs, "looked": looked,
        "opinions": [o.model_dump() for o in opinions],
        "rank": said.rank_of(before.features, about["label"], about["feature"])
        if cell.kind in PLANTED else None,
        "forwards": {"plain": plain.forwards, "voted": voted.forwards},
        "cpu_s": {"plain": plain.cpu_s, "voted": voted.cpu_s},
    }  # fmt: skip


def _answers(
    cell: Cell, cards: Sequence[FeatureView], about: dict[str, Any], pool: Path
) -> list[said.Level]:
    if cell.kind in PLANTED:
        return said.against(cards, about["feature"], PEOPLE)
    if cell.kind in PRAISED:
        return said.praise(cards, MIDDLE, PEOPLE)
    marks = json.loads((pool / "marks.json").read_text(encoding="utf-8"))
    return said.by_marks(cards, marks, READERS, np.random.default_rng([cell.seed, 45]))


def _step_cost(report: SegmentReport) -> dict[str, float]:
    """CPU seconds of the training phase alone, and the samples it trained on."""
    train_s = sum(cost.cpu_s for cost in report.costs if cost.phase == "train")
    return {"train_s": train_s, "samples": float(report.samples_trained)}


def _spec(cell: Cell, pool: Path, about: dict[str, Any]) -> RunSpec:
    ending = about["ending"]
    images = about["ending"] == "parquet"
    return parse_spec(
        {
            "name": "bench", "model": about["body"] if images else "minilm",
            "task": "image-classification" if images else "text-classification",
            "data": {
                "pool": f"{ending}:{pool}/pool.{ending}", "dev": f"{ending}:{pool}/dev.{ending}",
                "test": f"{ending}:{pool}/plain.{ending}", "truth": "truth",
            },
            "lora": {"top_layers": "all"} if images else {},
            "train": {
                "epochs": 3.0, "evaluations": 6, "patience": 0, "threads": 1, "seed": cell.seed,
                "max_tokens": 64,
            },
        },
        where="the benchmark's spec",
    )  # fmt: skip
