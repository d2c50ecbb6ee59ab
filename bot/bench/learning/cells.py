"""One cell of a benchmark: an arm over a pool, segment by segment, as the bot would train it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bot.bench.asking import AUDIT_VOTES, Ballots, ask
from bot.bench.learning import team as people
from bot.bench.learning.team import Jury, team_of
from bot.bench.segments import ArmInTraining, run_module
from bot.thumbs import GO_ABOVE
from trainer.bench import exemplars
from trainer.launch import LocalLauncher
from trainer.segment import LabelWords, Opinions
from trainer.spec import RunSpec, parse_spec

RIVALS = ("stock", "frozen-lr", "answers-only")
"""Arms that are no runs of ours."""
PHRASED_LABELS, FIXES = 20, 20
"""What ten minutes of words are: twenty labels described, twenty better labels given."""
EXEMPLARS = 100
"""Texts people label well for the arm `rho`: as many seconds as a hundred votes take."""
AT_FIRST = "before"
ASKED: Mapping[str, tuple[float, ...]] = {
    AT_FIRST: (0.0,), "first": (0.3,), "spread": (0.0, 0.2, 0.4), "late": (0.6,),
}  # fmt: skip
"""When votes are asked for -> the shares of the training after which it pauses for them."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One arm on one pool."""

    recipe: str
    seed: int
    n: int
    arm: str
    team: str = ""  # human arms only
    votes: int = 0
    words: bool = False
    epochs: float = 3.0
    asked_when: str = AT_FIRST  # one of `ASKED`

    @property
    def key(self) -> str:
        """Its name; equal cells give equal results."""
        said = f"-{self.team}-{self.votes}{'-words' if self.words else ''}" if self.team else ""
        later = "" if self.asked_when == AT_FIRST else f"-{self.asked_when}"
        return f"{self.recipe}-{self.n}-{self.seed}-e{self.epochs:g}-{self.arm}{said}{later}"


def ballots(votes: int, asked_when: str, audits: int = 1) -> Ballots:
    """The ballots of a cell, see `bot.bench.asking`.

    Before the first step a ballot costs next to nothing, so there what is asked after the audit is
    asked in two; at a checkpoint each of them costs a look at the pool, as in the bot.
    """
    pauses = ASKED[asked_when]
    found = [(pauses[0], min(n * AUDIT_VOTES, votes)) for n in range(1, audits + 1)]
    audit = found[0][1]
    if pauses == (0.0,) and audits == 1:
        found.append((0.0, audit + (votes - audit) // 2))
    found += [(pause, round(votes * i / len(pauses))) for i, pause in enumerate(pauses, 1)]
    return tuple(found)


async def carry_out(
    cell: Cell, pools: Path, work: Path, launcher: LocalLauncher, evaluations: int
) -> dict[str, Any]:
    """The result of a cell, as plain data.

    Raises:
        BenchError: something could not be trained.
    """
    pool = pools / f"{cell.recipe}-{cell.n}-{cell.seed}"
    folder = work / cell.key
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        if cell.arm in ("stock", "frozen-lr"):
            found = await _rival(cell, pool, folder, evaluations, ())
        else:
            found = await _Run(cell, pool, folder, launcher, evaluations).carry_out()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "cell": cell.key, "recipe": cell.recipe, "seed": cell.seed, "n": cell.n, "arm": cell.arm,
        "team": cell.team, "votes": cell.votes, "words": cell.words, "epochs": cell.epochs,
        "asked_when": cell.asked_when, **found,
    }  # fmt: skip


class _Run:
    """An arm of ours."""

    def __init__(
        self, cell: Cell, pool: Path, folder: Path, launcher: LocalLauncher, evaluations: int
    ) -> None:
        self._cell, self._pool, self._folder = cell, pool, folder
        self._evaluations = evaluations
        spec = _spec(cell, pool, evaluations)
        self._trained = ArmInTraining(cell.key, cell.arm, spec, folder, launcher)
        self._rows = [json.loads(x) for x in (pool / "pool.jsonl").read_text().splitlines()]
        ids = {f"pool-{row['id']}": row for row in self._rows}
        self._truth = {i: row["truth"] for i, row in ids.items()}
        self._given = {i: row["label"] for i, row in ids.items()}
        self._labels = sorted(set(self._given.values()))

    async def carry_out(self) -> dict[str, Any]:
        """Train it from the first question to the last step."""
        cell = self._cell
        jury, opinions, decision, seconds = None, Opinions(), None, 0.0
        if cell.arm == "human":
            rng = np.random.default_rng([cell.seed, 21])
            jury = Jury(team_of(cell.team), self._truth, self._given, rng)
            decision, opinions, seconds = await self._ask(jury, rng)
        elif cell.arm == "rho":
            seconds = self._leave_exemplars()
        report = await self._trained.segment(1.0, opinions)
        found = {**self._trained.found(), "people_s": seconds}
        if report.selection is not None:
            found |= {"kept": report.selection.kept, "auc_left_out": report.selection.auc}
        if jury is not None:
            found |= {"decision": decision, "alpha": jury.consensus().alpha}
            found |= quality_of(
                self._folder / "selection.json", self._truth, self._given, jury.asked
            )
            answers = tuple((i.removeprefix("pool-"), y) for i, y in jury.right_answers())
            alone = await _rival(
                self._cell, self._pool, self._folder, self._evaluations, answers, "answers-only"
            )
            found["answers_only"] = alone["curve"][-1]["metric"]
        return found

    async def _ask(self, jury: Jury, rng: np.random.Generator) -> tuple[str, Opinions, float]:
        """Cards from ballot to ballot, then words."""
        cell = self._cell
        planned = partial(ballots, cell.votes, cell.asked_when)
        is_worth_it, report = await ask(self._trained, jury, planned, GO_ABOVE)
        seconds = jury.votes * people.SECONDS_PER_VOTE
        if not is_worth_it:
            return "no-go", Opinions(), seconds
        words: tuple[LabelWords, ...] = ()
        if cell.words:
            fixes = jury.fix(FIXES, self._labels)
            words = self._phrases(report.unsettled[:PHRASED_LABELS], rng)
            seconds += fixes * people.SECONDS_PER_FIX + len(words) * people.SECONDS_PER_PHRASE
        return "go", Opinions(samples=jury.opinions(), words=words), seconds

    def _leave_exemplars(self) -> float:
        """Put clean exemplars where the arm finds them: the seconds people labelled for."""
        chosen = exemplars.picked(self._spare(), self._labels, EXEMPLARS, self._cell.seed)
        exemplars.write(self._folder, chosen)
        return len(chosen) * people.SECONDS_PER_VOTE

    def _spare(self) -> list[exemplars.Exemplar]:
        """Texts that are in no pool, and what they are about."""
        rows = map(json.loads, (self._pool / "spare.jsonl").read_text().splitlines())
        return [(row["text"], row["label"]) for row in rows]

    def _phrases(self, labels: Sequence[str], rng: np.random.Generator) -> tuple[LabelWords, ...]:
        known: dict[str, list[str]] = {}
        for text, label in self._spare():
            known.setdefault(label, []).append(text)
        said = {label: people.phrases_for(label, known, rng) for label in labels}
        return tuple(LabelWords(label=k, words=v) for k, v in said.items() if v)


def quality_of(
    path: Path, truth: Mapping[str, str], given: Mapping[str, str], asked: Sequence[str]
) -> dict[str, Any]:
    """How good the model of the votes is on what nobody was asked about."""
    if not path.exists():
        return {}
    keep = {i: row[0] for i, row in json.loads(path.read_text(encoding="utf-8")).items()}
    rest = [i for i in keep if i not in set(asked)]
    p = np.array([keep[i] for i in rest])
    good = np.array([truth[i] == given[i] for i in rest])
    if not good.any() or good.all():
        return {}
    from trainer.surrogate import auc  # scipy: too heavy for every start of the bot

    bins = np.clip((p * 10).astype(int), 0, 9)
    reliability = [
        {"said": float(p[bins == b].mean()), "true": float(good[bins == b].mean()),
         "n": int((bins == b).sum())}
        for b in range(10) if (bins == b).any()
    ]  # fmt: skip
    return {"auc": auc(p, good), "reliability": reliability}


async def _rival(
    cell: Cell, pool: Path, folder: Path, evaluations: int,
    answers: tuple[tuple[str, str], ...], arm: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    out = folder / "rival.json"
    task = {
        "arm": arm or cell.arm, "folder": str(pool), "epochs": cell.epochs, "max_tokens": 32,
        "seed": cell.seed, "evaluations": min(evaluations, 8), "answers": answers, "out": str(out),
    }  # fmt: skip
    await run_module("trainer.bench.rival", task)
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    if "forwards" not in found:
        found["forwards"] = found["curve"][-1]["forwards"]
    return {**found, "people_s": 0.0, "is_flat": False}


def _spec(cell: Cell, pool: Path, evaluations: int) -> RunSpec:
    return parse_spec(
        {
            "name": "bench", "model": "minilm",
            "data": {
                "pool": f"jsonl:{pool}/pool.jsonl", "dev": f"jsonl:{pool}/dev.jsonl",
                "test": f"jsonl:{pool}/test.jsonl", "truth": "truth",
            },
            "train": {
                "epochs": cell.epochs, "max_tokens": 32, "evaluations": evaluations,
                "patience": max(1, round(0.3 * evaluations)), "threads": 1, "seed": cell.seed,
            },
        },
        where="the benchmark's spec",
    )  # fmt: skip
