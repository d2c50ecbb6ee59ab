"""What a trained model leans on, and how good it is on several tests: `python -m trainer.bench.leaning`.

Reads a `Task` as JSON from its standard input: the plan of a segment, and checkpoints of its arm.
Nothing is trained.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from trainer import activations, compute
from trainer.activations import Texts
from trainer.attribution import token_scores, word_shares
from trainer.data.read import read_splits
from trainer.data.samples import Sample, Splits
from trainer.desk import Desk
from trainer.files import write_whole
from trainer.image_backbone import ImageBackbone
from trainer.marks import Marks
from trainer.pictures import Pictures, all_cells, cell_name
from trainer.segment import Opinions, SegmentPlan
from trainer.tasks.registry import task_of

LOOKED_AT = 64
"""Samples per label whose attribution is averaged."""


class Task(BaseModel):
    """What is to be looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: str  # path of a segment's plan
    checkpoints: dict[str, str]  # name -> folder
    tests: dict[str, str]  # name -> source
    features: dict[str, tuple[str, ...]] = {}  # label -> features
    marked: str | None = None  # jsonl of texts with the words people marked
    out: str


def look(task: Task) -> dict[str, Any]:
    """Name of a checkpoint -> accuracy by test, share by label and feature, share on marked words."""
    plan = SegmentPlan.read(Path(task.plan)).model_copy(
        update={"until": 0.0, "opinions": Opinions(), "questions": None}
    )
    torch.manual_seed(plan.seed)
    hardware = compute.set_up(plan.spec.train)
    kind = task_of(plan.spec)
    model = kind.load(plan.spec, plan.seed)
    found: dict[str, Any] = {name: {"accuracy": {}} for name in task.checkpoints}
    with TemporaryDirectory() as folder:
        for number, (test, source) in enumerate(task.tests.items()):
            data = plan.spec.data.model_copy(update={"test": source})
            spec = plan.spec.model_copy(update={"data": data})
            splits = read_splits(spec, plan.seed)
            own = Path(folder) / str(number)
            own.mkdir()
            learner: Any = kind.learner(spec, splits, model, hardware, own)
            Desk(plan, learner, Marks())  # embeds what the arm's centre was taken from
            for name, checkpoint in task.checkpoints.items():
                _put(learner, Path(checkpoint))
                found[name]["accuracy"][test] = learner.evaluate("test")
                if number == 0:
                    lens = Lens(model, learner.head, splits, spec.train.max_tokens, hardware)
                    found[name]["shares"] = lens.shares(task.features)
                    if task.marked is not None:
                        found[name]["marked"] = lens.marked(Path(task.marked))
    return found


def _put(learner: Any, checkpoint: Path) -> None:
    """Give the model what the arm would leave if it ended there: the best by dev it had."""
    values = activations.load(checkpoint / "best.safetensors")
    with torch.no_grad():
        for group, members in learner.trainable().items():
            for name, parameter in members.items():
                parameter.copy_(values[f"{group}.{name}"])


class Lens:
    """Where a model looks, over samples of its own choosing."""

    def __init__(
        self, model: Any, head: Any, splits: Splits, max_tokens: int, hardware: compute.Compute
    ) -> None:
        self._model, self._head, self._splits = model, head, splits
        self._max_tokens, self._hardware = max_tokens, hardware

    def shares(self, features: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
        """Label -> feature -> mean share of the attribution that lies on it, in [0, 1].

        Over samples of the pool with that label; words that a sample lacks have no share of it.
        """
        found = {}
        for label, wanted in features.items():
            mine = [s for s in self._splits.pool if s.label == label]
            order = np.random.default_rng(0).permutation(len(mine))[:LOOKED_AT]
            by_sample = self._by_sample([mine[i] for i in order], [label] * len(order))
            found[label] = {
                w: float(np.mean([one.get(w, 0.0) for one in by_sample])) for w in wanted
            }
        return found

    def marked(self, path: Path) -> float:
        """Mean share of the words' attribution that lies on words people marked, in [0, 1]."""
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        rows = [row for row in rows if row["label"] in self._splits.labels][: 4 * LOOKED_AT]
        samples = [
            Sample(str(i), {"text": r["text"]}, r["label"], None) for i, r in enumerate(rows)
        ]
        return marked_share(
            self._by_sample(samples, [r["label"] for r in rows]), [r["marked"] for r in rows]
        )

    def _by_sample(
        self, samples: Sequence[Sample], labels: Sequence[str]
    ) -> list[dict[str, float]]:
        """Per sample: feature -> share of the attribution to its label."""
        place = {label: c for c, label in enumerate(self._splits.labels)}
        rows: dict[str, list[int]] = defaultdict(list)
        for i, label in enumerate(labels):
            rows[label].append(i)
        found: list[dict[str, float]] = [{} for _ in samples]
        for label, index in rows.items():
            shares = self._of([samples[i] for i in index], place[label])
            for i, share in zip(index, shares, strict=True):
                found[i] = share
        return found

    def _of(self, samples: Sequence[Sample], c: int) -> list[dict[str, float]]:
        everything = np.arange(len(samples))

        def score(pooled: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self._head(pooled)
            return logits[:, c]

        if isinstance(self._model, ImageBackbone):
            files = [s.fields["image"] for s in samples]
            cells = Pictures(self._model, files, self._hardware).cell_shares(everything, score)
            return [{cell_name(*at): float(one[at]) for at in all_cells()} for one in cells]
        backbone, tokenizer = self._model
        texts = [s.text for s in samples]
        held = Texts(backbone, tokenizer, texts, self._max_tokens, self._hardware)
        scores = token_scores(held, everything, score)
        encoded = tokenizer(
            texts, truncation=True, max_length=self._max_tokens, return_offsets_mapping=True
        )
        return word_shares(texts, encoded["offset_mapping"], scores)


def marked_share(shares: Sequence[Mapping[str, float]], marked: Sequence[Sequence[str]]) -> float:
    """Mean over texts of the marked words' part of all words' attribution, in [0, 1]. Pure.

    A text without any attribution on words is left out.
    """
    parts = []
    for share, words in zip(shares, marked, strict=True):
        total = sum(share.values())
        if total > 0:
            parts.append(sum(share.get(word, 0.0) for word in words) / total)
    return float(np.mean(parts)) if parts else 0.0


if __name__ == "__main__":
    order = Task.model_validate_json(sys.stdin.read())
    write_whole(Path(order.out), json.dumps(look(order)))
