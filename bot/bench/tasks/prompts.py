"""What rows about prompts with answers and rows about pairs have in common: cells, and their arms."""

from __future__ import annotations

import asyncio
import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bot.bench.asking import ask
from bot.bench.learning.cells import AT_FIRST, ballots
from bot.bench.learning.team import team_of
from bot.bench.segments import ArmInTraining, run_module
from bot.bench.tasks.crew import Crew, levels_of_topics
from bot.bench.tasks.groups import Row, Setting, not_there
from bot.dirt import Dirt
from bot.thumbs import THUMBS
from trainer.kinds import ANSWER, KINDS
from trainer.launch import LocalLauncher
from trainer.segment import Opinions, Questions, SegmentReport
from trainer.spec import RunSpec, parse_spec

FILES = (
    "gsm8k_solutions/train_2000.jsonl", "gsm8k_solutions/model_solutions.jsonl",
    "alpaca_9k/alpaca_random9k.jsonl", "alpaca_9k/alpaca_claude45.jsonl",
    "dolly_3k/dolly_3k.jsonl",
)  # fmt: skip
TOPICS = "topics"
"""The recipe whose people say which topics matter."""
PATIENCE = 4
SELECTIVE = ("human", "no_votes")
"""Arms that let more in, or end, where their dev set is flat. The others train to their end: stopped
early, a control would be a weaker rival."""
MOST_CARDS = 10_000
"""More than any pool has samples."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One arm on one pool.

    Attributes:
        recipe: of the pool.
        seed: of all draws.
        arm: which.
        votes: of arms with people: in all, or where they speak of topics, for each topic.
        accuracy: of each of them.
    """

    recipe: str
    seed: int
    arm: str
    votes: int = 0
    accuracy: float = 0.85

    def key(self, group: str) -> str:
        """Its name; equal cells give equal results."""
        said = f"-{self.votes}x{self.accuracy:g}" if self.votes else ""
        return f"{group}-{self.recipe}-{self.seed}-{self.arm}{said}"


@dataclass(frozen=True, slots=True)
class Larder:
    """Where pools and the model to be tuned lie.

    Attributes:
        setting: of the benchmark.
    """

    setting: Setting

    def missing(self) -> str | None:
        """What of the data is not there."""
        return not_there(self.setting, *FILES)

    async def cook(self, cells: Iterable[Cell]) -> None:
        """Make the pools of some cells; the model is trained once, for some ten minutes."""
        pools = dict.fromkeys((cell.recipe, cell.seed) for cell in cells)
        order = {
            "source": str(self.setting.source), "pools": list(pools),
            "out": str(self.setting.pools),
        }  # fmt: skip
        await run_module("trainer.bench.language_cook", order)

    def pool(self, cell: Cell) -> Path:
        """The folder of a cell's rows."""
        return self.setting.pools / f"language-{cell.recipe}-{cell.seed}"

    def about(self) -> dict[str, Any]:
        """`body`, the folder of the model, and `max_tokens`."""
        path = self.setting.pools / "language.json"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found


class Prompts(ABC):
    """A `bot.bench.tasks.groups.Group` without its section: a task says how a cell is trained."""

    name: str

    def __init__(self, setting: Setting) -> None:
        self._larder = Larder(setting)
        cells = [cell for seed in setting.seeds for cell in self._cells_of(seed, setting.is_quick)]
        group = f"{self.name}-quick" if setting.is_quick else self.name  # other lengths, other rows
        self._cells = {cell.key(group): cell for cell in cells}

    def missing(self) -> str | None:
        """Where there are no prompts."""
        return self._larder.missing()

    def names(self) -> list[str]:
        """Names of its cells."""
        return list(self._cells)

    async def prepare(self, keys: Sequence[str]) -> None:
        """Train the model, unless it is cached, and cook the pools."""
        await self._larder.cook(self._cells[key] for key in keys)

    async def carry_out(self, key: str, launcher: LocalLauncher) -> Row:
        """Train a cell."""
        cell, folder = self._cells[key], fresh(self._larder.setting.folder / "work" / key)
        try:
            found = await self._train(cell, key, folder, launcher)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return {
            "recipe": cell.recipe, "seed": cell.seed, "arm": cell.arm, "votes": cell.votes, **found,
        }  # fmt: skip

    @abstractmethod
    async def _train(self, cell: Cell, key: str, folder: Path, launcher: LocalLauncher) -> Row:
        """Curve and costs of a cell."""

    @abstractmethod
    def _cells_of(self, seed: int, is_quick: bool) -> list[Cell]:
        """All arms on all pools of a seed."""


def spec_of(cell: Cell, task: str, pool: Path, about: Mapping[str, Any], train: Any) -> RunSpec:
    """How an arm trains.

    Args:
        cell: which.
        task: what is fine-tuned.
        pool: folder of its rows.
        about: of the model.
        train: what of `trainer.spec.TrainSpec` is the group's own.
    """
    return parse_spec(
        {
            "name": "bench", "model": about["body"], "task": task,
            "data": {
                "pool": f"jsonl:{pool}/pool.jsonl", "dev": f"jsonl:{pool}/dev.jsonl",
                "test": f"jsonl:{pool}/test.jsonl", "id": "id", "truth": "truth",
            },
            "lora": {
                "r": 16, "alpha": 32, "top_layers": "half",
                "targets": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj",
                            "down_proj"],
            },
            "train": {
                "max_tokens": about["max_tokens"], "threads": 1, "seed": cell.seed,
                "patience": PATIENCE if cell.arm in SELECTIVE else 0, **train,
            },
        },
        where="the benchmark's spec",
    )  # fmt: skip


async def trained(
    cell: Cell, name: str, spec: RunSpec, pool: Path, folder: Path, launcher: LocalLauncher
) -> Row:
    """One of our arms, from the first question to the last step."""
    arm = ArmInTraining(name, cell.arm, spec, folder / "arm", launcher)
    arm.folder.mkdir(parents=True)
    found: Row = {"people_s": 0.0}
    heard = Opinions()
    if cell.votes:
        rng = np.random.default_rng([cell.seed, 61])
        crew = Crew(team_of(f"5x{cell.accuracy:g}"), spec, rng)
        if cell.recipe == TOPICS:
            found |= await _weighed(arm, crew, cell.votes, pool)
            heard = crew.opinions
        else:
            bound = THUMBS[KINDS[spec.task].asks].go_above
            planned = partial(ballots, cell.votes, AT_FIRST)
            is_worth_it, _ = await ask(arm, Judging(crew, arm.folder), planned, bound)
            if not is_worth_it:
                arm.goes_to_its_end()
            heard = crew.opinions if is_worth_it else Opinions()
            found |= await _known(arm, crew, folder / "measured")
            found["decision"] = "go" if is_worth_it else "no-go"
        found |= {"people_s": crew.seconds, "answers": len(crew.votes)}
    report = await arm.segment(1.0, heard)
    if report.selection is not None:
        found["note"] = report.selection.note or report.selection.undone
    return {**arm.found(), **found, **await asyncio.to_thread(_kept, arm.folder, pool)}


@dataclass(frozen=True, slots=True)
class Judging:
    """A crew that is asked about samples, see `bot.bench.asking`.

    Attributes:
        crew: who answers.
        folder: of the arm: the truth lies there once a segment was at work.
    """

    crew: Crew
    folder: Path

    @property
    def votes(self) -> int:
        """Answers so far, gold and repeats included."""
        return len(self.crew.votes)

    @property
    def asked(self) -> tuple[str, ...]:
        """Samples that stood on a card."""
        return self.crew.asked

    @property
    def dirt(self) -> Dirt | None:
        """What the random cards so far tell; None where they are too few."""
        return self.crew.dirt

    def answer(self, report: SegmentReport, budget: int) -> None:
        """Answer cards until `budget` answers are given in all."""
        self.crew.judge(report, _truth(self.folder), budget)

    def told(self) -> Opinions:
        """What they think, as the trainer is told."""
        return self.crew.opinions


async def _weighed(arm: ArmInTraining, crew: Crew, times: int, pool: Path) -> Row:
    """Ask once, before the first step, how much each topic matters."""
    report = await arm.segment(0.0, questions=Questions(cards=0, feature_cards=1))
    topics = [name for view in report.features for name in view.features]
    rows = _rows(pool)
    levels = levels_of_topics(topics, [r["prompt"] for r in rows], [r["truth"] for r in rows])
    crew.weigh(report, levels, times)
    said = {o.feature: o.value for o in crew.opinions.features}
    return {"topics": [[name, levels[name], said.get(name)] for name in topics]}


async def _known(arm: ArmInTraining, crew: Crew, folder: Path) -> Row:
    """How well the model of the votes tells good from bad where nobody was asked.

    By its own guesses, which go with the cards of a round of random ones; a copy of the arm is
    asked for it, so that the arm does not pay.
    """
    twin = arm.branch(folder)
    everything = Questions(
        cards=MOST_CARDS, feature_cards=0, asked=crew.asked, gold_share=0.0, audit_share=1.0
    )
    report = await twin.segment(0.0, crew.opinions, everything)
    return {"auc": auc_of(report, _truth(arm.folder))}


def auc_of(report: SegmentReport, truth: Mapping[str, str]) -> float | None:
    """Area under the ROC curve of the guesses on a report's cards; None where all are alike. Pure."""
    from trainer.surrogate import auc  # scipy: too heavy for every start of the bot

    known = [
        (card.keep, truth[card.view.sample_id] == (card.view.label or ANSWER))
        for card in report.candidates
        if card.keep is not None
    ]
    if not known:
        return None
    guesses, is_good = zip(*known, strict=True)
    return auc(np.array(guesses), np.array(is_good))


def _kept(arm: Path, pool: Path) -> Row:
    chosen = json.loads((arm / "selection.json").read_text(encoding="utf-8"))
    prompts = {f"pool-{row['id']}": row["prompt"] for row in _rows(pool)}
    return kept_of(chosen, _truth(arm), prompts)


def kept_of(
    chosen: Mapping[str, Sequence[Any]], truth: Mapping[str, str], prompts: Mapping[str, str]
) -> Row:
    """`kept`, which share of it is right, and which share of what could be right is in it. Pure.

    Args:
        chosen: sample -> how sure one is of it, what it weighs in training, under which label.
        truth: sample -> its right label.
        prompts: sample -> its prompt; samples with one prompt count once.
    """
    kept = {i: label for i, (_, weight, label) in chosen.items() if weight > 0}
    right = {prompts[i] for i, label in kept.items() if truth[i] == label}
    possible = {prompts[i] for i in chosen if truth[i] in (ANSWER, "A", "B")}
    return {
        "kept": len(kept),
        "right": sum(truth[i] == label for i, label in kept.items()) / max(1, len(kept)),
        "recall": len(right) / max(1, len(possible)),
    }


def _truth(arm: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((arm / "truth.json").read_text(encoding="utf-8"))
    return found


def _rows(pool: Path) -> list[dict[str, Any]]:
    lines = (pool / "pool.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def fresh(folder: Path) -> Path:
    """An empty folder in the place of whatever stood there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
